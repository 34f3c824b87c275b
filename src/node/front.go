package node

import (
	"log/slog"
	"maps"
	"slices"
	"time"

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
	Groups       []string // that it is in from the start
	Contests     []string // and that it contests for
}

// Front returns that. It is called when the node has been settled, or by who settles it.
func (n *Node) Front() Front {
	config := n.protection()
	return Front{
		Events: n.events, Log: n.settings.log, Count: n.count, Notice: n.notice, Warn: n.warn,
		Directory: n.who.Directory(), Level: config.Level(),
		Groups: slices.Sorted(maps.Keys(n.groups)), Sealed: slices.Sorted(maps.Keys(n.sealed)), Contests: slices.Sorted(maps.Keys(n.contests)),
	}
}

// Door is where other programs come in that share a node which runs in this process.
type Door interface {
	Hush()                      // lets no more in
	Close(linger time.Duration) // ends what there is with those who are in, within that time
}

// Open has the node close a door when it ends.
func (n *Node) Open(door Door) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.door = door
}
