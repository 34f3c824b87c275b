package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// stream is the messages to a peer, each with a number, of which content is counted until the
// peer has acknowledged it. They wait in the outbox of one link; or, of a stream that lasts, in
// one of its own, which goes over one link after another.
type stream struct {
	*link.Outbox
	over  atomic.Pointer[link.Link] // that it goes over, or the latest that it did
	lasts bool                      // it outlives its links
	full  func(*link.Link)          // called when not even control messages have room
	proof atomic.Pointer[proof]     // of what is not sealed; nil for none

	// Guarded by Outbox.Reserve to Commit.
	sequence   uint16   // of the latest message
	said       Amount   // content
	count      uint64   // messages of all kinds
	latest     uint64   // count at the latest content
	contentEnd uint64   // position behind the latest content
	matters    uint64   // and behind the latest content, JOIN or LEAVE
	asides     []uint64 // where the whispers that are between the two nodes begin, of those not acknowledged
}

// Link returns the link that the stream goes over, or the latest that it did.
func (s *stream) Link() *link.Link { return s.over.Load() }

// Lasts tells whether the stream outlives its links.
func (s *stream) Lasts() bool { return s.lasts }

// Move has a stream that lasts go on over another link, from what the peer has not acknowledged
// on: begin gets where that is, and says so. It is the loop's.
func (s *stream) Move(to *link.Link, begin func(from uint64)) error {
	s.over.Store(to)
	return s.Resume(to, begin)
}

// Prove has what is said from now on and not sealed be proved by a tie, in the channel of two
// numbers. Nil proves nothing.
func (s *stream) Prove(tie *guard.Tie, own, other uint64) {
	if tie != nil {
		s.proof.Store(&proof{tie, guard.Place{Own: own, Other: other}})
	}
}

// Said returns how much content was said.
func (s *stream) Said() (said Amount) {
	s.Locked(func() { said = s.said })
	return said
}

// Linger waits until the peer has acknowledged all content, joins and leaves that were said
// in a stream that lasts, and what was said else is on its way, as a goodbye is: a peer that
// stops too acknowledges none. Errors are those of ctx and link.ErrClosed.
func (s *stream) Linger(ctx context.Context) error {
	var matters uint64
	s.Locked(func() { matters = s.matters })
	return s.Write(ctx, matters)
}

// allLocked tells whether the peer has acknowledged all content.
func (s *stream) allLocked() bool { return s.KnownLocked() >= s.contentEnd }

// numberLocked counts a message, and gives it its number. The caller holds the outbox.
func (s *stream) numberLocked() uint16 {
	s.count++
	s.sequence++
	return s.sequence
}

// sayLocked counts content of so many octets, and gives it its number. The caller holds the
// outbox.
func (s *stream) sayLocked(octets int) {
	s.said.add(octets)
	s.numberLocked()
	s.latest = s.count
	s.contentEnd = s.EndLocked()
	s.matters = s.contentEnd
}

// control queues a message that is no content, encoded into scratch, which it returns. It never
// waits; unless there is an error, the caller holds the outbox then, and commits. With a HELLO
// the numbers begin anew.
func (s *stream) control(message zremsg.Message, scratch []byte) (frame []byte, err error) {
	size, proof := message.Size(), s.proof.Load()
	head := zmtp.FrameSize(size) - size
	scratch = slices.Grow(scratch[:0], head+size)
	frame, err = message.AppendTo(zmtp.AppendHeader(scratch, size, proof != nil))
	if err != nil {
		return scratch, err
	}
	if proof != nil {
		frame = proof.append(frame)
	}
	b, err := s.ReserveControl(len(frame))
	if err != nil {
		return frame, err
	}
	switch message.(type) {
	case *zremsg.Hello:
		s.sequence = 0
	case *zremsg.Join, *zremsg.Leave:
		s.matters = s.EndLocked()
	}
	copy(b, frame)
	binary.BigEndian.PutUint16(b[head+zremsg.SequenceOffset:], s.numberLocked())
	if proof != nil {
		proof.put(s.EndLocked()-uint64(len(b)), b[head:head+size], b)
	}
	return frame, nil
}

// aside queues a whisper of one frame of so many octets, which put fills in, unless it finds
// that it is in vain. It never waits.
func (s *stream) aside(octets int, put func([]byte) bool) error {
	var message zremsg.Whisper
	b, err := s.ReserveControl(zmtp.FrameSize(message.Size()) + zmtp.FrameSize(octets))
	if err != nil {
		return s.unheard(err)
	}
	if !put(b[len(b)-octets:]) {
		s.Cancel(b)
		return nil
	}
	s.asideLocked(s.EndLocked(), len(b))
	message.Sequence = s.numberLocked()
	head, err := message.AppendTo(zmtp.AppendHeader(b[:0], message.Size(), true))
	zmtp.AppendHeader(head, octets, false)
	s.Commit()
	return err
}

// unheard returns the error for a message that has no room. A peer that takes nothing at
// all gets a fresh connection.
func (s *stream) unheard(err error) error {
	if errors.Is(err, link.ErrOverflow) {
		s.full(s.Link())
		return link.ErrClosed
	}
	return err
}

// asideLocked notes that a message which ends at a position, and has so many octets, is between the two
// nodes.
func (s *stream) asideLocked(end uint64, octets int) {
	if s.lasts {
		known := s.KnownLocked()
		old, _ := slices.BinarySearch(s.asides, known)
		s.asides = append(slices.Delete(s.asides, 0, old), end-uint64(octets))
	}
}
