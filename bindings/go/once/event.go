package once

import (
	"context"
	"iter"
	"time"

	"github.com/sjohnr/at-once/bindings/go/libonce"
)

// Peer is what a node knows of a peer at one moment. It does not change.
type Peer = libonce.Peer

// Event is something that happened: one of [*Enter], [*Exit], [*Join], [*Leave],
// [*Whisper], [*Shout], [*Suspect], [*Recover], [*Leader], [*Refusal],
// [*Unreachable], [*Twin] and [*Notice]. It is valid until the next event is taken;
// [Keep] makes a copy that lasts.
type Event interface {
	// About returns what all events have in common.
	About() *Origin
}

// Origin says which peer an event is about, and when it happened. Peer.Protection
// tells what protected a message on its way, Peer.Identity by whose key.
type Origin struct {
	Peer    Peer // as it was then
	Time    time.Time
	Version uint64 // see [Node.Snapshot]; 0 for a Whisper, Shout, Refusal, Unreachable, Twin or Notice
}

// About returns the origin itself.
func (o *Origin) About() *Origin { return o }

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

type (
	// Enter says that a peer is present: it has greeted us, and we can reach it.
	Enter struct{ Origin }
	// Exit says that a peer is gone, and so from all its groups.
	Exit struct {
		Origin
		Reason Reason
	}
	// Join says that a peer has joined a group.
	Join struct {
		Origin
		Group string
	}
	// Leave says that a peer has left a group.
	Leave struct {
		Origin
		Group string
	}
	// Whisper is a message to this node. Content has one entry a frame.
	Whisper struct {
		Origin
		Content [][]byte
	}
	// Shout is a message to a group. Content has one entry a frame.
	Shout struct {
		Origin
		Group   string
		Content [][]byte
	}
	// Suspect says that a peer owes us a sign of life.
	Suspect struct{ Origin }
	// Recover says that a peer that was suspect is heard again.
	Recover struct{ Origin }
	// Leader says who leads a group of this node; that may be the node itself.
	Leader struct {
		Origin
		Group string
	}
)

// Refusal says that this node and another do not talk, or that one drops what the other
// says: their security differs, or one does not trust the other. Text says who refuses
// whom: "it does not let this node in", "this node does not let it in". Its Origin.Peer
// has what is known, which may be made up. It is told once in ten minutes.
type Refusal struct {
	Origin
	Text string // why, for people
}

// Unreachable says that a node is heard of, by a beacon, by gossip or because it has
// connected to this one, and that the two could not greet each other within
// Config.Greeting: a firewall may let through one way and not the other. Its Origin.Peer
// has what is known, which may be made up. It is told once in ten minutes.
type Unreachable struct {
	Origin
	Text string // what does not work, and what to open, for people
}

// Twin says that another node with this node's identity was seen: somebody has copied
// the identity's directory. Peers talk with the one that has started later, and turn the
// other away. Its Origin.Peer has the id of both, and the endpoint of the other. It is
// told once in ten minutes; whoever overhears the network can pretend it.
type Twin struct {
	Origin
	Text string // since when, and what to do, for people
}

// Notice says that an interface came, went or changed, or that nodes find each
// other less well or again. Its Origin.Peer has no id, no name and nothing else.
type Notice struct {
	Origin
	Text string // what has changed, for people
}

// typed holds one event of each kind, so that reading them allocates nothing.
type typed struct {
	enter   Enter
	exit    Exit
	join    Join
	leave   Leave
	whisper Whisper
	shout   Shout
	suspect Suspect
	recover Recover
	leader  Leader
	refusal Refusal
	twin    Twin
	unmet   Unreachable
	notice  Notice
}

// of returns the event of its kind.
func (t *typed) of(e libonce.Event) Event {
	origin := Origin{e.Peer(), e.Time(), e.Version()}
	switch e.Type() {
	case libonce.EventTypeWhisper:
		t.whisper = Whisper{origin, e.Msg()}
		return &t.whisper
	case libonce.EventTypeShout:
		t.shout = Shout{origin, e.Group(), e.Msg()}
		return &t.shout
	case libonce.EventTypeEnter:
		t.enter = Enter{origin}
		return &t.enter
	case libonce.EventTypeExit:
		t.exit = Exit{origin, Reason(e.Reason())}
		return &t.exit
	case libonce.EventTypeJoin:
		t.join = Join{origin, e.Group()}
		return &t.join
	case libonce.EventTypeLeave:
		t.leave = Leave{origin, e.Group()}
		return &t.leave
	case libonce.EventTypeSuspect:
		t.suspect = Suspect{origin}
		return &t.suspect
	case libonce.EventTypeRecover:
		t.recover = Recover{origin}
		return &t.recover
	case libonce.EventTypeRefused:
		t.refusal = Refusal{origin, e.Reason()}
		return &t.refusal
	case libonce.EventTypeUnreachable:
		t.unmet = Unreachable{origin, e.Reason()}
		return &t.unmet
	case libonce.EventTypeTwin:
		t.twin = Twin{origin, e.Reason()}
		return &t.twin
	case libonce.EventTypeNetwork:
		t.notice = Notice{origin, e.Reason()}
		return &t.notice
	default:
		t.leader = Leader{origin, e.Group()}
		return &t.leader
	}
}

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

// Keep returns a copy of an event that stays valid for ever.
func Keep(event Event) Event {
	switch e := event.(type) {
	case *Whisper:
		return &Whisper{e.Origin, clone(e.Content)}
	case *Shout:
		return &Shout{e.Origin, e.Group, clone(e.Content)}
	case *Enter:
		return copied(e)
	case *Exit:
		return copied(e)
	case *Join:
		return copied(e)
	case *Leave:
		return copied(e)
	case *Suspect:
		return copied(e)
	case *Recover:
		return copied(e)
	case *Leader:
		return copied(e)
	case *Refusal:
		return copied(e)
	case *Unreachable:
		return copied(e)
	case *Twin:
		return copied(e)
	case *Notice:
		return copied(e)
	}
	return event
}

func copied[E any](e *E) *E {
	kept := *e
	return &kept
}

func clone(frames [][]byte) [][]byte {
	kept := make([][]byte, len(frames))
	for i, frame := range frames {
		kept[i] = append([]byte(nil), frame...)
	}
	return kept
}
