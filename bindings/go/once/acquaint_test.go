package once_test

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// freeTCP and freeUDP return a port of loopback that nobody uses.
func freeTCP(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func freeUDP(tb testing.TB) int {
	tb.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// acquaint starts so many nodes at once and returns how long it takes until each
// knows all others.
func acquaint(tb testing.TB, nodes int, security once.Security, config func(i int) once.Config) time.Duration {
	tb.Helper()
	began := time.Now()
	var all sync.WaitGroup
	running := make([]*once.Node, nodes)
	for i := range nodes {
		c := config(i)
		c.Interfaces, c.Security = []string{"127.0.0.1"}, security
		node, err := once.Start(tb.Context(), c)
		if err != nil {
			tb.Fatal(err)
		}
		running[i] = node
		all.Go(func() {
			for known := 1; known < nodes; {
				event, err := node.Next(tb.Context())
				if err != nil {
					tb.Errorf("node %d of %d knows %d: %v", i, nodes, known, err)
					return
				}
				switch event.(type) {
				case *once.Enter:
					known++
				case *once.Exit:
					known--
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	var closing sync.WaitGroup
	for _, node := range running {
		closing.Go(func() { node.Close() })
	}
	closing.Wait()
	return took
}

// ways are those in which nodes on loopback find each other.
var ways = map[string]func(tb testing.TB) func(i int) once.Config{
	"gossip": func(tb testing.TB) func(i int) once.Config {
		server := fmt.Sprintf("tcp://127.0.0.1:%d", freeTCP(tb))
		return func(i int) once.Config {
			if i == 0 {
				return once.Config{GossipBind: server}
			}
			return once.Config{GossipConnect: []string{server}}
		}
	},
	"beacon": func(tb testing.TB) func(i int) once.Config {
		port := freeUDP(tb)
		return func(int) once.Config { return once.Config{BeaconPort: port} }
	},
}

// TestAcquaint checks that all find all by either way.
func TestAcquaint(t *testing.T) {
	for name, way := range ways {
		for _, security := range securities {
			t.Run(fmt.Sprint(name, " ", security), func(t *testing.T) {
				t.Logf("8 nodes know each other after %v", acquaint(t, 8, security, way(t)))
			})
		}
	}
}

var securities = []once.Security{once.SecurityPlain, once.SecurityAuto, once.SecuritySecure}

// figure prints a figure beside that of Zyre, as it was measured on a machine with
// 2 cores; 0 is none.
func figure(name string, ours, zyre, target float64) {
	ratio := 0.0
	if zyre > 0 {
		ratio = ours / zyre
	}
	fmt.Printf("figure %s ours=%.4g reference=%.4g ratio=%.2f target=%.4g\n", name, ours, zyre, ratio, target)
}

// TestFigures measures how many milliseconds it takes until all nodes of a
// process, started one after the other, know all. It is part of make bench.
func TestFigures(t *testing.T) {
	if os.Getenv(figuresEnv) == "" {
		t.Skip("part of make bench")
	}
	fmt.Println("# milliseconds until all nodes of a process know all, median of 5; reference: Zyre")
	zyre := map[string]map[int]float64{
		"gossip": {2: 5, 16: 125, 32: 424},
		"beacon": {2: 4, 16: 100, 32: 1090},
	}
	target := map[string]float64{"plain-32": 150, "auto-32": 150, "plain-64": 700, "auto-64": 700}
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		for _, nodes := range []int{2, 16, 32, 64} {
			for _, security := range securities {
				times := make([]time.Duration, 5)
				for i := range times {
					times[i] = acquaint(t, nodes, security, ways[name](t))
				}
				slices.Sort(times)
				at := fmt.Sprintf("%s-%d", security, nodes)
				figure(fmt.Sprintf("acquaint-%s-%s", name, at), 1000*times[2].Seconds(), zyre[name][nodes], target[at])
			}
		}
	}
}

// figuresEnv is set to have the figures of make bench taken, which want a machine
// that does nothing else.
const figuresEnv = "ONCE_FIGURES"
