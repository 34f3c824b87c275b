package once

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/libonce"
	"github.com/sjohnr/at-once/src/channel"
)

// UndeliveredError says which peers are not known to have got what was said to them, and
// how much that is. [Node.Flush] and [Node.Close] return it; it is [ErrUndelivered], and
// what ended the wait for those peers, if something did.
type UndeliveredError struct {
	Missed []Missed // who they are, in the order of their UUIDs; more than 1024 are told as one without name
	Cause  error    // what ended the wait for them; nil if none of them is waited for
}

// Missed is how much one peer is not known to have got.
type Missed struct {
	UUID     uuid.UUID // the peer's; the nil UUID where several are told together
	Name     string    // the peer's; empty where several are told together
	Messages uint64    // how many messages
	Octets   uint64    // how many octets they have, as they are on the wire
	Reason   string    // why the peer is gone, as a [Reason], or why it gets none; else empty
}

// String says who it is and how much, for people.
func (m Missed) String() string { return channel.Missed(m).String() }

// Error names the peers and tells how much each missed, for people.
func (e *UndeliveredError) Error() string { return e.engine().Error() }

// Unwrap returns [ErrUndelivered], and the cause if there is one.
func (e *UndeliveredError) Unwrap() []error { return e.engine().Unwrap() }

func (e *UndeliveredError) engine() *channel.UndeliveredError {
	if e == nil {
		e = new(UndeliveredError)
	}
	told := &channel.UndeliveredError{Cause: e.Cause}
	for _, m := range e.Missed {
		told.Missed = append(told.Missed, channel.Missed(m))
	}
	return told
}

// undelivered returns an error of the engine as one of this package.
func undelivered(err error) error {
	told, ok := err.(*channel.UndeliveredError)
	if !ok {
		return err
	}
	e := &UndeliveredError{Cause: told.Cause}
	for _, m := range told.Missed {
		e.Missed = append(e.Missed, Missed(m))
	}
	return e
}

// Errors that a node returns, wrapped or not; they work with errors.Is.
var (
	ErrArgument    = libonce.ErrArgument    // an argument is out of its limits; the error's text says which
	ErrNotRunning  = libonce.ErrNotRunning  // the node is nil or zero: only Start makes one that runs
	ErrStopped     = libonce.ErrStopped     // the node has stopped; it is a net.ErrClosed
	ErrAttached    = libonce.ErrAttached    // another process runs the node (see Config.Shared), and only that can do this
	ErrNoPeer      = libonce.ErrNoPeer      // no such peer is present
	ErrNoKey       = libonce.ErrNoKey       // the key to seal with for the peer has not come: nothing goes to it unsealed; try again
	ErrSelf        = libonce.ErrSelf        // the peer is the node itself
	ErrNoQuestions = libonce.ErrNoQuestions // the peer is a plain ZRE node, which takes no questions
	ErrQuestions   = libonce.ErrQuestions   // too many questions wait for their answers
	ErrNoAnswer    = libonce.ErrNoAnswer    // the peer has the question, and has not answered it
	ErrAnswered    = libonce.ErrAnswered    // the question does not wait for an answer, or not any more
	ErrUndelivered = libonce.ErrUndelivered // peers are not known to have got what was said to them; see [UndeliveredError]
	ErrTooLarge    = libonce.ErrTooLarge    // the message is larger than Config.MaxMessage
	ErrEndpoint    = libonce.ErrEndpoint    // an endpoint is no tcp://ADDRESS:PORT
	ErrServers     = libonce.ErrServers     // more than 64 of Config.GossipConnect
	ErrRendezvous  = libonce.ErrRendezvous  // in Config.Servers: not the address of a rendezvous server, or more than 8
	ErrReserved    = libonce.ErrReserved    // a header's name begins with X-ONCE-
	ErrHeaders     = libonce.ErrHeaders     // more of Config.Headers than the greeting has room for
	ErrGroups      = libonce.ErrGroups      // more groups than the greeting has room for
	ErrNoIdentity  = libonce.ErrNoIdentity  // SecurityPlain goes with no Identity, nor with Trust
	ErrMembers     = libonce.ErrMembers     // TrustMembers needs an Identity that is a member: see [JoinNetwork]
	ErrTimeouts    = libonce.ErrTimeouts    // Evasive, Silent and Expired contradict each other
)

// Errors of identities and networks, wrapped or not; they work with errors.Is. That
// there is none in a directory is fs.ErrNotExist.
var (
	ErrNothing     = libonce.ErrNothing     // the Identity or NetworkKey is nil or zero
	ErrNoDirectory = libonce.ErrNoDirectory // the identity is in memory only
	ErrExists      = libonce.ErrExists      // there is one already where a new one was to be made
	ErrInUse       = libonce.ErrInUse       // another node runs with the identity; the error's text says which process
	ErrMode        = libonce.ErrMode        // others can read or change a secret file
	ErrName        = libonce.ErrName        // another member has the name
	ErrUnknown     = libonce.ErrUnknown     // no such name or id
	ErrMalformed   = libonce.ErrMalformed   // an invite, a list or a file is not right
	ErrForged      = libonce.ErrForged      // an invite or a list is not signed by its network
	ErrExpired     = libonce.ErrExpired     // an invite is not valid at this time
	ErrStranger    = libonce.ErrStranger    // an invite is for another identity than the directory's
	ErrNetwork     = libonce.ErrNetwork     // the identity is a member of another network
	ErrRevoked     = libonce.ErrRevoked     // the network has taken the membership back
)
