package beacon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/sight"
)

// network runs nodes on a hub and writes down what each sees, with its time.
type network struct {
	t     *testing.T
	hub   *Hub
	start time.Time
	mu    sync.Mutex
	seen  []string
	nodes sync.WaitGroup
}

func newNetwork(t *testing.T, seed uint64) *network {
	return &network{t: t, hub: NewHub(seed), start: time.Now()}
}

// run starts node n on host 10.0.0.n, the even ones with a key, and returns a
// function that stops it.
func (n *network) run(node byte) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	n.nodes.Go(func() {
		self := sight.Announcement{ID: id(node), Port: 5000 + uint16(node), Interval: 1600 * time.Millisecond}
		if node%2 == 0 {
			self.Key = [32]byte{31: node}
		}
		err := n.hub.Host(fmt.Sprintf("10.0.0.%d", node)).Run(ctx, self, func(list []sight.Sighting) {
			n.mu.Lock()
			defer n.mu.Unlock()
			for _, s := range list {
				n.seen = append(n.seen, fmt.Sprintf("%v: %d sees %d at %s key %d gone %v",
					time.Since(n.start).Round(100*time.Millisecond), node, s.ID[15], s.Endpoint.Bare(), keyOf(s), s.Gone))
			}
		})
		if err != nil {
			n.t.Errorf("node %d: %v", node, err)
		}
	})
	synctest.Wait()
	return cancel
}

// after lets time pass and returns, sorted, what was seen since the last call.
func (n *network) after(d time.Duration) []string {
	time.Sleep(d) // virtual
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := n.seen
	n.seen = nil
	slices.Sort(seen)
	return seen
}

func (n *network) want(d time.Duration, want ...string) {
	n.t.Helper()
	if got := n.after(d); !slices.Equal(got, want) {
		n.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestHubTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(t, 0)
		stop1 := n.run(1)
		n.want(10 * time.Second)

		n.hub.Cut(func(from, to string) bool { return from == "10.0.0.1" })
		n.start = time.Now()
		stop2 := n.run(2)
		n.want(1200*time.Millisecond,
			"0s: 1 sees 2 at tcp://10.0.0.2:5002 key 2 gone false",
			"100ms: 1 sees 2 at tcp://10.0.0.2:5002 key 2 gone false",
			"500ms: 1 sees 2 at tcp://10.0.0.2:5002 key 2 gone false")

		n.hub.Cut(func(string, string) bool { return true })
		n.want(10 * time.Second)

		n.hub.Cut(nil)
		if got := n.after(1760 * time.Millisecond); len(got) < 2 || len(got) > 4 {
			t.Errorf("one interval after the cut has healed: %q", got)
		}

		n.start = time.Now()
		stop2()
		n.want(0, "0s: 1 sees 2 at tcp://10.0.0.2:0 key 2 gone true")
		stop1()
		n.nodes.Wait()
	})
}

// TestHubLoss loses about what it is told to, and the same with the same seed.
func TestHubLoss(t *testing.T) {
	lossy := func(seed uint64) (seen []string) {
		synctest.Test(t, func(t *testing.T) {
			n := newNetwork(t, seed)
			n.hub.Lose(func(_, _ string) float64 { return 0.25 })
			stop1, stop2 := n.run(1), n.run(2)
			seen = n.after(1600 * time.Second)
			stop1()
			stop2()
			n.nodes.Wait()
		})
		return seen
	}
	first := lossy(1)
	if n := len(first); n < 1400 || n > 1600 {
		t.Errorf("%d of about 2000 beacons arrived, want about 1500", n)
	}
	if !slices.Equal(first, lossy(1)) {
		t.Error("the same seed lost other beacons")
	}
	if slices.Equal(first, lossy(2)) {
		t.Error("another seed lost the same beacons")
	}
}

// TestHubQueueIsBounded lets a node be busy while another announces.
func TestHubQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := NewHub(0)
		ctx, cancel := context.WithCancel(context.Background())
		busy, count := make(chan struct{}), 0
		var nodes sync.WaitGroup
		nodes.Go(func() {
			_ = hub.Host("a").Run(ctx, sight.Announcement{ID: id(1), Port: 1, Interval: time.Hour}, func([]sight.Sighting) { count++; <-busy })
		})
		nodes.Go(func() {
			_ = hub.Host("b").Run(ctx, sight.Announcement{ID: id(2), Port: 2, Interval: time.Millisecond}, func([]sight.Sighting) {})
		})
		time.Sleep(time.Minute) // virtual
		hub.Cut(func(string, string) bool { return true })
		close(busy)
		synctest.Wait()
		if count != hubQueue+1 {
			t.Errorf("%d sightings for a busy node, want %d", count, hubQueue+1)
		}
		cancel()
		nodes.Wait()
	})
}

// keyOf returns the last octet of a sighted key, 0 for none.
func keyOf(s sight.Sighting) byte {
	if key := s.Endpoint.KeyOf(); key != nil {
		return key[31]
	}
	return 0
}
