package beacon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/sight"
)

const patience = 10 * time.Second // for what takes milliseconds on a quiet machine

// freePort returns a UDP port that no one uses.
func freePort(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// udpNode is a node under test; sightings that do not fit are dropped.
type udpNode struct {
	*UDP
	mu      sync.Mutex
	counts  map[string]int
	notices []string
	seen    chan sight.Sighting
	stop    func()
}

// runUDP starts node n, which announces TCP port n every 50 ms.
func runUDP(t *testing.T, n byte, port int, interfaces ...Interface) *udpNode {
	t.Helper()
	return announceUDP(t, sight.Announcement{ID: id(n), Port: uint16(n), Interval: 50 * time.Millisecond}, port, interfaces...)
}

func announceUDP(t *testing.T, self sight.Announcement, port int, interfaces ...Interface) *udpNode {
	t.Helper()
	udp, err := Listen(context.Background(), uint16(port), interfaces)
	if err != nil {
		t.Fatal(err)
	}
	node := &udpNode{UDP: udp, counts: map[string]int{}, seen: make(chan sight.Sighting, 64)}
	udp.Count = func(name string) {
		node.mu.Lock()
		defer node.mu.Unlock()
		node.counts[name]++
	}
	udp.Notice = func(text string) {
		node.mu.Lock()
		defer node.mu.Unlock()
		node.notices = append(node.notices, text)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		err := node.Run(ctx, self, func(list []sight.Sighting) {
			for _, s := range list {
				select {
				case node.seen <- s:
				default:
				}
			}
		})
		if err != nil {
			t.Errorf("node %d: %v", self.Port, err)
		}
	})
	node.stop = func() { cancel(); running.Wait() }
	t.Cleanup(node.stop)
	return node
}

func (n *udpNode) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts[name]
}

// noticed returns how often a notice with such a text was given, and whether the
// last one was.
func (n *udpNode) noticed(text string) (times int, last bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, notice := range n.notices {
		if last = strings.Contains(notice, text); last {
			times++
		}
	}
	return times, last
}

// notices waits until the last notice has such a text.
func (n *udpNode) awaits(t *testing.T, text string) {
	t.Helper()
	waitFor(t, text, func() bool { _, last := n.noticed(text); return last })
}

// sees waits for a sighting.
func (n *udpNode) sees(t *testing.T, want sight.Sighting) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case got := <-n.seen:
			if got == want {
				return
			}
		case <-timeout:
			t.Fatalf("has not seen %+v; notices: %q", want, n.notices)
		}
	}
}

// listens waits until the node hears its own beacons, which it does not report.
func (n *udpNode) listens(t *testing.T) {
	t.Helper()
	waitFor(t, "the node to hear itself", func() bool { return n.count(CountOwn) > 0 })
	if len(n.seen) > 0 {
		t.Fatalf("a node alone sees %+v", <-n.seen)
	}
}

