package node

import (
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// Peer is what the node knows of a peer at one moment.
type Peer = zre.Peer

// Event is something that happened in the network. It is valid until the next
// Recv or RecvBatch of its node; Keep makes a copy that lasts.
type Event struct {
	kind    api.EventType
	reason  peermachine.Reason
	peer    *Peer
	group   string
	content [][]byte
	text    string // of a network event, why a node was refused, or what a twin means
	at      time.Time
	version uint64 // of what is known after the event, 0 if no snapshot holds it
}

func (e *Event) Type() api.EventType { return e.kind }
func (e *Event) Peer() *Peer         { return e.peer }
func (e *Event) Group() string       { return e.group }
func (e *Event) Msg() [][]byte       { return e.content }
func (e *Event) Time() time.Time     { return e.at }
func (e *Event) Version() uint64     { return e.version }

// Protection returns what protected content on its way, or what protects content
// of the peer.
func (e *Event) Protection() api.PeerProtection { return e.peer.Protection() }

// Reason returns why a peer is gone, or what has changed in the network, or an
// empty string for other events.
func (e *Event) Reason() string {
	if e.reason == 0 {
		return e.text
	}
	return e.reason.String()
}

// Keep returns a copy of the event that shares no memory with the node.
func (e *Event) Keep() *Event {
	size := 0
	for _, frame := range e.content {
		size += len(frame)
	}
	kept, octets := *e, make([]byte, 0, size)
	kept.content = make([][]byte, len(e.content))
	for i, frame := range e.content {
		octets = append(octets, frame...)
		kept.content[i] = slices.Clip(octets[len(octets)-len(frame):])
	}
	return &kept
}

// notice tells whether the event is not about a peer: anybody can cause such.
func (e *Event) notice() bool {
	switch e.kind {
	case api.EventTypeNetwork, api.EventTypeRefused, api.EventTypeUnreachable, api.EventTypeTwin:
		return true
	}
	return false
}

// content tells whether the event carries a message, and so memory of a link.
func (e *Event) carries() bool {
	return e.kind == api.EventTypeWhisper || e.kind == api.EventTypeShout
}

// Batch is a run of events. The contents of those that a link brought alias the
// link's buffer, which goes back to it when the batch is recycled.
type Batch struct {
	events []Event
	source *link.Batch // nil for events that carry no content
	octets int         // that the content holds on to
	frames [][]byte    // room for the frames of content that was opened
}

func (b *Batch) Size() int { return len(b.events) }

// Event returns the event at index, or nil if there is none.
func (b *Batch) Event(index int) *Event {
	if index < 0 || index >= len(b.events) {
		return nil
	}
	return &b.events[index]
}
