// Package client is a node's side of a rendezvous: it tells a server of the node, and the
// node of others, and asks for introductions and circuits.
//
// A server is not believed. What it tells of a node is taken if that has signed it, it is
// no older than what was told before, and, where there is a SECRET, it opens under that.
// What is told adds to what is known, and never ends a conversation.
//
// Programs import bindings/go/once: what is here may change at any time.
package client

import (
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// Client stays with a server. It is a [sight.Source]. All methods may be called from any
// goroutine.
type Client struct {
	Config
	work    sync.WaitGroup
	see     func([]sight.Sighting)
	pins    pins
	repeats repeats

	mu        sync.Mutex // guards what follows, the stay, and the session of that with its machine
	stay      stay
	published published
	known     known
	nonces    nonces
	twins     twins
}

// session returns a session of the client over a link.
func (c *Client) session(l *link.Link, at *rendezvous.Address, key [32]byte, dial dialer) *session {
	return &session{
		connection: connection{link: l, work: &c.work, ended: make(chan struct{}), calls: map[uint32]chan oncemsg.Message{}},
		Config:     &c.Config, at: at, dial: dial, key: key, pins: &c.pins, see: c.see, mu: &c.mu,
		standing: &c.stay.standing, published: &c.published, known: &c.known, nonces: c.nonces, twins: &c.twins, since: time.Now(),
	}
}