// drain forgets the sightings so far.
func (n *udpNode) drain() {
	for len(n.seen) > 0 {
		<-n.seen
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// broadcast sends datagrams on loopback from a host.
func broadcast(t *testing.T, from string, port int, datagrams ...[]byte) {
	t.Helper()
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
	conn, err := net.DialUDP("udp4", local, &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: port})
	if err != nil {
		t.Skipf("no socket with address %s on this system: %v", from, err)
	}
	defer conn.Close()
	for _, datagram := range datagrams {
		if _, err := conn.Write(datagram); err != nil {
			t.Fatal(err)
		}
	}
}

func loopback(t *testing.T) Interface {
	t.Helper()
	lo, err := Select([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	return lo[0]
}

func at(n byte, host string) sight.Sighting {
	return sight.Sighting{ID: id(n), Endpoint: sight.At(strings.Trim(host, "[]"), uint16(n))}
}

// TestUDPAllHearAll runs several nodes on one port, as in one process or many.
func TestUDPAllHearAll(t *testing.T) {
	lo, port := loopback(t), freePort(t)
	nodes := []*udpNode{runUDP(t, 1, port, lo), runUDP(t, 2, port, lo), runUDP(t, 3, port, lo)}
	for i, node := range nodes {
		for j := range nodes {
			if i != j {
				node.sees(t, at(byte(j+1), "127.0.0.1"))
			}
		}
	}
	nodes[2].stop()
	goodbye := sight.Sighting{ID: id(3), Endpoint: sight.At("127.0.0.1", 0), Gone: true}
	nodes[0].sees(t, goodbye)
	nodes[1].sees(t, goodbye)
}

// TestUDPKeys has a node with a key and one without see each other, and part.
func TestUDPKeys(t *testing.T) {
	lo, port := loopback(t), freePort(t)
	plain := runUDP(t, 1, port, lo)
	keyed := announceUDP(t, sight.Announcement{ID: id(2), Port: 2, Key: [32]byte{1: 7}, Interval: 50 * time.Millisecond}, port, lo)
	seen := at(2, "127.0.0.1")
	seen.Endpoint = seen.Endpoint.With(&[32]byte{1: 7})
	plain.sees(t, seen)
	keyed.sees(t, at(1, "127.0.0.1"))
	keyed.stop()
	plain.sees(t, sight.Sighting{ID: id(2), Endpoint: sight.At("127.0.0.1", 0).With(seen.Endpoint.KeyOf()), Gone: true})
	if n := plain.count(CountMalformed) + keyed.count(CountMalformed); n != 0 {
		t.Errorf("%d beacons are malformed", n)
	}
}

// TestUDPIgnores sends what is no beacon, and a beacon at the end to wait for.
func TestUDPIgnores(t *testing.T) {
	port := freePort(t)
	node := runUDP(t, 1, port, loopback(t))
	node.listens(t)
	broadcast(t, "127.0.0.1", port, []byte{}, []byte("ZRE"), changed(keyed, 22, make([]byte, 32)...), append(bytes.Clone(hello), 0), make([]byte, 2000), encode(id(1), 1, helloBy), encode(id(9), 9, noKey))
	if first := <-node.seen; first != at(9, "127.0.0.1") {
		t.Errorf("saw %+v", first)
	}
	if node.count(CountMalformed) != 5 || node.count(CountElsewhere) != 0 {
		t.Errorf("%v", node.counts)
	}
}

// TestUDPTwins lets others use a node's id, at another port and from another address.
func TestUDPTwins(t *testing.T) {
	port := freePort(t)
	node := runUDP(t, 1, port, loopback(t))
	node.listens(t)
	broadcast(t, "127.0.0.1", port, encode(id(1), 0, noKey), encode(id(1), 7, noKey))
	broadcast(t, "127.0.0.2", port, encode(id(1), 1, noKey))
	for _, want := range []sight.Endpoint{sight.At("127.0.0.1", 7), sight.At("127.0.0.2", 1)} {
		if got := <-node.seen; got != (sight.Sighting{ID: id(1), Endpoint: want}) {
			t.Errorf("saw %+v, want the twin at %s", got, want)
		}
	}
	node.listens(t)
}

func TestUDPHearsOnlyItsNetworks(t *testing.T) {
	port, narrow := freePort(t), loopback(t)
	narrow.Addr = netip.MustParsePrefix("127.0.0.1/30")
	node := runUDP(t, 1, port, narrow)
	node.listens(t)
	broadcast(t, "127.0.0.9", port, hello)
	broadcast(t, "127.0.0.2", port, encode(id(2), 2, noKey))
	if first := <-node.seen; first != at(2, "127.0.0.2") {
		t.Errorf("saw %+v", first)
	}
	if node.count(CountElsewhere) != 1 {
		t.Errorf("%v", node.counts)
	}
}

func TestListenRefusesAPortThatIsNotShared(t *testing.T) {
	taken, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	udp, err := Listen(context.Background(), uint16(taken.LocalAddr().(*net.UDPAddr).Port), nil)
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("%v, %v", udp, err)
	}
}

// TestUDPInterfaceGone sends on an interface that does not exist, and still on
// the other; there is one notice of it.
func TestUDPInterfaceGone(t *testing.T) {
	lo, port := loopback(t), freePort(t)
	gone := Interface{Name: "gone0", Addr: netip.MustParsePrefix("192.0.2.1/24"), Broadcast: netip.MustParseAddr("192.0.2.255")}
	node, other := runUDP(t, 1, port, gone, lo), runUDP(t, 2, port, lo)
	node.awaits(t, "interface gone0 (192.0.2.1): cannot send beacons: ")
	for range 5 {
		other.sees(t, at(1, "127.0.0.1"))
	}
	if n, _ := node.noticed(""); n != 1 {
		t.Errorf("notices: %q", node.notices)
	}
}

// TestUDPFollowsItsInterfaces has a node use loopback no more, and again.
func TestUDPFollowsItsInterfaces(t *testing.T) {
	lo, port := loopback(t), freePort(t)
	a, b := runUDP(t, 1, port, lo), runUDP(t, 2, port, lo)
	b.sees(t, at(1, "127.0.0.1"))
	a.Use(nil)
	a.Renew()
	waitFor(t, "the beacons of others to count as others'", func() bool { return a.count(CountElsewhere) > 1 })
	waitFor(t, "the last outlet to close", func() bool { a.UDP.mu.Lock(); defer a.UDP.mu.Unlock(); return len(a.outlets) == 0 })
	b.drain()
	a.Use([]Interface{lo})
	a.Renew()
	b.sees(t, at(1, "127.0.0.1"))
	a.drain()
	a.sees(t, at(2, "127.0.0.1"))
}
