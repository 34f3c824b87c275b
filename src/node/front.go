package node

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
)

// Front is the side of a node that its program sees, in whichever process it runs.
type Front struct {
	Events       *events.Queue
	Log          *slog.Logger
	Count        func(name string)
	Notice, Warn func(text string)
	Directory    string // of the node's identity; empty for one in memory
	Level        guard.Level
	Sealed       []string // groups in which nothing plain is said
	Contests     []string // groups that it contests for from the start
}

// Front returns that. It is called when the node has been settled, or by who settles it.
func (n *Node) Front() Front {
	config := n.protection()
	return Front{
		Events: n.events, Log: n.settings.log, Count: n.count, Notice: n.notice, Warn: n.warn,
		Directory: n.who.Directory(), Level: config.Level(),
		Sealed: slices.Sorted(maps.Keys(n.sealed)), Contests: slices.Sorted(maps.Keys(n.contests)),
	}
}

// Open has the node close a door when it ends.
func (n *Node) Open(door Door) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.door = door
}
