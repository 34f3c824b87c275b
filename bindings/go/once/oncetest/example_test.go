package oncetest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// Counter is a count that programs on a network keep together: each counts for itself,
// tells the others how far it is, and adds up what it is told.
type Counter struct {
	config once.Config
	added  chan uint64

	mu     sync.Mutex
	counts map[uuid.UUID]uint64
}

func NewCounter(config once.Config) *Counter {
	config.Groups = []string{"count"}
	return &Counter{config: config, added: make(chan uint64), counts: map[uuid.UUID]uint64{}}
}

// Run keeps the count until ctx ends.
func (c *Counter) Run(ctx context.Context) error {
	node, err := once.Start(ctx, c.config)
	if err != nil {
		return err
	}
	defer node.Close()
	go c.tell(ctx, node)
	for event := range node.Events(ctx) {
		switch e := event.(type) {
		case *once.Join: // it has missed what was said before
			_ = node.Whisper(ctx, e.Peer.UUID(), c.raise(node.UUID(), 0)) // else it has gone again
		case *once.Whisper:
			c.raise(e.Peer.UUID(), binary.BigEndian.Uint64(e.Content[0]))
		case *once.Shout:
			c.raise(e.Peer.UUID(), binary.BigEndian.Uint64(e.Content[0]))
		}
	}
	return nil
}

// tell tells all of what is added here.
func (c *Counter) tell(ctx context.Context, node *once.Node) {
	for total := uint64(0); ; {
		select {
		case n := <-c.added:
			total += n
			_, _ = node.Shout(ctx, "count", c.raise(node.UUID(), total)) // else ctx has ended
		case <-ctx.Done():
			return
		}
	}
}

// raise raises one of the counts, and returns it as it is told to others.
func (c *Counter) raise(id uuid.UUID, count uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[id] = max(c.counts[id], count)
	return binary.BigEndian.AppendUint64(nil, c.counts[id])
}

// Add counts n more.
func (c *Counter) Add(n uint64) { c.added <- n }

// Total returns the count as far as it is known here.
func (c *Counter) Total() (total uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.counts {
		total += n
	}
	return total
}

func TestCountersAgreeAfterPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		network.SetLine(oncetest.Line{Delay: 5 * time.Millisecond})
		config := once.Config{Security: once.SecurityPlain, Interval: 5 * time.Second, Expired: 12 * time.Second}
		hosts, counters := make([]*oncetest.Host, 50), make([]*Counter, 50)
		for i := range hosts {
			hosts[i], counters[i] = network.Host(fmt.Sprintf("10.0.0.%d", i+1)), NewCounter(config)
			hosts[i].Go(counters[i].Run)
		}
		agree := func(want uint64) {
			t.Helper()
			for i, c := range counters {
				if got := c.Total(); got != want {
					t.Errorf("host %v has counted %d, want %d", hosts[i], got, want)
				}
			}
		}

		time.Sleep(time.Second) // all have met
		network.Partition(hosts[:25], hosts[25:])
		for _, c := range counters {
			c.Add(1)
		}
		time.Sleep(15 * time.Second) // each half has given up the other
		agree(25)

		network.Heal()
		time.Sleep(6 * time.Second) // all have met again
		agree(50)
	})
}

// TestDocumentationShowsThis holds the package's documentation to the test that it shows.
func TestDocumentationShowsThis(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	_, test, _ := strings.Cut(read("example_test.go"), "func TestCounters")
	test, _, ok := strings.Cut(test, "\n}\n")
	test = "func TestCounters" + test + "\n}\n"
	if !ok || strings.Count(test, "\n") < 20 {
		t.Fatalf("cannot find the test, but %q", test)
	}
	comment := strings.ReplaceAll("\n"+strings.TrimSuffix(test, "\n"), "\n", "\n//\t")
	comment = strings.ReplaceAll(comment, "//\t\n", "//\n")
	if !strings.Contains(read("doc.go"), comment+"\n") {
		t.Errorf("doc.go does not show the test as it is; copy this there:%s", comment)
	}
}
