package node

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Whisper queues a message for one peer. It copies the content, and waits while
// the peer's queue is full.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	var message zremsg.Whisper
	octets, err := n.measure(message.Size(), content)
	if err != nil {
		return err
	}
	r := n.table.find(peer)
	if r == nil {
		return n.absent()
	}
	sealed := r.seals()
	if sealed {
		if octets, err = n.measureSealed(message.Size(), content); err != nil {
			return err
		}
	}
	out, b, err := r.reserve(ctx, octets, func(out *outbound) error {
		if sealed {
			return n.ready(r, out)
		}
		return nil
	})
	if err != nil {
		if errors.Is(err, api.ErrNoPeer) {
			return n.absent()
		}
		return err
	}
	out.say(octets)
	message.Sequence = out.sequence
	b, err = message.AppendTo(zmtp.AppendHeader(b[:0], message.Size(), true))
	if sealed {
		out.sealer.sealInto(zmtp.AppendHeader(b, seal.Size(content), false), content)
	} else {
		appendContent(b, content)
	}
	out.Commit()
	return err
}

// Shout queues a message for all peers in a group, and returns for how many. It
// is encoded once, and sealed once. Peers whose queues are full get it last, so
// that they do not hold up the others. Nor do peers that are suspect: what there is
// no room for is not for them, and [Node.Flush] says so.
func (n *Node) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	header := (&zremsg.Shout{Group: group}).Size()
	if _, err := n.measure(header, content); err != nil {
		return 0, err
	}
	members := n.table.members(group)
	if len(members) == 0 {
		n.ungroup(group)
		return 0, n.running()
	}
	s := shouts.Get().(*shout)
	defer s.release()
	s.late = s.late[:0]
	s.plain.octets, s.sealed.octets = s.plain.octets[:0], s.sealed.octets[:0]
	var err error
	_, s.only = n.settings.sealed[group]
	if slices.ContainsFunc(members, func(r *remote) bool { return s.of(r) == &s.plain }) {
		err = s.plain.encode(group, func(b []byte) []byte { return appendContent(b, content) })
	}
	if err == nil && slices.ContainsFunc(members, (*remote).seals) {
		return n.shoutSealed(ctx, s, group, content)
	}
	if err != nil {
		return 0, err
	}
	return n.sendLate(ctx, s, n.sendNow(s, members))
}

// shoutSealed is the part of Shout for groups with members that get it sealed. Who
// they are is looked up under the group's lock: a list of before another shout may
// still have somebody whom the key was drawn anew for.
func (n *Node) shoutSealed(ctx context.Context, s *shout, group string, content [][]byte) (uint32, error) {
	header := (&zremsg.Shout{Group: group}).Size()
	if _, err := n.measureSealed(header+seal.SizeProof, content); err != nil {
		return 0, err
	}
	g, err := n.group(group)
	if err != nil {
		return 0, err
	}
	members := n.table.members(group)
	if err := g.regroup(members); err != nil {
		g.mu.Unlock()
		return 0, err
	}
	s.give(g.sender.Key())
	err = s.sealed.encode(group, func(b []byte) []byte {
		b, digest := g.sender.Append(zmtp.AppendHeader(b, seal.Size(content), true), content)
		copy(s.digest[:], digest)
		return append(zmtp.AppendHeader(b, seal.SizeProof, false), noProof[:]...)
	})
	if err != nil {
		g.mu.Unlock()
		return 0, err
	}
	sent := n.sendNow(s, members)
	g.mu.Unlock()
	return n.sendLate(ctx, s, sent)
}

// shout is a message encoded for all of its receivers.
type shout struct {
	plain  encoded
	sealed encoded           // with room for the proof at its end
	digest [sha256.Size]byte // of what is sealed, for the proof
	key    onceseal.Key      // that opens it
	late   []*remote         // those whose queues are full
	only   bool              // nobody gets it unprotected
}

// give keeps a copy of the key that opens what is sealed next.
func (s *shout) give(key onceseal.Key) {
	key.Chain = append(s.key.Chain[:0], key.Chain...)
	s.key = key
}

// release gives the shout back, without the key: the sender has moved on from it.
func (s *shout) release() {
	clear(s.key.Chain)
	shouts.Put(s)
}

var noProof [seal.SizeProof]byte

// encoded is a message as it goes out; its sequence number is at an offset.
type encoded struct {
	octets []byte
	at     int
}

var shouts = sync.Pool{New: func() any { return new(shout) }}

// encode encodes a shout, whose content put appends.
func (e *encoded) encode(group string, put func([]byte) []byte) error {
	message := zremsg.Shout{Group: group}
	b, err := message.AppendTo(zmtp.AppendHeader(e.octets[:0], message.Size(), true))
	e.at = len(b) - message.Size() + zremsg.SequenceOffset
	e.octets = put(b)
	return err
}

// of returns what a peer gets, nil for nothing.
func (s *shout) of(r *remote) *encoded {
	switch badge := r.badge(); {
	case badge.Seals():
		return &s.sealed
	case s.only && badge.Key == nil:
		return nil
	}
	return &s.plain
}

