package node

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// talk is a channel with a peer: what is said in it, what takes in what the peer says, and
// the links that carry it. It is the loop's.
type talk struct {
	*talks
	peer  uuid.UUID
	out   *outbound
	in    *intake                // nil until the peer has greeted us
	mine  uint64                 // our number of the channel
	lanes []*receiver            // that carry it, the latest last
	over  *receiver              // of those the one that our words go over; nil for none
	turn  uint64                 // how often the lower id has chosen
	known atomic.Bool            // the peer has shown that it has our greeting
	hello *zremsg.Hello          // which begins our direction, as the core has it; nil once the peer is known to have it
	heard atomic.Pointer[intake] // in, for who is not the loop
	leave context.CancelFunc     // has nothing be waited for any more in a channel that is concluded; nil before
}

// lacks tells whether what is said goes over no link, or ahead of the first, so that it is to go
// over this one.
func (t *talk) lacks(r *receiver) bool { return t.over == nil || t.over.ahead && t.over != r }

// chooses tells whether it is for us to choose the link that is used.
func (t *talk) chooses() bool { return bytes.Compare(t.guard.ID[:], t.peer[:]) < 0 }

// Errors that end a link which carries both directions.
var (
	errOutOfPlace = errors.New("what comes over the link does not belong there")
	errPosition   = errors.New("the peer names a position that does not exist")
	errUnproved   = errors.New("what is said about the link is not proved by the peer")
)
