package channel

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Shout queues a message for all peers in a group, and returns for how many. It
// is encoded once, and sealed once. Peers whose queues are full get it last, so
// that they do not hold up the others. Nor do peers that are suspect: a channel that has
// no room for it ends with it, so that it comes back. What a plain peer that is suspect has
// no room for is not for it, nor is what cannot be sealed for a peer, and
// [Channel.Missed] says so. Errors are those of ctx, api.ErrArgument, api.ErrTooLarge, and
// why the node does not run if it stops before all have got it.
func (s *Sender) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	head := (&zremsg.Shout{Group: group}).Size()
	if _, err := s.measure(head, content); err != nil {
		return 0, err
	}
	members := s.members(group)
	if len(members) == 0 {
		s.Forget(group)
		return 0, s.running()
	}
	m := shouts.Get().(*shout)
	defer m.release()
	m.late = m.late[:0]
	m.plain.octets, m.sealed.octets = m.plain.octets[:0], m.sealed.octets[:0]
	var err error
	_, m.only = s.only[group]
	if slices.ContainsFunc(members, func(c *Channel) bool { return m.of(c) == &m.plain }) {
		err = m.plain.encode(group, func(b []byte) []byte { return AppendContent(b, content) })
	}
	if err == nil && slices.ContainsFunc(members, (*Channel).seals) {
		return s.shoutSealed(ctx, m, group, content)
	}
	if err != nil {
		return 0, err
	}
	defer s.relieve()
	return s.sendLate(ctx, m, s.sendNow(m, members))
}

// shoutSealed is the part of Shout for groups with members that get it sealed. Who
// they are is looked up under the group's lock: a list of before another shout may
// still have somebody whom the key was drawn anew for.
func (s *Sender) shoutSealed(ctx context.Context, m *shout, name string, content [][]byte) (uint32, error) {
	head := (&zremsg.Shout{Group: name}).Size()
	if _, err := s.measureSealed(head+seal.SizeProof, content); err != nil {
		return 0, err
	}
	g, err := s.groups.lock(s.guard.ID, name)
	if err != nil {
		return 0, err
	}
	sent, err := s.sealNowLocked(m, g, name, content)
	g.mu.Unlock()
	if err != nil {
		return 0, err
	}
	defer s.relieve()
	return s.sendLate(ctx, m, sent)
}

// sealNowLocked seals a shout, and queues it for the members that can take it at once. The
// caller holds the group's lock.
func (s *Sender) sealNowLocked(m *shout, g *group, name string, content [][]byte) (uint32, error) {
	members := s.members(name)
	g.regroupLocked(members)
	m.give(g.sender.Key())
	err := m.sealed.encode(name, func(b []byte) []byte {
		b, digest := g.sender.Append(zmtp.AppendHeader(b, seal.Size(content), true), content, &m.again)
		copy(m.digest[:], digest)
		return append(zmtp.AppendHeader(b, seal.SizeProof, false), noProof[:]...)
	})
	if err != nil {
		return 0, err
	}
	return s.sendNow(m, members), nil
}

// shout is a message encoded for all of its receivers.
type shout struct {
	plain  encoded
	sealed encoded           // with room for the proof at its end
	digest [sha256.Size]byte // of what is sealed, for the proof
	again  seal.Key          // opens it again, for us
	key    onceseal.Key      // that opens it
	late   []*Channel        // those whose queues are full
	only   bool              // nobody gets it unprotected
}

// give keeps a copy of the key that opens what is sealed next.
func (m *shout) give(key onceseal.Key) {
	key.Chain = append(m.key.Chain[:0], key.Chain...)
	m.key = key
}

