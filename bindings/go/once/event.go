package once

import (
	"context"
	"iter"
	"time"

	"github.com/sjohnr/at-once/bindings/go/libonce"
)

// Peer is what a node knows of a peer at one moment. It does not change.
type Peer = libonce.Peer

// Origin says which peer an event is about, and when it happened. Peer.Protection
// tells what protected a message on its way, Peer.Identity by whose key.
type Origin struct {
	Peer    Peer // as it was then
	Time    time.Time
	Version uint64 // see [Node.Snapshot]; 0 for a Whisper, Shout, Refusal, Unreachable, Twin or Notice
}

// About returns the origin itself.
func (o *Origin) About() *Origin { return o }

func originOf(e libonce.Event) Origin { return Origin{e.Peer(), e.Time(), e.Version()} }

// Reason is why a peer is gone.
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
	e, err := n.lib.Recv(ctx)
	if err != nil {
		return nil, err
	}
	return n.typed.of(e), nil
}

// Batch is a run of events, valid until the next Next or NextBatch.
type Batch struct {
	node *Node
	lib  libonce.Batch
}

// NextBatch waits for events and returns a run of them, at least one. It is for
// those in a hurry; it fails as Next does.
func (n *Node) NextBatch(ctx context.Context) (Batch, error) {
	b, err := n.lib.RecvBatch(ctx)
	return Batch{n, b}, err
}

// Len returns how many events the batch holds.
func (b Batch) Len() int { return b.lib.Size() }

// At returns one of the events, valid until the next At.
func (b Batch) At(i int) Event { return b.node.typed.of(b.lib.Event(i)) }
