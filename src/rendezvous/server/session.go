package server

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// fire steps the machine. The caller holds the lock of the server.
func (c *session) fire(e machine.Event) {
	last := c.state
	next, ok := machine.Step(last, e, c)
	if ok && next != last {
		c.state, c.since = next, time.Now()
	}
}

// turnAway ends the conversation, and says why in answer to a request, or to none. The caller
// holds the lock of the server.
func (c *session) turnAway(number uint32, why *refusal) {
	c.nope, c.number = why, number
	c.fire(machine.EventRefuse)
}

// sendAway turns away a node that was let in. The caller holds the lock of the server.
func (c *session) sendAway(why *refusal) {
	if c.peer != nil {
		c.peer.stop()
	}
	c.turnAway(0, why)
}

// expire lets the present state, or the membership, end in time.
func (c *session) expire(now time.Time) {
	if wait := c.state.Timeout().Default(); wait > 0 && now.Sub(c.since) >= wait {
		c.fire(machine.EventTimeout)
	}
	if c.who.token != nil && c.who.token.Valid(now) != nil {
		c.sendAway(refuse(machine.ReasonStranger, "the membership has expired by the server's clock"))
	}
}

// The actions of the machine.

func (c *session) SendChallenge() {
	s, key := c.server, c.link.OwnKey()
	c.must(0, &oncemsg.Challenge{
		Lowest: oncemsg.Version, Highest: oncemsg.Version, Challenge: c.challenge[:], Time: uint64(time.Now().UnixMilli()),
		Card: s.Identity.Card().Octets(), Proof: s.Identity.Sign(rendezvous.ServerPurpose, rendezvous.ServerWords(key, c.challenge[:])),
	})
}

func (c *session) SendNope() {
	c.server.counts.add("nodes turned away: " + c.nope.reason.String())
	c.must(c.number, c.nope.message())
}

func (c *session) SendStop() { stop := *c.server.draining; c.must(0, &stop) }

// Admit lets the node in, and its messages be as large as they may be.
func (c *session) Admit() {
	c.link.Widen()
	c.must(c.number, c.ok())
}

// Answer does what was asked for. The first time the node has been let in.
func (c *session) Answer() {
	if answer, why := c.request(); why != nil {
		c.must(c.number, why.message())
	} else if answer != nil {
		c.must(c.number, answer)
	}
	c.pass()
}

// Tell has the node be told of what has changed.
func (c *session) Tell() { c.server.watches.wake(c.who.network) }

// Withdraw lets the node be gone, unless it has another connection.
func (c *session) Withdraw() {
	if p := c.peer; p != nil && len(p.connections) == 1 {
		p.stop()
	}
}

// ok is what the node is told when something was done.
func (c *session) ok() *oncemsg.OK {
	relays := uint8(0)
	if c.server.policy.Relays {
		relays = 1
	}
	return &oncemsg.OK{Observed: c.at.String(), Lease: oncemsg.MaxLease, Relays: relays, Rolls: c.server.rolls.number(c.who.members)}
}

// end forgets a conversation that is over.
func (c *session) end(err error) {
	s := c.server
	s.mu.Lock()
	c.fire(machine.EventLost)
	delete(s.sessions, &c.connection)
	c.pass()
	s.quotas.leave(c.from)
	s.watches.leave(c.who.network, &c.connection)
	s.introductions.left(&c.connection)
	if c.peer != nil {
		c.peer.left(&c.connection)
	}
	s.mu.Unlock()
	s.Log.Debug("connection ended", "address", c.at, "error", err)
}
