package server

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

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
	if c.state != machine.StateServed { // it is not looked at, and prolongs nothing
		defer s.mu.Unlock()
		c.fire(machine.EventRequest)
		return
	}
	c.since, c.number = now, number
	rate := s.policy.Requests
	s.mu.Unlock()
	if !c.may.ask(now, rate) {
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
		request := c.prepare(m)
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.request = request; request == nil {
			s.counts.add("messages out of turn")
			c.fire(machine.EventViolation)
			return
		}
		c.fire(machine.EventRequest)
		c.request = nil
	}
}
