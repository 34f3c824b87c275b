package oncetest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// Network is a network in memory. Its methods and those of its hosts are safe for
// concurrent use, but those that can fail end the test and so are for its goroutine.
type Network struct {
	t      *testing.T
	seed   uint64
	memory *link.Memory
	common atomic.Pointer[Line] // the line of all hosts, nil if some have others

	mu    sync.Mutex          // guards what follows, and what hosts and lives say that it does
	ended sync.Cond           // a program or a node has
	line  *Line               // of hosts that have none of their own
	hosts map[string]*Host    // by address
	hubs  map[int]*beacon.Hub // by the UDP port of beacons
}

// New returns a network without hosts, delay or loss. What chance decides comes from the
// seed, keys too; for that reason the test, and those that it is part of, cannot be
// parallel. If the test fails, it logs the seed.
func New(t *testing.T, seed uint64) *Network {
	t.Helper()
	cryptotest.SetGlobalRandom(t, seed)
	n := &Network{t: t, line: &Line{}, seed: seed, hosts: map[string]*Host{}, hubs: map[int]*beacon.Hub{}}
	n.ended.L = &n.mu
	n.common.Store(n.line)
	n.memory = link.NewMemory(n.delay)
	n.memory.Rate(n.rate)
	t.Cleanup(func() {
		n.end()
		if t.Failed() {
			t.Logf("the seed of the network is %d", seed)
		}
	})
	return n
}

// end turns off all hosts, and waits until nothing runs any more.
func (n *Network) end() {
	n.mu.Lock()
	var lives []*life
	for _, h := range n.hosts {
		lives = append(lives, h.life)
		h.life.crashed = true
	}
	n.mu.Unlock()
	for _, l := range lives {
		n.memory.Crash(l.address)
	}
	for _, l := range lives {
		l.end(errOver)
	}
	for _, l := range lives {
		n.mu.Lock()
		err := l.wait()
		n.mu.Unlock()
		if err != nil {
			n.t.Errorf("oncetest: %v", err)
		}
	}
}

// everybody is the address of all on a network of IPv4.
var everybody = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// Host returns the host with an IP address, such as 10.0.0.1. An IPv4 address that is
// written as one of IPv6, as ::ffff:10.0.0.1, is the same. It is there, running, and
// connected to all others as soon as it is first named.
func (n *Network) Host(address string) *Host {
	n.t.Helper()
	ip, err := netip.ParseAddr(address)
	ip = ip.Unmap()
	if err != nil || ip == everybody || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() || ip.Zone() != "" {
		n.t.Fatalf("oncetest: %q is not the IP address of a host", address)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[ip.String()]
	if h == nil {
		h = &Host{network: n, address: ip.String()}
		h.beginLocked()
		n.hosts[h.address] = h
	}
	return h
}

// Partition parts the hosts of different sides from each other, until the next Partition
// or Heal. Nothing that they say reaches the others, and nobody is told: what is said on
// connections waits for the network to heal, what takes too long is given up by the
// nodes, and beacons are lost. Hosts of no side reach all, and all reach them.
func (n *Network) Partition(sides ...[]*Host) {
	n.t.Helper()
	side, addresses := map[*Host]int{}, make([][]string, len(sides))
	for i, hosts := range sides {
		for _, h := range hosts {
			if _, twice := side[h]; twice || h.network != n {
				n.t.Fatalf("oncetest: %v is on two sides, or in another network", h)
			}
			side[h] = i + 1
			addresses[i] = append(addresses[i], h.address)
		}
	}
	n.mu.Lock()
	for _, h := range n.hosts {
		h.side = side[h]
	}
	n.mu.Unlock()
	n.memory.Divide(addresses...)
}

// Heal ends a partition: all hosts reach each other.
func (n *Network) Heal() { n.Partition() }

// cut tells whether no beacon gets from one host to another.
func (n *Network) cut(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, b := n.hosts[from], n.hosts[to]
	return a.life.crashed || b.life.crashed || a.side != 0 && b.side != 0 && a.side != b.side
}

// draw returns what chance decides for something at this moment, from 0 to less than 1.
// It does not depend on the order in which goroutines ask that do so at once.
func (n *Network) draw(what ...any) float64 {
	hash := fnv.New64a()
	fmt.Fprintln(hash, what...)
	return rand.New(rand.NewPCG(n.seed^hash.Sum64(), uint64(time.Now().UnixNano()))).Float64()
}

// beacon returns the beacon of a host on a UDP port.
func (n *Network) beacon(address string, port int) sight.Source {
	n.mu.Lock()
	defer n.mu.Unlock()
	hub := n.hubs[port]
	if hub == nil {
		hub = beacon.NewHub(n.seed)
		hub.Cut(n.cut)
		hub.Lose(n.loss)
		n.hubs[port] = hub
	}
	return hub.Host(address)
}
