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

func (n *Node) count(name string) {
	n.counters.mu.Lock()
	defer n.counters.mu.Unlock()
	if n.counters.counts == nil {
		n.counters.counts = map[string]uint64{}
	}
	n.counters.counts[name]++
}

// Counts returns how often something unusual was seen since the node began, by
// name.
func (n *Node) Counts() map[string]uint64 {
	n.counters.mu.Lock()
	defer n.counters.mu.Unlock()
	return maps.Clone(n.counters.counts)
}
