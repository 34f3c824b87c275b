package server

import (
	"context"
	"crypto/ecdh"
	"slices"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/introduction"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
	"github.com/sjohnr/at-once/src/zmtp"
)

// other returns the newest connection of a node that is there, in the same network. The node
// may have the identity of who asks: the two are to learn of each other.
func (c *session) other(id uuid.UUID) (*session, *refusal) {
	p := c.server.peers[peerKey{c.network, id}]
	switch {
	case c.peer == nil && id != c.id:
		return nil, refuse(serving.ReasonTurn, "publish first")
	case p == nil || len(p.sessions) == 0 || p.sessions[len(p.sessions)-1] == c:
		return nil, refuse(serving.ReasonUnknown, "no such node is there")
	}
	return p.sessions[len(p.sessions)-1], nil
}

// introduce passes on that a node would meet another.
func (c *session) introduce(m *oncemsg.Introduce) *refusal {
	s := c.server
	asked, why := c.other(m.Peer)
	switch {
	case why != nil:
		return why
	case c.asks >= introduceAtOnce || !c.meets.Use(1, time.Now(), introduceBurst, introduceRate):
		return refuse(serving.ReasonBusy, "too many introductions: wait").after(time.Second)
	}
	for s.last++; s.last == 0 || s.meetings[s.last] != nil; s.last++ {
	}
	i := &meeting{server: s, number: s.last, asks: c, call: c.number, asked: asked, until: time.Now().Add(machine.DefaultAnswer)}
	seen := []string{c.at.String()}
	if c.peer != nil {
		seen = c.peer.addresses(c)
	}
	if !asked.say(i.number, &oncemsg.Introduction{Peer: c.id, Seen: seen, Meeting: m.Meeting}) {
		return refuse(serving.ReasonBusy, "the node takes no more now").after(time.Second)
	}
	c.asks++
	s.meetings[i.number] = i
	return nil
}

// answer takes the answer to an introduction.
func (c *session) answer(m *oncemsg.Answer) {
	if i := c.asksOf(); i != nil {
		i.answer = m.Meeting
		i.fire(machine.EventAnswer)
	}
}

// unwilling takes that a node would not meet.
func (c *session) unwilling() {
	if i := c.asksOf(); i != nil {
		i.why = refuse(serving.ReasonUnwilling, "the node would not meet")
		i.fire(machine.EventUnwilling)
	}
}

// asksOf returns the introduction that the node's word is about, if there is one to it.
func (c *session) asksOf() *meeting {
	i := c.server.meetings[c.number]
	if i == nil || i.asked != c {
		c.server.counts.add("answers to nothing that was asked")
		return nil
	}
	return i
}

func (i *meeting) fire(e machine.Event) {
	next, ok := machine.Step(i.state, e, i)
	if !ok {
		return
	}
	if i.state = next; next.Final() {
		delete(i.server.meetings, i.number)
		i.asks.asks--
	}
}

func (i *meeting) expire(now time.Time) {
	if !now.Before(i.until) {
		i.why = refuse(serving.ReasonUnanswered, "the node has not answered").after(time.Second)
		i.fire(machine.EventTimeout)
	}
}

// left notes that a connection is gone.
func (i *meeting) left(c *session) {
	switch c {
	case i.asks:
		i.fire(machine.EventAbandoned)
	case i.asked:
		i.why = refuse(serving.ReasonUnanswered, "the node has gone")
		i.fire(machine.EventLost)
	}
}

// The actions of the machine.

func (i *meeting) SendAnswered() {
	var seen []string
	if p := i.asked.peer; p != nil {
		seen = p.addresses(i.asked)
	}
	i.asks.must(i.call, &oncemsg.Answered{Seen: seen, Meeting: i.answer})
}

func (i *meeting) SendNope() { i.asks.must(i.call, i.why.message()) }