// sendNow queues a shout for the members that can take it at once, and returns
// for how many.
func (n *Node) sendNow(s *shout, members []*remote) (sent uint32) {
	for _, r := range members {
		e, out := s.of(r), r.out.Load()
		if e == nil { // Flush tells that it did not get it
			r.withheld.add(0)
		}
		if out == nil || e == nil || len(e.octets) == 0 {
			continue
		}
		if e == &s.sealed && n.hand(r, out, &s.key) != nil {
			s.late = append(s.late, r)
			continue
		}
		b, err := out.TryReserve(len(e.octets))
		if err != nil {
			s.late = append(s.late, r)
			continue
		}
		s.put(e, out, b)
		sent++
	}
	return sent
}

// sendLate queues a shout for those that had no room for it, when they have.
func (n *Node) sendLate(ctx context.Context, s *shout, sent uint32) (uint32, error) {
	for _, r := range s.late {
		e := s.of(r)
		wait, over := r.unlessSuspect(ctx)
		out, b, err := r.reserve(wait, len(e.octets), func(out *outbound) error {
			if e == &s.sealed {
				return n.hand(r, out, &s.key)
			}
			return nil
		})
		over()
		if errors.Is(err, api.ErrNoPeer) {
			if err := n.running(); err != nil {
				return sent, err
			}
			continue
		}
		if err != nil && ctx.Err() == nil && wait.Err() != nil {
			r.skipped.add(len(e.octets))
			continue
		}
		if err != nil {
			return sent, err
		}
		s.put(e, out, b)
		sent++
	}
	return sent, nil
}

// put fills in what a receiver gets, and lets it go.
func (s *shout) put(e *encoded, out *outbound, b []byte) {
	out.say(len(b))
	copy(b, e.octets)
	binary.BigEndian.PutUint16(b[e.at:], out.sequence)
	if e == &s.sealed {
		out.sealer.prove(b[len(b)-seal.SizeProof:], s.digest[:])
	}
	out.Commit()
}

// measure returns how many octets a message takes on the wire.
func (n *Node) measure(header int, content [][]byte) (octets int, err error) {
	if len(content) == 0 {
		return 0, api.ErrArgument
	}
	size := header
	octets = zmtp.FrameSize(header)
	for _, frame := range content {
		size += len(frame)
		octets += zmtp.FrameSize(len(frame))
	}
	if size > n.settings.maxMessage || len(content) > maxContent {
		return 0, api.ErrTooLarge
	}
	return octets, nil
}

// measureSealed is measure for a message whose content is sealed.
func (n *Node) measureSealed(header int, content [][]byte) (octets int, err error) {
	size := seal.Size(content)
	if header+size > n.settings.maxMessage {
		return 0, api.ErrTooLarge
	}
	return zmtp.FrameSize(header) + zmtp.FrameSize(size), nil
}

// appendContent appends the frames of a message's content.
func appendContent(b []byte, content [][]byte) []byte {
	last := len(content) - 1
	for i, frame := range content {
		b = append(zmtp.AppendHeader(b, len(frame), i < last), frame...)
	}
	return b
}

// control queues a message of the core for a peer. It never waits: a peer that
// takes nothing at all gets a fresh connection and greeting instead.
func (n *Node) control(c *caller, message zremsg.Message) {
	out := c.out
	hello, greets := message.(*zremsg.Hello)
	if leaving, ok := message.(*zremsg.Taken); ok {
		r := n.loop.speaks[c.peer]
		if r == nil {
			return
		}
		leaving.Count = r.Taken()
	}
	var card *identity.Card
	if greets {
		n.guard.Freshen()
		card = n.guard.Present(hello, c.peer, &out.nonces, n.challenge(c.peer))
	}
	frame, err := message.AppendTo(zmtp.AppendHeader(n.loop.scratch[:0], message.Size(), false))
	if err != nil {
		n.settings.log.Error("message cannot be encoded", "message", message.ID(), "error", err)
		return
	}
	if n.loop.scratch = frame; greets {
		n.loop.scratch = nil // greetings are large and few
	}
	b, err := out.ReserveControl(len(frame))
	if err != nil {
		if errors.Is(err, link.ErrOverflow) {
			n.count("control overflows")
			n.closeSoon(out.Link)
		}
		return
	}
	out.count++
	if out.sequence++; greets {
		out.sequence = 1
		out.sealer.shown.Store(card)
	}
	if asks(message, n.table.find(c.peer)) {
		out.asked = append(out.asked, out.said)
	}
	copy(b, frame)
	binary.BigEndian.PutUint16(b[len(b)-message.Size()+zremsg.SequenceOffset:], out.sequence)
	out.Commit()
}

// challenge returns what a peer has to answer with each session that it opens. It
// stays the same for as long as the peer is known.
func (n *Node) challenge(to uuid.UUID) []byte {
	c := n.loop.challenges[to]
	if c == nil {
		c = guard.NewChallenge()
		n.loop.challenges[to] = c
	}
	return c
}

// asks tells whether a message asks a peer to confirm what was said before.
func asks(message zremsg.Message, peer *remote) bool {
	switch message.(type) {
	case *zremsg.Confirm:
		return true
	case *zremsg.Ping:
		return peer != nil && peer.snapshot.Load().Incarnation() == 0
	}
	return false
}
