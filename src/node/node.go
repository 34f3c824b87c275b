// Package node is a ZRE node: it owns the loop that runs the core (package
// zre), the connections to and from peers, and the queue of events for the
// application.
//
// Control and data part ways. Greetings, joins, sightings and timers go through
// the loop, which alone owns the core. Whispers and shouts do not: the sender
// encodes into the peer's outgoing buffer, and the goroutine that reads a
// connection hands events to the application in batches. Order from one peer is
// kept, because its reader waits until the loop has dealt with what comes
// between two whispers.
//
// Programs import bindings/go/once: what is here may change at any time.
package node

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/world"
)

// compactFrom is the least number of unread tidings that is worth compacting.
const compactFrom = 1024

// Node is a node in a network. Its methods may be called from any goroutine,
// Recv and RecvBatch from one at a time.
type Node struct {
	*base
	*life
	self
	profile
	table  *table
	sender atomic.Pointer[channel.Sender] // nil before the start
}

// New returns a node that does nothing yet. Without a name it takes the first
// six digits of its UUID.
func New(name string) (*Node, error) {
	plain, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("draw a UUID: %w", err)
	}
	who, err := identity.New()
	if err != nil {
		return nil, err
	}
	s := &base{
		world:    world.World{Transport: newTransport(), Now: time.Now, Random: func(string) float64 { return rand.Float64() }},
		settings: defaults(who),
		events:   events.New(compactFrom),
	}
	l := &life{done: make(chan struct{})}
	return &Node{base: s, life: l, self: self{s, l, name, plain}, profile: profile{s, l}, table: newTable()}, nil
}

// Endpoint returns where the node accepts connections, empty before Start.
func (n *Node) Endpoint() string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.ears == nil {
		return ""
	}
	return n.ears.site.Endpoint().With(n.guard.PublicKey()).String()
}
