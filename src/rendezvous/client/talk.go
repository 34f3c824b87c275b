package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// maxBackoff is the longest that a client waits after something that has failed. It begins
// anew with firstBackoff after a conversation that was of use for long enough, and for longer
// than there was none before: a server that fails again and again is left alone ever longer.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = time.Minute
	enough       = 5 * time.Second
)

// waits is how long the machine waits in a state.
var waits = map[machine.Timeout]time.Duration{
	machine.TimeoutAnswer: machine.DefaultAnswer,
	machine.TimeoutRenew:  machine.DefaultRenew,
}

// fire steps the machine. The caller holds the lock of the client.
func (s *session) fire(e machine.Event) {
	last := s.state
	next, ok := machine.Step(last, e, s)
	if !ok || next == last {
		return
	}
	s.state, s.since = next, time.Now()
	if wait := waits[next.Timeout()]; wait > 0 {
		s.timer.Reset(wait)
	}
	if next == machine.StatePresent && s.putOff {
		s.putOff = false
		s.fire(machine.EventRenew)
	}
}

// now returns the server's time.
func (s *session) now() time.Time { return time.Now().Add(s.offset) }

func (s *session) next() uint32 {
	for s.last++; s.last == 0; s.last++ {
	}
	return s.last
}

// ask sends what the conversation waits for an answer to.
func (s *session) ask(m oncemsg.Message) {
	s.step, s.sent = s.next(), time.Now()
	s.send(s.step, m)
}

// send queues a message. A server that takes none loses the connection.
func (s *session) send(number uint32, m oncemsg.Message) {
	octets, err := rendezvous.AppendMessage(nil, number, m)
	if err == nil {
		var room []byte
		if room, err = s.link.ReserveControl(len(octets)); err == nil {
			copy(room, octets)
			s.link.Commit()
			return
		}
	}
	s.fault = err
	s.HangUp()
}

// HangUp closes the connection; its reader then ends.
func (s *session) HangUp() { s.work.Go(func() { _ = s.link.Close() }) }

// draw returns random octets.
func draw(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func refused(m *oncemsg.Nope) *RefusedError {
	return &RefusedError{serving.Reason(m.Code), m.Text, time.Duration(m.Retry) * time.Millisecond}
}

// owed tells whether a server answers something by itself.
func owed(m oncemsg.Message) bool {
	switch m.(type) {
	case *oncemsg.Introduce, *oncemsg.DialBack: // which wait for others
		return false
	}
	return true
}

// call asks the server for something, and returns its answer. A server that owes one and
// gives none is lost.
func (c *Client) call(ctx context.Context, m oncemsg.Message) (*session, oncemsg.Message, error) {
	c.mu.Lock()
	s := c.session
	if s == nil || !s.state.IsConversing() {
		defer c.mu.Unlock()
		return nil, nil, fmt.Errorf("%w: %s", ErrAway, cmp.Or(c.trouble, "it has just begun"))
	}
	number, answer := s.next(), make(chan oncemsg.Message, 1)
	s.calls[number] = answer
	s.send(number, m)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(s.calls, number)
		c.mu.Unlock()
	}()
	var silent <-chan time.Time
	if owed(m) {
		timer := time.NewTimer(oncemsg.MaxCall * time.Millisecond)
		defer timer.Stop()
		silent = timer.C
	}
	select {
	case <-silent:
		s.HangUp()
		return nil, nil, ErrAway
	case m := <-answer:
		if nope, ok := m.(*oncemsg.Nope); ok {
			return nil, nil, refused(nope)
		}
		return s, m, nil
	case <-s.ended:
		return nil, nil, ErrAway
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}
