package zre

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// LinkID names a connection between the node and a peer, whichever of the two made it. The
// node numbers those that stand, and uses no number twice; 0 names none.
type LinkID uint64

// Signs are the signs of life of a present peer that do not pass through the core.
type Signs struct {
	Heard   time.Time // when something last came in over what it speaks to us over
	Waiting bool      // more has come over it, which the application is too slow to take
	Took    bool      // it has taken octets from our connection since it was last asked for
	Owes    bool      // it has yet to take some
	Unsure  bool      // content was sent, and no PING after it
	Busy    bool      // in a channel: content was said since it was last asked for, or is yet to be acknowledged
}

// The inputs: what happened to the node.
type (
	// Sighted says that a beacon, or someone who knows, told us of a peer.
	Sighted struct {
		Peer     uuid.UUID
		Endpoint sight.Endpoint
	}
	// Vanished says that a peer's beacon said goodbye. Anybody can send one, so
	// it counts only once the peer's connections are lost too.
	Vanished struct{ Peer uuid.UUID }
	// Required says that the application wants to stay with a peer that no
	// beacon tells of.
	Required struct {
		Peer     uuid.UUID
		Endpoint sight.Endpoint
	}
	// Linked says that our connection to a peer stands, at one of its endpoints.
	// Callback is where the peer can reach us: the address that the connection left
	// from. Shown says that the far side has shown in the handshake that it is the
	// peer, which plain ones cannot; Incarnation which of its lives, 0 if it has not.
	// Both says that it carries both directions: our words begin a channel, which goes on
	// over other links. Then the endpoint is nowhere if it is the peer that has made it.
	Linked struct {
		Peer        uuid.UUID
		Link        LinkID
		Endpoint    sight.Endpoint
		Callback    sight.Endpoint
		Shown       bool
		Incarnation uint64
		Both        bool
	}
	// Relinked says that a channel, which has had no link, goes on over another: the
	// connection that our words go over, and the one that the peer speaks over.
	Relinked struct {
		Peer     uuid.UUID
		Link     LinkID
		Voice    LinkID
		Endpoint sight.Endpoint
	}
	// Confirmed says that a peer has acknowledged a PING that went over a connection of both
	// directions.
	Confirmed struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Taken says that a peer has taken our greeting, which begins a channel. It is not present
	// before: it may not let us in.
	Taken struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Unlinked says that our connection to a peer is lost, or the latest link of a channel.
	Unlinked struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Refused says that none of a peer's endpoints accepts connections.
	Refused struct{ Peer uuid.UUID }
	// TurnedAway says that a peer does not let us in, as it has told us.
	TurnedAway struct{ Peer uuid.UUID }
	// Heard is a message other than WHISPER and SHOUT from a peer. Badge is what a
	// HELLO has shown; nil is nothing. Both says that the link carries both directions, and
	// Callback where the peer can reach us, for a HELLO that comes over one.
	Heard struct {
		Peer     uuid.UUID
		Link     LinkID
		Message  zremsg.Message
		Badge    *Badge
		Both     bool
		Callback sight.Endpoint
	}
	// Called says that a connection was made to us in the name of a peer. Nothing
	// was said over it yet.
	Called struct{ Peer uuid.UUID }
	// Resumed says that a peer speaks over a new connection without a HELLO.
	Resumed struct {
		Peer uuid.UUID
		Link LinkID
	}
	// OutOfStep says that a message's sequence number was not the next.
	OutOfStep struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Muted says that a connection that a peer made to us is lost.
	Muted struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Stalled says that our application is too slow to take what a peer says.
	Stalled struct{ Peer uuid.UUID }
	// Expelled says that a peer is not trusted, or no longer.
	Expelled struct{ Peer uuid.UUID }
	// Overrun says that what waits for a peer is too much, Broken that the channel with it
	// cannot go on.
	Overrun struct{ Peer uuid.UUID }
	Broken  struct{ Peer uuid.UUID }
	// Vouched says that another token of a peer counts, or none any more.
	Vouched struct {
		Peer  uuid.UUID
		Token *identity.Token
	}
	// Renewed says that the node has something new to show in its greeting, or has
	// another name.
	Renewed struct{ Name string }
	// Reworded says that the application has changed the headers of the greeting.
	Reworded struct{ Headers []wire.Pair }
	// Join and Leave are the application's.
	Join  struct{ Group string }
	Leave struct{ Group string }
	// Contest says that the application wants the node to lead a group whenever
	// it is in it.
	Contest struct{ Group string }
	// Ask says that a peer is to confirm what was said to it.
	Ask struct{ Peer uuid.UUID }
	// Stop ends the node: it says goodbye to all.
	Stop struct{}
	// Tick says that the time of [Core.Deadline] has come.
	Tick struct{}
)

