//go:build linux && !race

package once_test

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// quiet starts a node on loopback that no beacon tells of, and that asks a silent peer for a sign
// of life after some time, 0 for the usual one.
func quiet(tb testing.TB, name string, security once.Security, evasive time.Duration) *once.Node {
	tb.Helper()
	n, err := once.Start(tb.Context(), once.Config{
		Name: name, BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*", Security: security, Evasive: evasive,
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { n.Close() })
	return n
}

// entered waits until a node has seen so many peers enter.
func entered(tb testing.TB, n *once.Node, peers int) {
	tb.Helper()
	for peers > 0 {
		event, err := n.Next(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		if _, ok := event.(*once.Enter); ok {
			peers--
		}
	}
}

// held returns the octets of heap and stacks that are in use when a process has
// been idle for some time: each collection halves stacks that are too large, and
// what pools keep over the first is gone with the second.
func held() int {
	for range 4 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// threads returns how many threads this process has.
func threads(tb testing.TB) (count int) {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "Threads:")
	if _, err := fmt.Sscan(rest, &count); err != nil {
		tb.Fatal(err)
	}
	return count
}

// spent returns the processor time that this process has used.
func spent(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestIdleConnectionIsSmall checks what an idle connection costs each side. What the process
// does beside it can only add to that, so the least of three counts.
func TestIdleConnectionIsSmall(t *testing.T) {
	limits := map[once.Security]int{once.SecurityPlain: 14 << 10, once.SecurityAuto: 16 << 10, once.SecuritySecure: 16 << 10}
	for _, security := range securities {
		each, limit := math.MaxInt, limits[security]
		for range 3 {
			t.Run(security.String(), func(t *testing.T) { each = min(each, idle(t, security)) })
		}
		if os.Getenv(figuresEnv) != "" {
			figure(fmt.Sprintf("idle-connection-%s-octets", security), float64(each), 80<<10, float64(limit))
		}
		if each > limit {
			t.Errorf("%s: %d octets are more than %d", security, each, limit)
		}
	}
}

// idle returns how many octets each side of an idle connection takes, with all that its node
// keeps because of it: two peers have one, both ways.
func idle(t *testing.T, security once.Security) int {
	const hubs, peers = 4, 100
	const often = 500 * time.Millisecond // so that those rest soon who read
	var hub [hubs]*once.Node
	for i := range hub {
		hub[i] = quiet(t, fmt.Sprint("hub ", i), security, often)
	}
	leaves := make([]*once.Node, peers)
	for i := range leaves {
		leaves[i] = quiet(t, fmt.Sprint("leaf ", i), security, often)
	}
	before, threadsBefore, goroutines := held(), threads(t), runtime.NumGoroutine()
	for _, leaf := range leaves {
		for _, h := range hub {
			if err := leaf.Connect(h.UUID(), h.Endpoint()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, h := range hub {
		entered(t, h, peers)
	}
	for _, leaf := range leaves {
		entered(t, leaf, hubs)
	}
	for runtime.NumGoroutine() > goroutines+2*hubs*peers+peers { // until those rest who read
		time.Sleep(10 * time.Millisecond)
	}
	after := held()
	if now := threads(t); now > threadsBefore+8 {
		t.Errorf("%d threads before, %d now", threadsBefore, now)
	}
	return (after - before) / (2 * hubs * peers)
}

// leafEnv tells a process that it is to run leaves of a hub, and of which.
const leafEnv = "ONCE_SCALE_LEAVES"

// TestLeaves is no test but the other process of TestThousandIdlePeers: it runs
// until its input ends.
func TestLeaves(t *testing.T) {
	var peers int
	var id uuid.UUID
	var text, endpoint string
	if n, _ := fmt.Sscan(os.Getenv(leafEnv), &peers, &text, &endpoint); n != 3 {
		t.Skip("runs as part of TestThousandIdlePeers")
	}
	id = uuid.MustParse(text)
	for i := range peers {
		if err := quiet(t, fmt.Sprint("leaf ", i), once.SecurityAuto, 0).Connect(id, endpoint); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Fatal(err)
	}
}

// TestThousandIdlePeers measures what a node costs that has a thousand peers and
// nothing to say to them; they live in another process.
func TestThousandIdlePeers(t *testing.T) {
	if os.Getenv(figuresEnv) == "" {
		t.Skip("part of make bench")
	}
	const peers, span = 1000, 12 * time.Second // two rounds of PING
	hub := quiet(t, "hub", once.SecurityAuto, 0)
	before := held()
	command := exec.Command(os.Args[0], "-test.run=^TestLeaves$")
	command.Env = append(os.Environ(), fmt.Sprint(leafEnv, "=", peers, " ", hub.UUID(), " ", hub.Endpoint()))
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		input.Close()
		for lines := bufio.NewScanner(output); lines.Scan(); {
			t.Log("leaves: ", lines.Text())
		}
		if err := command.Wait(); err != nil {
			t.Error("leaves: ", err)
		}
	}()
	start := time.Now()
	entered(t, hub, peers)
	t.Logf("%d peers have entered after %v", peers, time.Since(start).Round(time.Millisecond))
	first := held()
	t.Logf("a peer costs %d octets on its side of both connections; %d threads", (first-before)/peers, threads(t))
	share := 100.0
	for range 4 { // what else runs on the machine can only add to it
		from, began := spent(t), time.Now()
		time.Sleep(span) // not for anything: this is what idleness costs
		share = min(share, 100*float64(spent(t)-from)/float64(time.Since(began)))
	}
	figure("idle-1000-peers-percent", share, 0, 1)
	if share > 1 {
		t.Error("that is more than 1 %")
	}
	if growth := held() - first; growth > peers*256 {
		t.Errorf("idleness took %d octets", growth)
	}
	if now := len(hub.Peers()); now != peers {
		t.Errorf("%d peers are left", now)
	}
}