// circuit lends a circuit to a node and another.
func (c *session) circuit(m *oncemsg.Circuit) (oncemsg.Message, *refusal) {
	s := c.server
	own := identity.IDOf(s.Identity.Card().Identity)
	if !s.policy.Relays {
		return nil, refuse(serving.ReasonNoRelay, "this server lends no circuits")
	}
	if len(m.Passed)%len(own) != 0 {
		return nil, refuse(serving.ReasonMalformed, "ids are of 16 octets")
	}
	if hops := slices.Collect(slices.Chunk(m.Passed, len(own))); len(hops) >= oncemsg.MaxHops ||
		slices.ContainsFunc(hops, func(id []byte) bool { return uuid.UUID(id) == own }) {
		return nil, refuse(serving.ReasonLoop, "the circuit would go in a circle, or through more than %d relays", oncemsg.MaxHops)
	}
	other, why := c.other(m.Peer)
	if why != nil {
		return nil, why
	}
	if !c.ahead.Use(float64(len(m.Ahead)), time.Now(), aheadBurst, aheadRate) || !c.meets.Use(1, time.Now(), introduceBurst, introduceRate) {
		return nil, refuse(serving.ReasonBusy, "too much is sent ahead, or asked for: wait").after(time.Second)
	}
	first, second, err := s.relay.Lend(relay.End{ID: c.id, From: c.from[0]}, relay.End{ID: m.Peer, From: other.from[0]})
	if err != nil {
		return nil, refuse(serving.ReasonQuota, "%v", err).after(10 * time.Second)
	}
	passed := append(slices.Clone(m.Passed), own[:]...)
	if !other.say(0, &oncemsg.Ticket{Peer: c.id, Ticket: second, Passed: passed, Ahead: m.Ahead}) {
		return nil, refuse(serving.ReasonBusy, "the node takes no more now").after(time.Second)
	}
	return &oncemsg.Ticket{Peer: m.Peer, Ticket: first, Passed: passed}, nil
}

// dialTime is how long a node is dialled back.
const dialTime = 5 * time.Second

// dialBack connects to the address that a node's connection comes from, and to no other.
func (c *session) dialBack(m *oncemsg.DialBack) *refusal {
	s := c.server
	if c.peer == nil || m.Port == 0 {
		return refuse(serving.ReasonTurn, "publish first, and give a port")
	}
	select {
	case s.dialled <- struct{}{}:
	default:
		return refuse(serving.ReasonBusy, "too many are dialled back: wait").after(time.Second)
	}
	if c.dialling || !c.meets.Use(1, time.Now(), introduceBurst, introduceRate) {
		<-s.dialled
		return refuse(serving.ReasonBusy, "the node is being dialled back, or was too often: wait").after(time.Second)
	}
	c.dialling = true
	at := addrPort(c.at.Addr(), m.Port)
	number := c.number
	s.work.Go(func() {
		err := c.reach(at)
		<-s.dialled
		s.mu.Lock()
		defer s.mu.Unlock()
		c.dialling = false
		answer := &oncemsg.Dialled{Observed: at, Reached: 1}
		if err != nil {
			text := err.Error()
			answer.Reached, answer.Text = 0, text[:min(len(text), oncemsg.MaxDialledText)]
		}
		if p := c.peer; p != nil {
			p.note(at, err == nil, c)
		}
		if c.state == serving.StateServed {
			c.must(number, answer)
		}
	})
	return nil
}

// reach returns nil if who listens at an address has the transport key of the node's card.
func (c *session) reach(at string) error {
	ctx, cancel := context.WithTimeout(c.server.ctx, dialTime)
	defer cancel()
	transport, _ := c.link.RemoteKey()
	key, err := ecdh.X25519().NewPublicKey(transport[:])
	if err != nil {
		return err
	}
	conn, err := c.server.Transport.Dial(ctx, "tcp://"+at)
	if err != nil {
		return err
	}
	l, err := link.Open(ctx, conn, link.Config{Type: zmtp.Dealer, Curve: &zmtp.Curve{Key: c.server.Identity.Transport(), Server: key}, Pool: &pool})
	if err != nil {
		return err
	}
	return l.Close()
}

// note notes whether a node was reached at an address, which others are told.
func (p *peer) note(at string, reached bool, c *session) {
	known := slices.Contains(p.reached, at)
	p.reached = slices.DeleteFunc(p.reached, func(other string) bool { return other == at })
	if reached {
		p.reached = append(p.reached[max(0, len(p.reached)-maxReached+1):], at)
	}
	if known != reached {
		if why := p.again(nil, nil, c); why != nil {
			p.server.counts.add("addresses that could not be kept")
		}
	}
}
