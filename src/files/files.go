// Package files brings files and folders from one node to another, as messages of
// once_files in whispers. The receiver leads: it asks for what it lacks, compares what it
// has, and says when all is on its disk, so that lost messages, lost connections and new
// lives of either side cost no more than what was under way. The sender answers.
//
// The package needs little of a node (see [Node]), and starts no goroutine: a transfer runs
// in [Transfer.Send] or [Transfer.Receive], and what the node hears is brought to it by
// [Files.Take].
//
// What comes from the other side is not believed: paths stay in the folder that the
// receiver has chosen, whatever links are in it (os.Root), names that could mislead are
// refused, no more is taken than was offered and asked for, and what waits is bounded.
//
// Programs import bindings/go/once: what is here may change at any time.
package files

import (
	"context"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

// Node is what files need of a node.
type Node interface {
	// Whisper sends a message to a peer, and waits while the peer's queue is full.
	Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error
}

// Files are the transfers of a node. All methods may be called from any goroutine.
type Files struct {
	node Node

	mu        sync.Mutex
	transfers map[key]*Transfer // those that run, and offers that wait
	counts    map[string]uint64
	offers    chan *Transfer
}

// key tells transfers apart.
type key struct {
	peer   uuid.UUID
	number uint64
}

// New begins to send and receive files for a node. It never fails.
func New(node Node) (*Files, error) {
	return &Files{
		node:      node,
		transfers: map[key]*Transfer{},
		counts:    map[string]uint64{},
		offers:    make(chan *Transfer, oncefiles.MaxOffers),
	}, nil
}

// Is tells whether a frame is a message of files.
func Is(frame []byte) bool {
	_, err := oncefiles.Peek(frame)
	return err == nil
}

// Take returns true if a whisper belongs to a transfer, and takes it. It does not wait.
func (f *Files) Take(peer uuid.UUID, content [][]byte) bool {
	if len(content) != 1 || !Is(content[0]) {
		return false
	}
	frame := content[0]
	id, _ := oncefiles.Peek(frame)
	k := key{peer, binary.BigEndian.Uint64(frame[oncefiles.TransferOffset:])}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch t := f.transfers[k]; {
	case len(frame) > oncefiles.MaxData, id == oncefiles.IDEnd && len(frame) > oncefiles.MaxEnd:
		f.counts["malformed"]++
	case t == nil && id == oncefiles.IDOffer:
		f.enqueue(k, frame)
	case id == oncefiles.IDOffer: // it comes again, and says nothing new
	case t == nil || !t.runs && (id != oncefiles.IDEnd || len(t.words) > 0): // one end is enough
		f.counts["stray"]++
	default:
		select {
		case t.words <- slices.Clone(frame):
		default:
			f.counts["crowded"]++
		}
	}
	return true
}

// enqueue lets an offer wait, if there is room for it.
func (f *Files) enqueue(k key, frame []byte) {
	var offer oncefiles.Offer
	if offer.Decode(frame, nil) != nil || offer.Octets > math.MaxInt64 || offer.Listing > oncefiles.MaxListing {
		f.counts["malformed"]++
		return
	}
	waiting := 0
	for other, t := range f.transfers {
		if other.peer == k.peer && !t.runs {
			waiting++
		}
	}
	if waiting >= oncefiles.MaxOffered {
		f.counts["crowded"]++
		return
	}
	t := f.newTransfer(k)
	t.incoming = true
	t.title, t.count, t.octets = offer.Title, int(offer.Files), offer.Octets
	t.entries[0].octets = uint64(offer.Listing)
	select {
	case f.offers <- t:
		f.transfers[k] = t
	default:
		f.counts["crowded"]++
	}
}

// NextOffer waits until a peer offers files that is not gone by then.
func (f *Files) NextOffer(ctx context.Context) (*Transfer, error) {
	for {
		select {
		case t := <-f.offers:
			f.mu.Lock()
			isHere := f.transfers[t.key] == t
			f.mu.Unlock()
			if isHere {
				return t, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Gone ends all transfers with a peer, which is gone.
func (f *Files) Gone(peer uuid.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, t := range f.transfers {
		if k.peer == peer {
			close(t.words)
			delete(f.transfers, k)
		}
	}
}

// Counts returns how often something unusual was seen, by name.
func (f *Files) Counts() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

func (f *Files) count(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts[name]++
}

func (f *Files) newTransfer(k key) *Transfer {
	t := &Transfer{key: k, files: f, words: make(chan []byte, oncefiles.MaxQueued)}
	t.entries, t.folded = make([]entry, 1), map[string]bool{} // one for the listing
	return t
}

// Offer returns a transfer to a peer: add files to it and send them.
func (f *Files) Offer(peer uuid.UUID) *Transfer { return f.newTransfer(key{peer, newNumber()}) }
