package server

import (
	"net/netip"
	"sync"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
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

// connection is a connection of a node, by which that is told something.
type connection struct {
	link *link.Link
	work *sync.WaitGroup // of the server
	at   netip.AddrPort
	from []netip.Prefix // whom its address is counted with
	peer *peer          // that has it, nil until it has said PUBLISH; under the lock of the server
}

// say queues a message that does not wait, and tells whether there was room.
func (c *connection) say(number uint32, m oncemsg.Message) bool {
	return rendezvous.Say(c.link, number, m) == nil
}

// must is say for a word without which the conversation cannot go on: a node that takes none
// loses the connection.
func (c *connection) must(number uint32, m oncemsg.Message) {
	if !c.say(number, m) {
		c.HangUp()
	}
}

// HangUp closes the connection; its reader then ends.
func (c *connection) HangUp() { c.work.Go(func() { _ = c.link.Close() }) }
