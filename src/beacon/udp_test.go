package beacon

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
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
	log  *syncBuffer
	seen chan Sighting
	stop func()
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) lines(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.String(), text)
}

// last returns where text stands for the last time, or -1.
func (b *syncBuffer) last(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.LastIndex(b.String(), text)
}

// runUDP starts node n, which announces TCP port n every 50 ms.
func runUDP(t *testing.T, n byte, port int, interfaces ...Interface) *udpNode {
	t.Helper()
	log := &syncBuffer{}
	node := &udpNode{
		UDP:  &UDP{Port: port, Interfaces: interfaces, Log: slog.New(slog.NewTextHandler(log, nil))},
		log:  log,
		seen: make(chan Sighting, 64),
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		err := node.Run(ctx, Announcement{id(n), uint16(n), 50 * time.Millisecond}, func(s Sighting) {
			select {
			case node.seen <- s:
			default:
			}
		})
		if err != nil {
			t.Errorf("node %d: %v", n, err)
		}
	})
	node.stop = func() { cancel(); running.Wait() }
	t.Cleanup(node.stop)
	return node
}

// sees waits for a sighting.
func (n *udpNode) sees(t *testing.T, want Sighting) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case got := <-n.seen:
			if got == want {
				return
			}
		case <-timeout:
			t.Fatalf("has not seen %+v; log:\n%s", want, n.log.String())
		}
	}
}

// listens waits until the node hears its own beacons, which it does not report.
func (n *udpNode) listens(t *testing.T) {
	t.Helper()
	waitFor(t, "the node to hear itself", func() bool { return n.Counts().Seen > 0 })
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

func at(n byte, host string) Sighting {
	return Sighting{ID: id(n), Endpoint: fmt.Sprintf("tcp://%s:%d", host, n)}
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
	goodbye := Sighting{ID: id(3), Endpoint: "tcp://127.0.0.1:0", Gone: true}
	nodes[0].sees(t, goodbye)
	nodes[1].sees(t, goodbye)
}

// TestUDPIgnores sends what is no beacon, and a beacon at the end to wait for.
func TestUDPIgnores(t *testing.T) {
	port := freePort(t)
	node := runUDP(t, 1, port, loopback(t))
	node.listens(t)
	broadcast(t, "127.0.0.1", port, []byte{}, []byte("ZRE"), curve(), append(bytes.Clone(hello), 0), make([]byte, 2000), encode(id(1), 1), encode(id(9), 9))
	if first := <-node.seen; first != at(9, "127.0.0.1") {
		t.Errorf("saw %+v", first)
	}
	if counts := node.Counts(); counts.Malformed != 4 || counts.Curve != 1 || counts.Elsewhere != 0 {
		t.Errorf("%+v", counts)
	}
}

func TestUDPHearsOnlyItsNetworks(t *testing.T) {
	port, narrow := freePort(t), loopback(t)
	narrow.Addr = netip.MustParsePrefix("127.0.0.1/30")
	node := runUDP(t, 1, port, narrow)
	node.listens(t)
	broadcast(t, "127.0.0.9", port, hello)
	broadcast(t, "127.0.0.2", port, encode(id(2), 2))
	if first := <-node.seen; first != at(2, "127.0.0.2") {
		t.Errorf("saw %+v", first)
	}
	if counts := node.Counts(); counts.Elsewhere != 1 {
		t.Errorf("%+v", counts)
	}
}

func TestUDPRefuses(t *testing.T) {
	announce := Announcement{id(1), 1, time.Second}
	taken, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, u := range map[string]*UDP{
		"no interface":    {Port: 5670},
		"no port":         {Interfaces: []Interface{{}}},
		"port too large":  {Port: 65536, Interfaces: []Interface{{}}},
		"port not shared": {Port: taken.LocalAddr().(*net.UDPAddr).Port, Interfaces: []Interface{{}}},
	} {
		if err := u.Run(context.Background(), announce, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestUDPInterfaceGone sends on an interface that does not exist, and still on
// the other; the log has one line of it.
func TestUDPInterfaceGone(t *testing.T) {
	lo, port := loopback(t), freePort(t)
	gone := Interface{Name: "gone0", Addr: netip.MustParsePrefix("192.0.2.1/24"), Broadcast: netip.MustParseAddr("192.0.2.255")}
	node, other := runUDP(t, 1, port, gone, lo), runUDP(t, 2, port, lo)
	for range 5 {
		other.sees(t, at(1, "127.0.0.1"))
	}
	if n := node.log.lines("cannot send beacons, will retry"); n != 1 {
		t.Errorf("%d lines of log about it:\n%s", n, node.log.String())
	}
}
