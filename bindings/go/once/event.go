package once

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/libonce"
)

// String returns the peer's name and UUID, for people.
func (p Peer) String() string {
	name, id := printable(p.Name()), p.UUID()
	switch {
	case id == uuid.Nil:
		return cmp.Or(name, "nobody")
	case name == "":
		return id.String()
	}
	return fmt.Sprintf("%s (%s)", name, id)
}

// printable returns text as it is, or quoted if it cannot be part of a line.
func printable(text string) string {
	if quoted := strconv.Quote(text); quoted[1:len(quoted)-1] != text {
		return quoted
	}
	return text
}

// What an event prints of its content: so many frames, and octets of each.
const (
	printedFrames = 4
	printedOctets = 64
)

// excerpt returns the beginning of content, in one line.
func excerpt(frames [][]byte) string {
	var parts []string
	for i, frame := range frames {
		if i == printedFrames {
			parts = append(parts, fmt.Sprintf("and %d more frames", len(frames)-i))
			break
		}
		part := strconv.Quote(string(frame[:min(len(frame), printedOctets)]))
		if len(frame) > printedOctets {
			part += fmt.Sprintf(" (the beginning of %d octets)", len(frame))
		}
		parts = append(parts, part)
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}

// Origin says which peer an event is about, and when it happened. Peer.Protection
// tells what protected a message on its way, Peer.Identity by whose key.
type Origin struct {
	Peer    Peer      // as it was then
	Time    time.Time // when it happened, by this host's clock
	Version uint64    // number of what the node knew after it; see [Node.Snapshot]; 0 for a Whisper, Shout, Refusal, Unreachable, Twin or Notice
}

// About returns the origin itself.
func (o *Origin) About() *Origin { return o }

func originOf(e libonce.Event) Origin { return Origin{Peer(e.Peer()), e.Time(), e.Version()} }

// Reason is why a peer is gone. It is a word for people and programs.
type Reason string

// Why a peer is gone.
const (
	Left     Reason = "left"     // it said goodbye
	Expired  Reason = "expired"  // nothing was heard of it for Config.Expired
	Replaced Reason = "replaced" // it has started anew; an Enter follows
	Refused  Reason = "refused"  // it does not let us in; a Refusal says why
	Expelled Reason = "expelled" // we do not let it in; a Refusal says why
	Network  Reason = "network"  // the connection was lost and could not be made again
	Stopped  Reason = "stopped"  // this node has stopped
)

// Events returns the events from now on, until ctx ends or the node has stopped
// and none are left.
func (n *Node) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for {
			event, err := n.Next(ctx)
			if err != nil || !yield(event) {
				return
			}
		}
	}
}

// Next waits for the next event. It fails with ctx's error, or with [ErrStopped]
// when the node has stopped and no events are left.
func (n *Node) Next(ctx context.Context) (Event, error) {
	e, err := n.engine().Recv(ctx)
	if err != nil {
		return nil, named("Next", err)
	}
	return n.typed.of(e), nil
}

// Batch is a run of events, valid until the next Next or NextBatch. The zero Batch has none.
type Batch struct {
	node *Node
	lib  libonce.Batch
}

// NextBatch waits for events and returns a run of them, at least one. It is for
// those in a hurry; it fails as [Node.Next] does.
func (n *Node) NextBatch(ctx context.Context) (Batch, error) {
	b, err := n.engine().RecvBatch(ctx)
	if err != nil {
		return Batch{}, named("NextBatch", err)
	}
	return Batch{n, b}, nil
}

// Len returns how many events the batch holds.
func (b Batch) Len() int { return b.lib.Size() }

// At returns one of the events, the first at 0, valid until the next At; nil if there is
// no such event.
func (b Batch) At(i int) Event {
	if b.node == nil {
		return nil
	}
	return b.node.typed.of(b.lib.Event(i))
}
