package server

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
)

// authenticate takes the proof of who a node is.
func (c *session) authenticate(number uint32, m *oncemsg.Authenticate) {
	s := c.server
	var who proved
	why := refuse(machine.ReasonTurn, "it has been said who you are")
	if challenge := c.challenge; challenge != nil { // which is for one proof
		c.challenge = nil
		key, _ := c.link.RemoteKey()
		who, why = prove(s.Identity.Card().Identity, challenge[:], key, m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if why == nil && c.who.id == uuid.Nil {
		c.who = who
		if why = s.admits(&c.who); why == nil {
			why = s.presence.room(c.who.peerKey, s.policy.MaxPeers)
		}
	}
	if why != nil {
		c.turnAway(number, why)
		return
	}
	c.number = number
	c.fire(machine.EventAuthenticate)
}

// prepare checks what a node that has proved who it is asks for, and returns what does it,
// under the lock of the server, or nil if no node says that. What costs much is done here.
func (c *session) prepare(m oncemsg.Message) func() (oncemsg.Message, *refusal) {
	done := func(answer oncemsg.Message, why *refusal) func() (oncemsg.Message, *refusal) {
		return func() (oncemsg.Message, *refusal) { return answer, why }
	}
	s := c.server
	switch m := m.(type) {
	case *oncemsg.Publish:
		transport, _ := c.link.RemoteKey()
		p, why := c.who.check(m, transport)
		return func() (oncemsg.Message, *refusal) {
			if why == nil {
				why = c.publish(p)
			}
			return c.ok(), why
		}
	case *oncemsg.Renew:
		var card *identity.Card
		var why *refusal
		if len(m.Card) > 0 {
			transport, _ := c.link.RemoteKey()
			card, why = c.who.ownCard(m.Card, m.Key, transport)
		}
		return func() (oncemsg.Message, *refusal) {
			if why == nil {
				why = c.peer.renew(card, m.Key, &c.connection)
			}
			return c.ok(), why
		}
	case *oncemsg.Roll:
		return c.roll(m)
	case *oncemsg.GetEndpoints:
		return done(lookUp(s.Registry, c.who.network, m))
	case *oncemsg.GetPeers:
		return done(list(s.Registry, c.who.network, m))
	case *oncemsg.GetKey:
		return done(sealingKey(s.Registry, c.who.network, m))
	case *oncemsg.Watch:
		return func() (oncemsg.Message, *refusal) {
			return nil, s.watches.watch(s.ctx, c.who.network, &c.connection, c.number, m)
		}
	case *oncemsg.Introduce:
		return func() (oncemsg.Message, *refusal) { return nil, c.introduce(m) }
	case *oncemsg.Answer:
		return func() (oncemsg.Message, *refusal) {
			s.introductions.answer(c.number, &c.connection, m.Meeting)
			return nil, nil
		}
	case *oncemsg.Nope:
		return func() (oncemsg.Message, *refusal) {
			s.introductions.unwilling(c.number, &c.connection)
			return nil, nil
		}
	case *oncemsg.DialBack:
		return func() (oncemsg.Message, *refusal) { return nil, c.dialBack(m) }
	case *oncemsg.Circuit:
		return func() (oncemsg.Message, *refusal) { return c.circuit(m) }
	case *oncemsg.RemoteWhisper, *oncemsg.RemoteShout, *oncemsg.RemoteEnter, *oncemsg.RemoteExit:
		s.count("words for bridges")
		return done(nil, refuse(machine.ReasonUnsupported, "this server knows no bridges"))
	}
	return nil
}

// publish has the node be there by this connection.
func (c *session) publish(m *published) *refusal {
	s := c.server
	over, why := s.presence.publish(&c.who, m, &c.connection, s.policy.MaxPeers)
	if over != nil {
		s.sessions[over].turnAway(0, refuse(machine.ReasonQuota, "the identity has newer connections"))
	}
	return why
}

// roll takes the roll of the node's network.
func (c *session) roll(m *oncemsg.Roll) func() (oncemsg.Message, *refusal) {
	roll, err := identity.ParseBareRoll(m.Roll)
	return func() (oncemsg.Message, *refusal) {
		s := c.server
		if err != nil || !roll.Network.Equal(c.who.members) {
			return nil, refuse(machine.ReasonForged, "it is no roll of the network")
		}
		taken, fault := s.rolls.take(roll)
		switch {
		case fault != nil && !taken:
			s.counts.add("rolls that forget who was revoked")
			return nil, refuse(machine.ReasonForged, "%v", fault)
		case fault != nil:
			s.Log.Warn("cannot keep a roll", "error", fault)
		}
		for _, other := range s.sessions {
			if taken && other.who.token != nil && s.rolls.voids(other.who.token) && other != c {
				other.sendAway(refuse(machine.ReasonRevoked, "the network has revoked the membership of %s", other.who.id))
			}
		}
		return c.ok(), nil
	}
}
