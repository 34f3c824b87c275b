package client

import (
	"context"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// connection is that to the server, by which it is told and asked something. It knows nothing
// of the machine.
type connection struct {
	link  *link.Link
	work  *sync.WaitGroup // of the client
	ended chan struct{}   // closed when the conversation is over

	// Under the lock of the client.
	last  uint32    // number that was given
	step  uint32    // of what the conversation waits for
	sent  time.Time // when that was
	calls map[uint32]chan oncemsg.Message
	fault error // why it is hung up
}

func (c *connection) next() uint32 {
	for c.last++; c.last == 0; c.last++ {
	}
	return c.last
}

// ask sends what the conversation waits for an answer to.
func (c *connection) ask(m oncemsg.Message) {
	c.step, c.sent = c.next(), time.Now()
	c.send(c.step, m)
}

// send queues a message. A server that takes none loses the connection.
func (c *connection) send(number uint32, m oncemsg.Message) {
	if err := rendezvous.Say(c.link, number, m); err != nil {
		c.fail(err)
	}
}

// fail hangs up for a reason.
func (c *connection) fail(err error) {
	c.fault = err
	c.HangUp()
}

// HangUp closes the connection; its reader then ends.
func (c *connection) HangUp() { c.work.Go(func() { _ = c.link.Close() }) }

// call asks for something for somebody, who waits for the answer.
func (c *connection) call(m oncemsg.Message) (number uint32, answer <-chan oncemsg.Message) {
	number, waits := c.next(), make(chan oncemsg.Message, 1)
	c.calls[number] = waits
	c.send(number, m)
	return number, waits
}

// settle gives an answer to who waits for it.
func (c *connection) settle(number uint32, m oncemsg.Message) {
	if answer := c.calls[number]; answer != nil {
		delete(c.calls, number)
		answer <- m
	}
}

// await returns the answer to a call. A server that owes one and gives none is lost.
func (c *connection) await(ctx context.Context, answer <-chan oncemsg.Message, owed bool) (oncemsg.Message, error) {
	var silent <-chan time.Time
	if owed {
		timer := time.NewTimer(oncemsg.MaxCall * time.Millisecond)
		defer timer.Stop()
		silent = timer.C
	}
	select {
	case <-silent:
		c.HangUp()
		return nil, ErrAway
	case m := <-answer:
		if nope, ok := m.(*oncemsg.Nope); ok {
			return nil, refused(nope)
		}
		return m, nil
	case <-c.ended:
		return nil, ErrAway
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
