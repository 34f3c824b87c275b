package server

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
)

// introduce passes on that a node would meet another.
func (c *session) introduce(m *oncemsg.Introduce) *refusal {
	s := c.server
	asked, why := s.presence.other(c.who.peerKey, &c.connection, m.Peer)
	switch {
	case why != nil:
		return why
	case s.introductions.asks[&c.connection] >= introduceAtOnce || !c.may.meet(time.Now()):
		return refuse(machine.ReasonBusy, "too many introductions: wait").after(time.Second)
	}
	seen := []string{c.at.String()}
	if c.peer != nil {
		seen = c.peer.addresses(&c.connection)
	}
	if !s.introductions.pass(&c.connection, c.number, asked, &oncemsg.Introduction{Peer: c.who.id, Seen: seen, Meeting: m.Meeting}) {
		return refuse(machine.ReasonBusy, "the node takes no more now").after(time.Second)
	}
	return nil
}

// circuit lends a circuit to a node and another.
func (c *session) circuit(m *oncemsg.Circuit) (oncemsg.Message, *refusal) {
	s := c.server
	own := identity.IDOf(s.Identity.Card().Identity)
	if !s.policy.Relays {
		return nil, refuse(machine.ReasonNoRelay, "this server lends no circuits")
	}
	if len(m.Passed)%len(own) != 0 {
		return nil, refuse(machine.ReasonMalformed, "ids are of 16 octets")
	}
	if hops := slices.Collect(slices.Chunk(m.Passed, len(own))); len(hops) >= oncemsg.MaxHops ||
		slices.ContainsFunc(hops, func(id []byte) bool { return uuid.UUID(id) == own }) {
		return nil, refuse(machine.ReasonLoop, "the circuit would go in a circle, or through more than %d relays", oncemsg.MaxHops)
	}
	other, why := s.presence.other(c.who.peerKey, &c.connection, m.Peer)
	if why != nil {
		return nil, why
	}
	if !c.may.sendAhead(len(m.Ahead), time.Now()) || !c.may.meet(time.Now()) {
		return nil, refuse(machine.ReasonBusy, "too much is sent ahead, or asked for: wait").after(time.Second)
	}
	first, second, err := s.relay.Lend(relay.End{ID: c.who.id, From: c.from[0]}, relay.End{ID: m.Peer, From: other.from[0]})
	if err != nil {
		return nil, refuse(machine.ReasonQuota, "%v", err).after(10 * time.Second)
	}
	passed := append(slices.Clone(m.Passed), own[:]...)
	if !other.say(0, &oncemsg.Ticket{Peer: c.who.id, Ticket: second, Passed: passed, Ahead: m.Ahead}) {
		return nil, refuse(machine.ReasonBusy, "the node takes no more now").after(time.Second)
	}
	return &oncemsg.Ticket{Peer: m.Peer, Ticket: first, Passed: passed}, nil
}
