package oncetest_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/oncetest"
)

// Counter is a count that programs on a network keep together: each counts for itself,
// tells the others how far it is, and adds up what it was told.
type Counter struct {
	own chan uint64

	mu     sync.Mutex
	counts map[uuid.UUID]uint64
}

func NewCounter() *Counter {
	return &Counter{own: make(chan uint64), counts: map[uuid.UUID]uint64{}}
}

// Run keeps the count until ctx ends.
func (c *Counter) Run(ctx context.Context) error {
	node, err := once.Start(ctx, once.Config{Groups: []string{"count"}, Security: once.SecurityPlain, Interval: 2 * time.Second, Expired: 12 * time.Second})
	if err != nil {
		return err
	}
	defer node.Close()
	go func() {
		for {
			select {
			case n := <-c.own:
				node.Shout(ctx, "count", c.raise(node.ID(), c.of(node.ID())+n))
			case <-ctx.Done():
				return
			}
		}
	}()
	for event := range node.Events(ctx) {
		switch e := event.(type) {
		case *once.Join: // it has missed what was said before
			node.Whisper(ctx, e.Peer.UUID(), c.raise(node.ID(), 0))
		case *once.Whisper:
			c.raise(e.Peer.UUID(), binary.BigEndian.Uint64(e.Content[0]))
		case *once.Shout:
			c.raise(e.Peer.UUID(), binary.BigEndian.Uint64(e.Content[0]))
		}
	}
	return nil
}

// Add counts n more.
func (c *Counter) Add(n uint64) { c.own <- n }

// Total returns the count as far as it is known.
func (c *Counter) Total() (total uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.counts {
		total += n
	}
	return total
}

func (c *Counter) of(id uuid.UUID) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[id]
}

// raise raises one of the counts, and returns it as it is told to others.
func (c *Counter) raise(id uuid.UUID, n uint64) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[id] = max(c.counts[id], n)
	return binary.BigEndian.AppendUint64(nil, c.counts[id])
}

func TestCountersAgreeAfterPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := oncetest.New(t, 1)
		network.SetLine(oncetest.Line{Delay: 5 * time.Millisecond})
		var hosts []*oncetest.Host
		var counters []*Counter
		for i := range 50 {
			hosts = append(hosts, network.Host(fmt.Sprintf("10.0.0.%d", i+1)))
			counters = append(counters, NewCounter())
			hosts[i].Go(counters[i].Run)
		}
		count := func(want uint64) {
			t.Helper()
			for _, c := range counters {
				c.Add(1)
			}
			time.Sleep(time.Second) // virtual
			for i, c := range counters {
				if got := c.Total(); got != want {
					t.Errorf("host %v has counted %d, want %d", hosts[i], got, want)
				}
			}
		}
		time.Sleep(time.Second)

		network.Partition(hosts[:25], hosts[25:])
		count(25)
		time.Sleep(13 * time.Second) // longer than nodes wait for silent ones
		network.Heal()
		time.Sleep(6 * time.Second)
		count(100)
	})
}
