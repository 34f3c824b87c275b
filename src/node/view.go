package node

import "github.com/sjohnr/at-once/src/events"

// Snapshot returns all that the node knows now. Until the next one, of the events with a
// later version none is left out because a later one makes up for it.
func (n *Node) Snapshot() (*events.View, error) { return n.view(n.events.Mark) }

// Look is Snapshot for who is told of the events by another queue.
func (n *Node) Look() (*events.View, error) { return n.view(func(uint64) {}) }

// view returns what the node knows, and calls a function with the version of that before it
// knows more.
func (n *Node) view(mark func(version uint64)) (of *events.View, err error) {
	endpoint := n.Endpoint()
	err = n.while(func(l *loop) {
		of = events.NewView(l.version, endpoint, sorted(l.all()), l.leaders())
		mark(l.version)
	})
	return of, err
}
