package server

import (
	"crypto/ed25519"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// session is a conversation with a node. It implements the actions of its machine, which
// is stepped under the lock of the server.
type session struct {
	server *Server
	link   *link.Link
	at     netip.AddrPort
	from   []netip.Prefix // whom its address is counted with

	// Of the goroutine that reads, from when the node has proved who it is.
	work     func() (oncemsg.Message, *refusal) // that the latest request is, under the lock of the server
	number   uint32                             // of it
	nope     *refusal                           // why it is refused
	requests guard.Allowance
	meets    guard.Allowance
	ahead    guard.Allowance
	over     int // requests over the rate

	// Guarded by the lock of the server.
	state     machine.State
	since     time.Time       // of the present state, or of the node's last word in it
	challenge *[32]byte       // nil once it is used
	id        uuid.UUID       // zeros until the node has proved who it is
	token     *identity.Token // nil if the network is an open one
	members   ed25519.PublicKey
	network   rendezvous.Number
	lobby     bool
	peer      *peer // nil until it has said PUBLISH
	watching  *watching
	asks      int  // introductions that wait for an answer
	dialling  bool // it is dialled back
}

// fire steps the machine. The caller holds the lock of the server.
func (c *session) fire(e machine.Event) {
	last := c.state
	next, ok := machine.Step(last, e, c)
	if ok && next != last {
		c.state, c.since = next, time.Now()
	}
}

// waits is how long the machine waits in a state.
var waits = map[machine.Timeout]time.Duration{
	machine.TimeoutGreeting: machine.DefaultGreeting,
	machine.TimeoutSilent:   machine.DefaultSilent,
	machine.TimeoutLeaving:  machine.DefaultLeaving,
}

// expire lets the present state, or the membership, end in time.
func (c *session) expire(now time.Time) {
	if wait := waits[c.state.Timeout()]; wait > 0 && now.Sub(c.since) >= wait {
		c.fire(machine.EventTimeout)
	}
	if c.token != nil && c.token.Valid(now) != nil {
		c.server.sendAway(c, refuse(machine.ReasonStranger, "the membership has expired by the server's clock"))
	}
}

// sendAway turns away a node that was let in. The caller holds the lock.
func (s *Server) sendAway(c *session, why *refusal) {
	if p := c.peer; p != nil {
		p.stop()
	}
	c.nope, c.number = why, 0
	c.fire(machine.EventRefuse)
}

// deliver takes the messages of one read.
func (c *session) deliver(b *link.Batch) error {
	defer b.Release()
	for i := range b.Len() {
		c.hear(b.Message(i))
	}
	return nil
}

// hear takes one message.
func (c *session) hear(frames [][]byte) {
	s := c.server
	number, m, err := rendezvous.ParseMessage(frames)
	if err != nil {
		s.count("messages that were malformed")
		s.mu.Lock()
		defer s.mu.Unlock()
		c.fire(machine.EventViolation)
		return
	}
	if auth, ok := m.(*oncemsg.Authenticate); ok {
		c.authenticate(number, auth)
		return
	}
	now := time.Now()
	s.mu.Lock()
	c.since = now
	rate := s.policy.Requests
	served := c.state == machine.StateServed
	s.mu.Unlock()
	c.number = number
	if served && rate > 0 && !c.requests.Use(1, now, rate*requestsBurst, rate) {
		s.count("requests over the rate")
		if c.over++; c.over < patience {
			c.say(number, refuse(machine.ReasonBusy, "too many requests: wait").after(time.Second).message())
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		c.fire(machine.EventViolation)
		return
	}
	switch m.(type) {
	case *oncemsg.Stop:
		s.mu.Lock()
		defer s.mu.Unlock()
		c.fire(machine.EventStop)
	default:
		work := c.prepare(m)
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.work = work; work == nil {
			s.countLocked("messages out of turn")
			c.fire(machine.EventViolation)
			return
		}
		c.fire(machine.EventRequest)
		c.work = nil
	}
}

// say queues a message that does not wait. A node that takes none loses the connection.
func (c *session) say(number uint32, m oncemsg.Message) bool {
	octets, err := rendezvous.AppendMessage(nil, number, m)
	if err == nil {
		var room []byte
		if room, err = c.link.ReserveControl(len(octets)); err == nil {
			copy(room, octets)
			c.link.Commit()
		}
	}
	return err == nil
}

// must is say for a word without which the conversation cannot go on.
func (c *session) must(number uint32, m oncemsg.Message) {
	if !c.say(number, m) {
		c.HangUp()
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
	c.server.countLocked("nodes turned away: " + c.nope.reason.String())
	c.must(c.number, c.nope.message())
}

func (c *session) SendStop() { stop := *c.server.draining; c.must(0, &stop) }

// Admit lets the node in, and its messages be as large as they may be.
func (c *session) Admit() {
	c.challenge = nil
	c.link.Widen()
	c.must(c.number, c.ok())
}

// ok is what the node is told when something was done.
func (c *session) ok() *oncemsg.OK {
	relays := uint8(0)
	if c.server.policy.Relays {
		relays = 1
	}
	return &oncemsg.OK{Observed: c.at.String(), Lease: oncemsg.MaxLease, Relays: relays, Rolls: c.server.rolls.number(c.members)}
}

// Answer does what was asked for.
func (c *session) Answer() { c.reply(c.work()) }

// reply answers a request, if there is an answer yet.
func (c *session) reply(answer oncemsg.Message, why *refusal) {
	switch {
	case why != nil:
		c.must(c.number, why.message())
	case answer != nil:
		c.must(c.number, answer)
	}
}

// Tell has the node be told of what has changed.
func (c *session) Tell() { c.server.wake(c.network) }

// Withdraw lets the node be gone, unless it has another connection.
func (c *session) Withdraw() {
	if p := c.peer; p != nil && len(p.sessions) == 1 {
		p.stop()
	}
}

// HangUp closes the connection; its reader then ends.
func (c *session) HangUp() { c.server.work.Go(func() { _ = c.link.Close() }) }

// leave forgets a conversation that is over.
func (c *session) leave() {
	s := c.server
	delete(s.sessions, c)
	s.quotas.leave(c.from)
	if w := s.watches[c.network]; w != nil {
		w.leave(c)
	}
	for _, m := range s.meetings {
		m.left(c)
	}
	if p := c.peer; p != nil {
		p.sessions = slices.DeleteFunc(p.sessions, func(other *session) bool { return other == c })
		p.left()
	}
}
