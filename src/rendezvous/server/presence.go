package server

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	machine "github.com/sjohnr/at-once/generated/go/rendezvouslease"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
)

// published is what a node has said, and was found to be right.
type published struct {
	card           *identity.Card
	record         *rendezvous.Record
	octets, sealed []byte // of the record, and its inside
	key            []byte // for sealing
}

// maxReached is how many addresses are told at which a node was dialled back.
const maxReached = 4

// check returns what a node publishes, if it is right.
func (c *session) check(m *oncemsg.Publish) (*published, *refusal) {
	card, why := c.ownCard(m.Card, m.Key)
	if why != nil {
		return nil, why
	}
	record, err := rendezvous.ParseRecord(m.Record, m.Sealed, card, c.network, time.Now())
	switch {
	case err != nil:
		return nil, refuse(serving.ReasonStale, "record: %v", err)
	case c.lobby && (len(record.Tags) > 0 || len(m.Sealed) > 0):
		return nil, refuse(serving.ReasonMalformed, "in the lobby a record has no tags and no inside")
	}
	return &published{card, record, m.Record, m.Sealed, m.Key}, nil
}

// ownCard returns the card that octets hold, if it is the node's, and key is the sealing key
// that it names, or nothing.
func (c *session) ownCard(octets, key []byte) (*identity.Card, *refusal) {
	var err error
	card := c.card
	if c.card = nil; card == nil || !bytes.Equal(card.Octets(), octets) {
		card, err = identity.ParseCard(octets, c.id, identity.Anytime)
	}
	if transport, _ := c.link.RemoteKey(); err == nil && card.Transport != transport {
		err = identity.ErrKey
	}
	if err == nil && len(key) > 0 {
		err = card.Sealing.Take(key)
	}
	if err != nil {
		return nil, refuse(serving.ReasonForged, "%v", err)
	}
	return card, nil
}

// publish has a node be there.
func (c *session) publish(m *published) *refusal {
	s := c.server
	p := s.peers[c.key()]
	if p == nil {
		if s.policy.MaxPeers > 0 && len(s.peers) >= s.policy.MaxPeers {
			return refuse(serving.ReasonFull, "this server has as many nodes as it takes").after(time.Minute)
		}
		p = &peer{server: s, key: c.key()}
	}
	newer := m.record.Newer(p.record)
	elsewhere := slices.ContainsFunc(p.sessions, func(other *session) bool { return other != c })
	switch old := !newer && (m.record.Incarnation != p.record.Incarnation || m.record.Serial != p.record.Serial); {
	case old && m.record.Incarnation != p.record.Incarnation && elsewhere:
		return refuse(serving.ReasonTwin, "a node with this identity that has started later is there")
	case old && m.record.Incarnation != p.record.Incarnation:
		return refuse(serving.ReasonStale, "a node with this identity that has started later was there of late")
	case old && !elsewhere:
		return refuse(serving.ReasonStale, "there is a newer record of the node")
	case old: // it has come by another connection, and stays
		if why := p.again(nil, nil, c); why != nil {
			return why
		}
	default:
		if err := p.keep(m, !newer, c); err != nil {
			return refuse(serving.ReasonFull, "%v", err).after(time.Minute)
		}
	}
	s.peers[p.key] = p
	p.enlist(c)
	p.fire(machine.EventPublish)
	return nil
}

// enlist makes a connection the newest of the node.
func (p *peer) enlist(c *session) {
	p.sessions = append(slices.DeleteFunc(p.sessions, func(other *session) bool { return other == c }), c)
	c.peer = p
	if len(p.sessions) > maxOfIdentity {
		oldest := p.sessions[0]
		oldest.nope, oldest.number = refuse(serving.ReasonQuota, "the identity has newer connections"), 0
		oldest.fire(serving.EventRefuse)
	}
}

