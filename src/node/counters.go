package node

import (
	"maps"
	"sync"
)

// counters count what is unusual, by name.
type counters struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func (c *counters) count(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]uint64{}
	}
	c.counts[name]++
}

// all returns how often each was counted.
func (c *counters) all() map[string]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}
