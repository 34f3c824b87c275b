package node

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// talk is a channel with a peer: what is said in it, what takes in what the peer says, and
// the links that carry it. It is the loop's.
type talk struct {
	*channels
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

// maxLanes is how many links a channel may have; see api/protocol/once_link.xml.
const maxLanes = 4

// chooses tells whether it is for us to choose the link that is used.
func (t *talk) chooses() bool { return bytes.Compare(t.guard.ID[:], t.peer[:]) < 0 }

// expects tells whether a peer that has sighted us dials us, and its link is the one that
// stays. A plain peer of a node with an identity has a connection each way.
func (l *channels) expects(id uuid.UUID) bool {
	return bytes.Compare(id[:], l.guard.ID[:]) < 0 && identity.Owned(id) == identity.Owned(l.guard.ID)
}

// callOff ends the attempt to connect to a peer whose link has come that was expected.
func (l *channels) callOff(id uuid.UUID) {
	if p := l.of(id); p.attempt != nil && l.expects(id) {
		p.attempt.Spare()
		l.with(id, func(p *peer) { p.attempt = nil })
	}
}

// lane is a link that carries both directions; see api/protocol/once_link.xml. All but
// begun and at is the loop's; its reader also looks at theirs, which the loop has from it.
type lane struct {
	begun   bool   // what comes over it has a position
	greeted bool   // our greeting was said over it
	at      uint64 // the position of the next message

	early    func(*talk) error // takes in what the peer has shown to know of a channel before it has greeted us; nil for nothing
	theirs   *oncelink.Resume  // what the peer has begun it with; nil before
	endpoint sight.Endpoint    // that it was made to; nowhere if the peer has made it

	talk atomic.Pointer[talk] // that it carries; nil before. Others may look at it
}

// shows takes in what the peer has shown to know before it has greeted us, if anything: of the
// channel that it has begun now.
func (l *lane) shows(begun *talk) error {
	early := l.early
	if l.early = nil; early == nil {
		return nil
	}
	return early(begun)
}

// later keeps what the peer has shown to know of a channel until it has begun that.
func (l *lane) later(t *talk, take func() error) {
	l.early = func(begun *talk) error {
		if begun != t {
			return errOutOfPlace
		}
		return take()
	}
}

// owns tells whether a message is of the link itself.
func (*lane) owns(frames [][]byte) bool {
	if !wire.Signed(frames[0], oncelink.Signature) {
		return false
	}
	_, err := oncelink.Peek(frames[0])
	return err == nil
}

// Errors that end a link which carries both directions.
var (
	errOutOfPlace = errors.New("what comes over the link does not belong there")
	errPosition   = errors.New("the peer names a position that does not exist")
	errUnproved   = errors.New("what is said about the link is not proved by the peer")
)
