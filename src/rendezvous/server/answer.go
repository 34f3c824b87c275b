package server

import (
	"bytes"
	"crypto/ed25519"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// authenticate takes the proof of who a node is.
func (c *session) authenticate(number uint32, m *oncemsg.Authenticate) {
	s := c.server
	card, token, why := c.prove(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.number = number
	if why == nil && c.id == uuid.Nil {
		c.id, c.token, c.members = card.ID, token, bytes.Clone(m.Members)
		c.lobby = len(m.Part) == 0
		c.network = rendezvous.NumberOf(s.Identity.Card().Identity, m.Part, m.Members)
		if why = s.admits(c); why == nil && s.policy.MaxPeers > 0 && len(s.peers) >= s.policy.MaxPeers && s.peers[c.key()] == nil {
			why = refuse(machine.ReasonFull, "this server has as many nodes as it takes").after(time.Minute)
		}
	}
	if c.nope = why; why != nil {
		c.fire(machine.EventRefuse)
		return
	}
	c.card = card
	c.fire(machine.EventAuthenticate)
}

// prove returns the card of a node that has proved who it is, and its token.
func (c *session) prove(m *oncemsg.Authenticate) (*identity.Card, *identity.Token, *refusal) {
	challenge := c.challenge // which only this goroutine takes away
	if challenge == nil {
		return nil, nil, refuse(machine.ReasonTurn, "it has been said who you are")
	}
	if m.Speaks != oncemsg.Version {
		return nil, nil, refuse(machine.ReasonVersion, "this server speaks version %d", oncemsg.Version)
	}
	if len(m.Part)%32 != 0 || len(m.Members)%32 != 0 || len(m.Part) == 0 && len(m.Members) > 0 {
		return nil, nil, refuse(machine.ReasonMalformed, "part and members are of 32 octets, or empty")
	}
	card, err := rendezvous.CardOf(m.Card)
	if err != nil {
		return nil, nil, refuse(machine.ReasonForged, "%v", err)
	}
	own := c.server.Identity.Card().Identity
	network := rendezvous.NumberOf(own, m.Part, m.Members)
	key, _ := c.link.RemoteKey()
	if card.Transport != key || !card.Verify(rendezvous.NodePurpose, rendezvous.NodeWords(own, challenge[:], network), m.Proof) {
		return nil, nil, refuse(machine.ReasonForged, "the proof is not by the card's identity, or the connection is not by its key")
	}
	if len(m.Members) == 0 {
		return card, nil, nil
	}
	token, why := memberOf(m.Token, ed25519.PublicKey(m.Members), card.ID, time.Now())
	return card, token, why
}

// prepare checks what a node that has proved who it is asks for, and returns what does it,
// under the lock of the server, or nil if no node says that. What costs much is done here.
func (c *session) prepare(m oncemsg.Message) func() (oncemsg.Message, *refusal) {
	done := func(answer oncemsg.Message, why *refusal) func() (oncemsg.Message, *refusal) {
		return func() (oncemsg.Message, *refusal) { return answer, why }
	}
	if c.id == uuid.Nil { // it is not its turn, which the machine sees to
		return done(nil, nil)
	}
	s := c.server
	switch m := m.(type) {
	case *oncemsg.Publish:
		p, why := c.check(m)
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
			card, why = c.ownCard(m.Card, m.Key)
		}
		return func() (oncemsg.Message, *refusal) {
			if why == nil {
				why = c.renew(card, m.Key)
			}
			return c.ok(), why
		}
	case *oncemsg.Roll:
		return c.roll(m)
	case *oncemsg.GetEndpoints:
		return done(c.endpoints(m))
	case *oncemsg.GetPeers:
		return done(c.peersWith(m))
	case *oncemsg.GetKey:
		if e := s.Registry.Get(c.network, m.Peer); e != nil && len(e.Key) > 0 {
			return done(&oncemsg.Key{Key: e.Key}, nil)
		}
		return done(nil, refuse(machine.ReasonUnknown, "there is no such node, or it has left no key"))
	case *oncemsg.Watch:
		return func() (oncemsg.Message, *refusal) {
			return nil, s.watches.watch(s.ctx, c.network, &c.connection, c.number, m)
		}
	case *oncemsg.Introduce:
		return func() (oncemsg.Message, *refusal) { return nil, c.introduce(m) }
	case *oncemsg.Answer:
		return func() (oncemsg.Message, *refusal) { c.answer(m); return nil, nil }
	case *oncemsg.Nope:
		return func() (oncemsg.Message, *refusal) { c.unwilling(); return nil, nil }
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

// roll takes the roll of the node's network.
func (c *session) roll(m *oncemsg.Roll) func() (oncemsg.Message, *refusal) {
	roll, err := identity.ParseBareRoll(m.Roll)
	return func() (oncemsg.Message, *refusal) {
		s := c.server
		if err != nil || !roll.Network.Equal(c.members) {
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
			if taken && other.token != nil && s.rolls.voids(other.token) && other != c {
				s.sendAway(other, refuse(machine.ReasonRevoked, "the network has revoked the membership of %s", other.id))
			}
		}
		return c.ok(), nil
	}
}

// endpoints returns what there is of some nodes. In the lobby nobody is told where they are.
func (c *session) endpoints(m *oncemsg.GetEndpoints) (oncemsg.Message, *refusal) {
	if len(m.Ids)%len(uuid.UUID{}) != 0 {
		return nil, refuse(machine.ReasonMalformed, "ids are of 16 octets")
	}
	answer := new(oncemsg.ListEndpoints)
	octets := 0
	for ids := m.Ids; len(ids) > 0; ids = ids[len(uuid.UUID{}):] {
		if e := c.server.Registry.Get(c.network, uuid.UUID(ids[:16])); e != nil {
			if octets += len(e.Octets); octets > oncemsg.MaxPage && len(answer.Entries) > 0 {
				break
			}
			answer.Entries = append(answer.Entries, e.Octets)
		}
	}
	return answer, nil
}

// peersWith returns a page of those who have a tag.
func (c *session) peersWith(m *oncemsg.GetPeers) (oncemsg.Message, *refusal) {
	tags := []rendezvous.Tag{rendezvous.Tag(m.Tag)}
	page := c.server.Registry.List(c.network, tags, m.Cursor, oncemsg.MaxPage)
	answer := &oncemsg.ListPeers{Cursor: page.Cursor}
	if page.More {
		answer.More = 1
	}
	for _, e := range page.Entries {
		if !e.Gone && e.Has(tags) {
			answer.Entries = append(answer.Entries, e.Octets)
		}
	}
	return answer, nil
}

// ok is what the node is told when something was done.
func (c *session) ok() *oncemsg.OK {
	relays := uint8(0)
	if c.server.policy.Relays {
		relays = 1
	}
	return &oncemsg.OK{Observed: c.at.String(), Lease: oncemsg.MaxLease, Relays: relays, Rolls: c.server.rolls.number(c.members)}
}
