package beacon

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sjohnr/at-once/src/sight"
)

// hubQueue is how many sightings wait for a node that does not take them;
// further ones are dropped.
const hubQueue = 256

// Hub is a broadcast domain in memory, for tests and simulations. It keeps no
// goroutine of its own, waits only for time and channels, and so runs in
// virtual time under testing/synctest. Its methods may be called from any
// goroutine at any time.
type Hub struct {
	mu    sync.Mutex
	nodes []*hubNode // in order of host and id, so that they are told in the same
	seed  uint64
	loss  func(from, to string) float64
	cut   func(from, to string) bool
}

type hubNode struct {
	host    string
	self    sight.Announcement
	key     uint64     // of host and id
	random  *rand.Rand // how long it waits; guarded by Hub.mu, as what follows is
	sent    uint64     // beacons
	waiting chan sight.Sighting
}

// NewHub returns a domain that loses nothing. What chance decides there comes from the
// seed, the host and id of the sender, and how many beacons it has sent; for what is lost
// also from the host and id of the receiver. Who else is there does not matter.
func NewHub(seed uint64) *Hub { return &Hub{seed: seed} }

// Lose lets each receiver miss a beacon with the probability that the function says, until
// the next call; nil loses nothing. The function must not call the Hub.
func (h *Hub) Lose(rate func(from, to string) float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loss = rate
}

// Cut keeps the beacons of host from from host to wherever cut says so, until
// the next call; nil heals all. The function must not call the Hub.
func (h *Hub) Cut(cut func(from, to string) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut = cut
}

// Host returns the beacon of a host; addr is the address that others see. Any
// number of nodes may run on it.
func (h *Hub) Host(addr string) sight.Source { return hubHost{h, addr} }

type hubHost struct {
	hub  *Hub
	addr string
}

func (h hubHost) String() string { return "beacons of " + h.addr }

// Renew does nothing, for the host's address stays.
func (h hubHost) Renew() {}

// Run calls sighted from one goroutine, and drops what does not fit into a queue
// meanwhile. It spaces beacons as [UDP] does.
func (h hubHost) Run(ctx context.Context, announce sight.Announcement, sighted func([]sight.Sighting)) error {
	if err := check(announce); err != nil {
		return err
	}
	n := h.hub.enter(h.addr, announce)
	defer h.hub.leave(n)
	plan := newSchedule(announce.Interval, func() float64 { return h.hub.draw(n) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			h.hub.send(n, announce.Port)
			timer.Reset(plan.wait())
		case s := <-n.waiting:
			if !s.Gone {
				plan.heard(s.ID)
			}
			sighted([]sight.Sighting{s})
		}
	}
}

func (h *Hub) enter(host string, self sight.Announcement) *hubNode {
	h.mu.Lock()
	defer h.mu.Unlock()
	hash := fnv.New64a()
	fmt.Fprint(hash, host, self.ID)
	n := &hubNode{
		host:    host,
		self:    self,
		key:     hash.Sum64(),
		random:  rand.New(rand.NewPCG(h.seed, hash.Sum64())),
		waiting: make(chan sight.Sighting, hubQueue),
	}
	at, _ := slices.BinarySearchFunc(h.nodes, n, func(a, b *hubNode) int {
		return cmp.Or(strings.Compare(a.host, b.host), bytes.Compare(a.self.ID[:], b.self.ID[:]))
	})
	h.nodes = slices.Insert(h.nodes, at, n)
	return n
}

// leave says goodbye and removes n.
func (h *Hub) leave(n *hubNode) {
	h.send(n, 0)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.nodes = slices.DeleteFunc(h.nodes, func(other *hubNode) bool { return other == n })
}

func (h *Hub) draw(n *hubNode) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return n.random.Float64()
}

// chance decides whether the last beacon of a node is lost on its way to another.
func (h *Hub) chance(from, to *hubNode) float64 {
	return rand.New(rand.NewPCG(h.seed^from.key, to.key+from.sent)).Float64()
}

// send gives a beacon of n to all whom it reaches and who have room for it.
func (h *Hub) send(n *hubNode, port uint16) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n.sent++
	s := sight.Sighting{ID: n.self.ID, Endpoint: sight.At(n.host, port).With(&n.self.Key), Gone: port == 0}
	for _, to := range h.nodes {
		if to == n || h.cut != nil && h.cut(n.host, to.host) {
			continue
		}
		if h.loss != nil && h.chance(n, to) < h.loss(n.host, to.host) {
			continue
		}
		select {
		case to.waiting <- s:
		default:
		}
	}
}
