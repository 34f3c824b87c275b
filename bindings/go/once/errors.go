package once

import "github.com/sjohnr/at-once/bindings/go/libonce"

// Errors that a node returns, wrapped or not; they work with errors.Is.
var (
	ErrArgument = libonce.ErrArgument   // an argument is out of its limits; the error's text says which
	ErrStopped  = libonce.ErrStopped    // the node has stopped; it is a net.ErrClosed
	ErrNoPeer   = libonce.ErrNoPeer     // no such peer is present
	ErrTooLarge = libonce.ErrTooLarge   // the message is larger than Config.MaxMessage
	ErrEndpoint = libonce.ErrEndpoint   // no tcp://ADDRESS:PORT
	ErrReserved = libonce.ErrReserved   // a header's name begins with X-ONCE-
	ErrGroups   = libonce.ErrGroups     // the node is in 4096 groups already
	ErrIdentity = libonce.ErrNoIdentity // SecurityPlain goes with no Identity, nor with Trust
	ErrMembers  = libonce.ErrMembers    // TrustMembers needs an Identity that is a member: see [JoinNetwork]
	ErrTimeouts = libonce.ErrTimeouts   // Evasive, Silent and Expired contradict each other
)
