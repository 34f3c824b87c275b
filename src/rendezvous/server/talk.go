package server

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// What a connection may have waiting to be written: answers and deltas, and words that do
// not wait for room.
const (
	outbox  = 64 << 10
	reserve = 160 << 10 // room for what is sent ahead of two circuits
)

// pool is where links get their buffers, of all servers of a process.
var pool link.Pool

// fire steps the machine. The caller holds the lock of the server.
func (c *session) fire(e machine.Event) {
	last := c.state
	next, ok := machine.Step(last, e, c)
	if ok && next != last {
		c.state, c.since = next, time.Now()
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

// reply answers a request, if there is an answer yet.
func (c *session) reply(answer oncemsg.Message, why *refusal) {
	switch {
	case why != nil:
		c.must(c.number, why.message())
	case answer != nil:
		c.must(c.number, answer)
	}
}

// HangUp closes the connection; its reader then ends.
func (c *session) HangUp() { c.server.work.Go(func() { _ = c.link.Close() }) }
