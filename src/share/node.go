// Package share is a node that programs of one user share: it runs in the process of one
// of them, and the others are attached to it. When that process ends, one of those that
// were attached runs the node, and the others are attached to that. Each program has its
// own groups and events, and is told of what it has said and was not delivered.
//
// Programs import bindings/go/once: what is here may change at any time.
package share

import (
	"context"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/node"
	"github.com/sjohnr/at-once/src/site"
)

// Node is a node that runs here or, if it is to be shared and another process runs it,
// there. Its methods may be called from any goroutine, Recv and RecvBatch from one at a
// time.
type Node struct {
	*node.Node // which runs unless another process runs the node
	seat
}

// New returns a node that does nothing yet. Without a name it takes the first six digits of
// its UUID.
func New(name string) (*Node, error) {
	of, err := node.New(name)
	if err != nil {
		return nil, err
	}
	n := &Node{Node: of, seat: seat{node: of}}
	n.stays, n.leave = context.WithCancel(context.Background())
	return n, nil
}

// Start starts the node in the world of ctx, or attaches it to the one that another process
// runs. It does not end with ctx.
func (n *Node) Start(ctx context.Context) error {
	return n.Settle(ctx, func(with node.Outset) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.front = n.Front()
		return n.runOrAttach(ctx, with)
	})
}

// Stop ends the node as [node.Node.Stop] does, or leaves the one that another process runs.
func (n *Node) Stop() error {
	_ = n.Fix(func() error { return nil }) // a node that has not started never does
	defer n.work.Wait()
	n.vacate()
	return n.Node.Stop()
}

// Close is Stop.
func (n *Node) Close() error { return n.Stop() }

// UUID returns the id of the node's identity, or a random one if it has none.
func (n *Node) UUID() uuid.UUID {
	if far := n.far.Load(); far != nil {
		return far.Welcome.Node
	}
	return n.Node.UUID()
}

// Name returns the node's public name.
func (n *Node) Name() string {
	if far := n.far.Load(); far != nil {
		return far.Welcome.Name
	}
	return n.Node.Name()
}

// Holder returns the process that runs the node, if it is not this one.
func (n *Node) Holder() string {
	if far := n.far.Load(); far != nil {
		return far.Welcome.Process
	}
	return ""
}

// Interfaces returns the networks that a node can use.
func Interfaces() ([]*site.Interface, error) { return site.Interfaces() }
