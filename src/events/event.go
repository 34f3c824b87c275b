// Package events is the queue of what happens in a network to the application that is
// told of it.
//
// Programs import bindings/go/once: what is here may change at any time.
package events

import (
	"fmt"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// Facts are what an event is made of.
type Facts struct {
	Type    api.EventType
	Reason  peermachine.Reason
	Why     api.EventWhy // of who was refused
	Ours    bool         // it is this node that refuses
	Status  uint32       // of an answer
	Peer    *zre.Peer
	Group   string
	Content [][]byte
	Asks    uint64 // of a whisper that is a question, what it is answered by
	Text    string // of a network event, why a node was refused, or what a twin means
	At      time.Time
	Version uint64 // of what is known after the event, 0 if no snapshot holds it
	lost    *lost  // of an overrun; nil if its text says how much
}

// Event is something that happened in the network. It is valid until the next
// Recv or RecvBatch of its queue; Keep makes a copy that lasts.
type Event struct{ facts Facts }

func (e *Event) Type() api.EventType { return e.facts.Type }
func (e *Event) Peer() *zre.Peer     { return e.facts.Peer }
func (e *Event) Group() string       { return e.facts.Group }
func (e *Event) Msg() [][]byte       { return e.facts.Content }
func (e *Event) Time() time.Time     { return e.facts.At }
func (e *Event) Version() uint64     { return e.facts.Version }
func (e *Event) Why() api.EventWhy   { return e.facts.Why }
func (e *Event) Ours() bool          { return e.facts.Ours }
func (e *Event) Question() uint64    { return e.facts.Asks }
func (e *Event) Status() uint32      { return e.facts.Status }

// Protection returns what protected content on its way, or what protects content
// of the peer.
func (e *Event) Protection() api.PeerProtection { return e.facts.Peer.Protection() }

// Reason returns why a peer is gone, or what has changed in the network, or an
// empty string for other events.
func (e *Event) Reason() string {
	switch {
	case e.facts.Reason != 0:
		return e.facts.Reason.String()
	case e.facts.lost != nil:
		return e.facts.lost.String()
	}
	return e.facts.Text
}

// Kept returns an event that shares no memory with what it is made of.
func Kept(f Facts) *Event { return (&Event{f}).Keep() }

// Keep returns a copy of the event that shares no memory with the node.
func (e *Event) Keep() *Event {
	kept, octets := *e, slices.Concat(e.facts.Content...)
	kept.facts.Content = make([][]byte, len(e.facts.Content))
	for i, frame := range e.facts.Content {
		kept.facts.Content[i] = octets[:len(frame):len(frame)]
		octets = octets[len(frame):]
	}
	return &kept
}

// notice tells whether the event is not about a peer: anybody can cause such.
func (e *Event) notice() bool {
	switch e.facts.Type {
	case api.EventTypeNetwork, api.EventTypeRefused, api.EventTypeUnreachable, api.EventTypeTwin, api.EventTypeOverrun:
		return true
	}
	return false
}

// Carries tells whether the event carries a message, and so memory of a link.
func (e *Event) Carries() bool {
	return e.facts.Type == api.EventTypeWhisper || e.facts.Type == api.EventTypeShout || e.facts.Type == api.EventTypeUndelivered
}

// Batch is a run of events. The contents of those that a link brought alias the
// link's buffer, which goes back to it when the batch is recycled.
type Batch struct {
	events []Event
	source *link.Batch // nil for events that carry no content
	octets int         // that the content holds on to
	frames [][]byte    // room for the frames of content that was opened

	back func(*Batch) (more bool) // yields content of ours that has come back, in place of events; nil for none
}

// carries tells whether a batch that is queued carries content.
func (b *Batch) carries() bool { return b.octets > 0 || b.back != nil }

// What an event and a frame count for beside the buffer that the content is in.
const (
	eventOctets = 96
	frameOctets = 24
)

// Add adds content to a batch that the queue has made for it.
func (b *Batch) Add(f Facts) {
	b.octets += eventOctets + len(f.Content)*frameOctets
	b.events = append(b.events, Event{f})
}

// Open has open append frames of content to those that the batch has room for, and
// returns the appended. It appends none if open fails.
func (b *Batch) Open(open func(frames [][]byte) ([][]byte, error)) ([][]byte, error) {
	frames, err := open(b.frames)
	if err != nil {
		return nil, err
	}
	opened := slices.Clip(frames[len(b.frames):])
	b.frames = frames
	return opened, nil
}

func (b *Batch) Size() int { return len(b.events) }

// Octets returns how much memory the batch counts for.
func (b *Batch) Octets() int { return b.octets }

// Event returns the event at index, or nil if there is none.
func (b *Batch) Event(index int) *Event {
	if index < 0 || index >= len(b.events) {
		return nil
	}
	return &b.events[index]
}

// lost is how much content was dropped. It grows while it is in a queue, with the lock of
// that.
type lost struct{ messages, octets int }

func (l *lost) String() string {
	return fmt.Sprintf("this program has not got %d messages, of %d octets: it reads more slowly than they are said", l.messages, l.octets)
}
