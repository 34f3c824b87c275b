package share

import (
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/zre"
)

// Whisper queues a message for one peer. It copies the content, and waits while the peer's
// queue is full.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	if n.far.Load() == nil {
		return n.Node.Whisper(ctx, peer, content)
	}
	frames := copied(content)
	if _, there, err := elsewhere(n, done(func(far *control.Client) error { return far.Whisper(ctx, peer, frames) })); there {
		return err
	}
	return n.Node.Whisper(ctx, peer, frames)
}

// Shout queues a message for all peers in a group, and returns for how many.
func (n *Node) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	if n.far.Load() == nil {
		return n.Node.Shout(ctx, group, content)
	}
	frames := copied(content)
	if receivers, there, err := elsewhere(n, func(far *control.Client) (uint32, error) { return far.Shout(ctx, group, frames) }); there {
		return receivers, err
	}
	return n.Node.Shout(ctx, group, frames)
}

// copied returns a copy of content, which only then has to be allocated when another process
// is told of it.
func copied(content [][]byte) [][]byte {
	frames := make([][]byte, len(content))
	for i, frame := range content {
		frames[i] = slices.Clone(frame)
	}
	return frames
}

// Flush waits until each peer has confirmed all that was said to it through this node, as
// [node.Node.Flush] does.
func (n *Node) Flush(ctx context.Context) error {
	if _, there, err := elsewhere(n, done(func(far *control.Client) error { return far.Flush(ctx) })); there {
		return n.bereaved(err)
	}
	return n.Node.Flush(ctx)
}

// done makes a call of a method that returns nothing else than an error.
func done(call func(*control.Client) error) func(*control.Client) (struct{}, error) {
	return func(far *control.Client) (struct{}, error) { return struct{}{}, call(far) }
}

// look returns what is known where another process runs the node, if one does.
func (n *Node) look() (view control.View, there bool, err error) {
	return elsewhere(n, (*control.Client).Look)
}

// Endpoint returns where the node accepts connections, empty before Start.
func (n *Node) Endpoint() string {
	if view, there, _ := n.look(); there { // nowhere once it has ended
		return view.Endpoint
	}
	return n.Node.Endpoint()
}

// Snapshot returns all that the node knows now.
func (n *Node) Snapshot() (*events.View, error) {
	view, there, err := n.look()
	if !there {
		return n.Node.Snapshot()
	}
	if err != nil {
		return nil, err
	}
	n.Front().Events.Mark(view.Version())
	return view.View, nil
}

// Peers returns the peers that are present, in the order of their UUIDs.
func (n *Node) Peers() []*zre.Peer {
	view, there, err := n.look()
	switch {
	case !there:
		return n.Node.Peers()
	case err != nil: // none once it has ended
		return nil
	}
	return view.Peers()
}

// Peer returns a peer that is present.
func (n *Node) Peer(id uuid.UUID) (*zre.Peer, error) {
	view, there, err := n.look()
	if !there {
		return n.Node.Peer(id)
	}
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(view.Peers(), func(p *zre.Peer) bool { return p.UUID() == id }); i >= 0 {
		return view.Peers()[i], nil
	}
	return nil, api.ErrNoPeer
}

// PeersByGroup returns the peers in a group, in the order of their UUIDs.
func (n *Node) PeersByGroup(group string) []*zre.Peer {
	if n.far.Load() == nil {
		return n.Node.PeersByGroup(group)
	}
	return slices.DeleteFunc(n.Peers(), func(p *zre.Peer) bool { return !slices.Contains(p.Groups(), group) })
}

// PeerGroups returns the groups that some peer is in, sorted.
func (n *Node) PeerGroups() []string {
	groups := map[string]struct{}{}
	for _, p := range n.Peers() {
		for _, group := range p.Groups() {
			groups[group] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(groups))
}

// OwnGroups returns the groups that this program has the node be in, sorted.
func (n *Node) OwnGroups() []string {
	if far := n.far.Load(); far != nil {
		return far.OwnGroups()
	}
	return n.Node.OwnGroups()
}