// keep has the registry keep what a node has published, as that or as a quiet change.
func (p *peer) keep(m *published, quiet bool, c *session) error {
	entry := oncerecord.Entry{Card: m.card.Octets(), Record: m.octets, Sealed: m.sealed, Seen: p.seen(c)}
	octets, err := entry.AppendTo(make([]byte, 0, entry.Size()))
	if err != nil {
		return err
	}
	key := m.key
	if old := p.server.Registry.Get(p.key.network, p.key.id); len(key) == 0 && old != nil {
		key = old.Key
	}
	e := &registry.Entry{ID: p.key.id, Tags: m.record.Tags, Octets: octets, Key: bytes.Clone(key)}
	if err := p.server.Registry.Put(p.key.network, e, quiet); err != nil {
		return err
	}
	p.record, p.since = m.record, m.card.NotBefore
	return nil
}

// seen returns where the node has been seen, which in the lobby nobody is told who has not
// been introduced.
func (p *peer) seen(c *session) []string {
	if c.lobby {
		return nil
	}
	return p.addresses(c)
}

func (p *peer) addresses(also *session) []string {
	seen := slices.Clone(p.reached)
	for _, c := range append(slices.Clone(p.sessions), also) {
		if at := c.at.String(); !slices.Contains(seen, at) && len(seen) < oncerecord.MaxEntrySeen {
			seen = append(seen, at)
		}
	}
	return seen
}

// renew prolongs the lease of a node, which may have another card.
func (c *session) renew(card *identity.Card, key []byte) *refusal {
	p := c.peer
	if p == nil || p.state.Final() {
		return refuse(serving.ReasonTurn, "the node is not there: publish")
	}
	if card != nil {
		if card.Incarnation != p.record.Incarnation || card.NotBefore.Before(p.since) {
			return refuse(serving.ReasonStale, "the card is of another incarnation, or an older one")
		}
		if why := p.again(card, key, c); why != nil {
			return why
		}
	}
	p.fire(machine.EventRenew)
	return nil
}

// again keeps what is kept of a node with another card, or with the same but seen elsewhere.
func (p *peer) again(card *identity.Card, key []byte, c *session) *refusal {
	old := p.server.Registry.Get(p.key.network, p.key.id)
	var entry oncerecord.Entry
	if old == nil || entry.Decode(old.Octets, nil) != nil {
		return refuse(serving.ReasonTurn, "the node is not there: publish")
	}
	if card == nil {
		var err error
		if card, err = identity.ParseCard(entry.Card, p.key.id, identity.Anytime); err != nil {
			return refuse(serving.ReasonForged, "%v", err)
		}
	}
	if err := p.keep(&published{card, p.record, entry.Record, entry.Sealed, key}, true, c); err != nil {
		return refuse(serving.ReasonQuota, "%v", err).after(time.Minute)
	}
	return nil
}

// fire steps the machine. The caller holds the lock of the server.
func (p *peer) fire(e machine.Event) {
	next, ok := machine.Step(p.state, e, p)
	if !ok {
		return
	}
	p.state = next
	if e == machine.EventPublish || e == machine.EventRenew && next == machine.StateLinked {
		p.until = time.Now().Add(oncemsg.MaxLease * time.Millisecond)
	}
}

// expire ends a lease in time, and a record too, which was not replaced.
func (p *peer) expire(now time.Time) {
	if !now.Before(p.until) || !now.Before(p.record.Expiry) {
		p.fire(machine.EventTimeout)
	}
}

// left notes that a connection of the node is gone.
func (p *peer) left() {
	if len(p.sessions) == 0 {
		p.fire(machine.EventLost)
	}
}

func (p *peer) stop() { p.fire(machine.EventStop) }

// TellExit is the action of the machine: it forgets the node.
func (p *peer) TellExit() {
	s := p.server
	delete(s.peers, p.key)
	for _, c := range p.sessions {
		c.peer = nil
	}
	if err := s.Registry.Delete(p.key.network, p.key.id); err != nil {
		s.Log.Warn("cannot forget a node", "error", err)
	}
}

// gone returns what is told of a node that is not there any more.
func gone(id uuid.UUID) []byte {
	m := oncerecord.Gone{Peer: id}
	octets, err := m.AppendTo(nil)
	if err != nil {
		panic(err) // it has no limits
	}
	return octets
}

// sendAway turns away a node that was let in. The caller holds the lock.
func (s *Server) sendAway(c *session, why *refusal) {
	if p := c.peer; p != nil {
		p.stop()
	}
	c.nope, c.number = why, 0
	c.fire(serving.EventRefuse)
}