// Output is something to be done, in the order in which it is returned.
type Output interface{ isOutput() }

type (
	// Connect asks for a connection to a peer: the endpoints are tried in turn,
	// again and again, until one stands or Withdraw. It may be repeated with
	// more endpoints while the first attempt lasts. Urgent ones are for peers of
	// which more is known than a sighting, which anybody can make up.
	Connect struct {
		Peer      uuid.UUID
		Endpoints []sight.Endpoint
		Urgent    bool
	}
	// Withdraw ends the attempt to connect to a peer, if there is one.
	Withdraw struct{ Peer uuid.UUID }
	// Doubt says that a peer gives no sign of life: a link to it over which nothing comes is of
	// no use.
	Doubt struct{ Peer uuid.UUID }
	// Disconnect asks that our connection to a peer be ended when what is queued
	// for it has gone out.
	Disconnect struct{ Link LinkID }
	// Send asks that a message be queued for our connection to a peer. The sequence
	// number is the sender's to set: 1 for HELLO, else the next.
	Send struct {
		Link    LinkID
		Message zremsg.Message
	}
	// Admit says that a connection that a peer made to us, and that has carried
	// its HELLO, is the one whose messages count.
	Admit struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Reject asks that a connection that a peer made to us be closed.
	Reject struct{ Link LinkID }
	// Finish asks that of a connection that a peer made to us only what has come
	// already be taken in, and that it be closed then. What came over Next, the
	// HELLO or the word without one, is to be told again after that.
	Finish struct{ Link, Next LinkID }
	// Proven says that our connection leads to the peer, so that content may go
	// over it.
	Proven struct {
		Peer uuid.UUID
		Link LinkID
	}
	// Answered says how often the peer, asked to confirm what was said over our
	// connection, has surely done so, counted from the first. What asks is a
	// CONFIRM, or a PING to a plain peer.
	Answered struct {
		Link  LinkID
		Count int
	}
	// Took says that a peer which leaves has taken in what was said over our
	// connection, so many messages from the first.
	Took struct {
		Link  LinkID
		Count uint64
	}
	// Forgot says that what a peer has not confirmed so far it may never confirm,
	// though our connection stands. It is counted anew how often it does.
	Forgot struct{ Link LinkID }
	// Adopt says that a connection that we made to one peer, over which no content
	// was sent, leads to another. The attempt to connect to that is over.
	Adopt struct {
		Link LinkID
		To   uuid.UUID
	}
	// Unreachable says that a peer was sighted, and that peer and node did not
	// greet each other in time. Linked tells whether it accepts our connections,
	// Greeted whether it has greeted us.
	Unreachable struct {
		Peer            *Peer
		Linked, Greeted bool
	}
	// Event is for the application. Peer is the peer as it is after the event;
	// if it leads a group, it may be the node itself.
	Event struct {
		Type   api.EventType
		Peer   *Peer
		Group  string
		Reason peermachine.Reason
		Time   time.Time
	}
	// Update says that what is known of a peer has changed without an event.
	Update struct{ Peer *Peer }
	// Count says that something unusual was seen, by the name that it is
	// counted under.
	Count struct{ Name string }
)

func (Connect) isOutput()     {}
func (Withdraw) isOutput()    {}
func (Doubt) isOutput()       {}
func (Disconnect) isOutput()  {}
func (Send) isOutput()        {}
func (Admit) isOutput()       {}
func (Reject) isOutput()      {}
func (Finish) isOutput()      {}
func (Proven) isOutput()      {}
func (Answered) isOutput()    {}
func (Took) isOutput()        {}
func (Forgot) isOutput()      {}
func (Adopt) isOutput()       {}
func (Unreachable) isOutput() {}
func (Event) isOutput()       {}
func (Update) isOutput()      {}
func (Count) isOutput()       {}