// release gives the shout back, without the key: the sender has moved on from it.
func (m *shout) release() {
	clear(m.key.Chain)
	clear(m.again[:])
	shouts.Put(m)
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
func (m *shout) of(c *Channel) *encoded {
	switch badge := c.badge(); {
	case badge.Seals():
		return &m.sealed
	case m.only && badge.Key == nil:
		return nil
	}
	return &m.plain
}

// sendNow queues a shout for the members that can take it at once, and returns
// for how many.
func (s *Sender) sendNow(m *shout, members []*Channel) (sent uint32) {
	for _, c := range members {
		e, p := m.of(c), c.Path()
		if e == nil {
			c.withheld.add(0)
		}
		if p == nil || e == nil || len(e.octets) == 0 {
			continue
		}
		given, err := m.hand(e, s.guard, c, p)
		if err != nil {
			m.late = append(m.late, c)
			continue
		}
		b, err := p.TryReserve(len(e.octets))
		if err != nil || !m.opens(e, p, b, given) {
			m.late = append(m.late, c)
			continue
		}
		m.put(e, p, b)
		sent++
	}
	return sent
}

// sendLate queues a shout for those that had no room for it, when they have.
func (s *Sender) sendLate(ctx context.Context, m *shout, sent uint32) (uint32, error) {
	for _, c := range m.late {
		e := m.of(c)
		wait, over := c.unlessSuspect(ctx)
		p, b, err := m.reserve(wait, e, s.guard, c)
		over()
		switch {
		case err == nil:
			m.put(e, p, b)
			sent++
		case errors.Is(err, api.ErrNoPeer):
			if err := s.running(); err != nil {
				return sent, err
			}
		case ctx.Err() != nil:
			return sent, err
		case !m.last(e, s.guard, c): // nothing can be sealed for it, or it is plain
			c.skipped.add(len(e.octets))
		}
	}
	return sent, nil
}

// last has a shout end the channel with a peer that is suspect, which has no room for it. It
// tells whether there is one.
func (m *shout) last(e *encoded, g *guard.Guard, c *Channel) bool {
	p := c.Path()
	if _, suspect := c.Suspect(); !suspect || p == nil || !p.lasts {
		return false
	}
	for {
		given, err := m.hand(e, g, c, p)
		if err != nil {
			return false
		}
		room, err := p.ReserveLast(len(e.octets))
		if err != nil {
			return false
		}
		if m.opens(e, p, room, given) {
			m.put(e, p, room)
			p.full(p.Link())
			return true
		}
	}
}

// hand gives a receiver the key that it needs, if any; see [sealing.hand].
func (m *shout) hand(e *encoded, g *guard.Guard, c *Channel, p *Path) (given uint64, err error) {
	if e == &m.sealed {
		return p.sealing.hand(g, c.badge(), &m.key)
	}
	return 0, nil
}

// opens tells whether a receiver has the key that it needs still, for what there is room now.
// If not, it gives back the room.
func (m *shout) opens(e *encoded, p *Path, room []byte, given uint64) bool {
	if e != &m.sealed || p.sealing.given.Load() == given {
		return true
	}
	p.Cancel(room)
	return false
}

// reserve waits for room for what a receiver gets, and for it to have the key then.
func (m *shout) reserve(ctx context.Context, e *encoded, g *guard.Guard, c *Channel) (*Path, []byte, error) {
	for {
		var given uint64
		p, room, err := c.reserve(ctx, len(e.octets), func(p *Path) (err error) {
			given, err = m.hand(e, g, c, p)
			return err
		})
		if err != nil || m.opens(e, p, room, given) {
			return p, room, err
		}
	}
}

// put fills in what a receiver gets, and lets it go.
func (m *shout) put(e *encoded, p *Path, b []byte) {
	p.sayLocked(len(b))
	copy(b, e.octets)
	binary.BigEndian.PutUint16(b[e.at:], p.sequence)
	if e == &m.sealed {
		p.sealing.proveLocked(b[len(b)-seal.SizeProof:], m.digest[:])
		p.sealing.keepLocked(p.EndLocked()-uint64(len(b)), &m.again)
	}
	p.Commit()
}
