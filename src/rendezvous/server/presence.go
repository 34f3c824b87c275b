package server

import (
	"bytes"
	"log/slog"
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

// maxReached is how many addresses are told at which a node was dialled back.
const maxReached = 4

// presence is of the nodes that have said PUBLISH. It is under the lock of the server.
type presence struct {
	registry registry.Registry
	log      *slog.Logger
	counts   *counts
	peers    map[peerKey]*peer
}

// peer is a node that has said PUBLISH. It implements the actions of its machine, which is
// stepped under the lock of the server.
type peer struct {
	among       *presence
	key         peerKey
	lobby       bool // nobody is told where it is
	state       machine.State
	until       time.Time     // when its lease ends
	connections []*connection // the newest last
	record      *rendezvous.Record
	since       time.Time // not before of its card
	reached     []string  // where it was dialled back, the newest last
}

// room returns why a node is not taken, if there are as many as may be.
func (p *presence) room(key peerKey, most int) *refusal {
	if most > 0 && len(p.peers) >= most && p.peers[key] == nil {
		return refuse(serving.ReasonFull, "this server has as many nodes as it takes").after(time.Minute)
	}
	return nil
}

// other returns the newest connection of another node that is there, in the same network. The
// node may have the identity of who asks: the two are to learn of each other.
func (p *presence) other(asks peerKey, c *connection, id uuid.UUID) (*connection, *refusal) {
	other := p.peers[peerKey{asks.network, id}]
	switch {
	case c.peer == nil && id != asks.id:
		return nil, refuse(serving.ReasonTurn, "publish first")
	case other == nil || len(other.connections) == 0 || other.newest() == c:
		return nil, refuse(serving.ReasonUnknown, "no such node is there")
	}
	return other.newest(), nil
}

// publish has a node be there, one of whose connections this is. It returns the oldest of them
// if there are too many.
func (p *presence) publish(who *proved, m *published, c *connection, most int) (over *connection, why *refusal) {
	if why = p.room(who.peerKey, most); why != nil {
		return nil, why
	}
	n := p.peers[who.peerKey]
	if n == nil {
		n = &peer{among: p, key: who.peerKey, lobby: who.lobby}
	}
	newer := m.record.Newer(n.record)
	elsewhere := slices.ContainsFunc(n.connections, func(other *connection) bool { return other != c })
	switch old := !newer && (m.record.Incarnation != n.record.Incarnation || m.record.Serial != n.record.Serial); {
	case old && m.record.Incarnation != n.record.Incarnation && elsewhere:
		return nil, refuse(serving.ReasonTwin, "a node with this identity that has started later is there")
	case old && m.record.Incarnation != n.record.Incarnation:
		return nil, refuse(serving.ReasonStale, "a node with this identity that has started later was there of late")
	case old && !elsewhere:
		return nil, refuse(serving.ReasonStale, "there is a newer record of the node")
	case old: // it has come by another connection, and stays
		if why = n.again(nil, nil, c); why != nil {
			return nil, why
		}
	default:
		if err := n.keep(m, !newer, c); err != nil {
			return nil, refuse(serving.ReasonFull, "%v", err).after(time.Minute)
		}
	}
	p.peers[n.key] = n
	n.connections = append(slices.DeleteFunc(n.connections, func(other *connection) bool { return other == c }), c)
	if c.peer = n; len(n.connections) > maxOfIdentity {
		over = n.connections[0]
	}
	n.fire(machine.EventPublish)
	return over, nil
}

func (p *peer) newest() *connection { return p.connections[len(p.connections)-1] }

// keep has the registry keep what a node has published, as that or as a quiet change.
func (p *peer) keep(m *published, quiet bool, c *connection) error {
	entry := oncerecord.Entry{Card: m.card.Octets(), Record: m.octets, Sealed: m.sealed, Seen: p.seen(c)}
	octets, err := entry.AppendTo(make([]byte, 0, entry.Size()))
	if err != nil {
		return err
	}
	key := m.key
	if old := p.among.registry.Get(p.key.network, p.key.id); len(key) == 0 && old != nil {
		key = old.Key
	}
	e := &registry.Entry{ID: p.key.id, Tags: m.record.Tags, Octets: octets, Key: bytes.Clone(key)}
	if err := p.among.registry.Put(p.key.network, e, quiet); err != nil {
		return err
	}
	p.record, p.since = m.record, m.card.NotBefore
	return nil
}

// seen returns where the node has been seen, which in the lobby nobody is told who has not
// been introduced.
func (p *peer) seen(c *connection) []string {
	if p.lobby {
		return nil
	}
	return p.addresses(c)
}

func (p *peer) addresses(also *connection) []string {
	seen := slices.Clone(p.reached)
	for _, c := range append(slices.Clone(p.connections), also) {
		if at := c.at.String(); !slices.Contains(seen, at) && len(seen) < oncerecord.MaxEntrySeen {
			seen = append(seen, at)
		}
	}
	return seen
}

// note notes whether a node was reached at an address, which others are told.
func (p *peer) note(at string, reached bool, c *connection) {
	known := slices.Contains(p.reached, at)
	p.reached = slices.DeleteFunc(p.reached, func(other string) bool { return other == at })
	if reached {
		p.reached = append(p.reached[max(0, len(p.reached)-maxReached+1):], at)
	}
	if known != reached {
		if why := p.again(nil, nil, c); why != nil {
			p.among.counts.add("addresses that could not be kept")
		}
	}
}

// renew prolongs the lease of a node, which may have another card. Nil is a node that is not
// there.
func (p *peer) renew(card *identity.Card, key []byte, c *connection) *refusal {
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
func (p *peer) again(card *identity.Card, key []byte, c *connection) *refusal {
	old := p.among.registry.Get(p.key.network, p.key.id)
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
func (p *peer) left(c *connection) {
	p.connections = slices.DeleteFunc(p.connections, func(other *connection) bool { return other == c })
	if len(p.connections) == 0 {
		p.fire(machine.EventLost)
	}
}

func (p *peer) stop() { p.fire(machine.EventStop) }

// TellExit is the action of the machine: it forgets the node.
func (p *peer) TellExit() {
	delete(p.among.peers, p.key)
	for _, c := range p.connections {
		c.peer = nil
	}
	if err := p.among.registry.Delete(p.key.network, p.key.id); err != nil {
		p.among.log.Warn("cannot forget a node", "error", err)
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
