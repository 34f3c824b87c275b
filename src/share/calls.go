package share

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
)

// Whisper queues a message for one peer. It copies the content, and waits while the peer's
// queue is full.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	if n.far.Load() == nil {
		return n.Node.Whisper(ctx, peer, content)
	}
	frames := copied(content)
	if _, there, err := elsewhere(&n.seat, done(func(far *control.Client) error { return far.Whisper(ctx, peer, frames) })); there {
		return err
	}
	return n.Node.Whisper(ctx, peer, frames)
}

// Ask asks a peer something and waits for the answer.
func (n *Node) Ask(ctx context.Context, peer uuid.UUID, content [][]byte) (*events.Event, error) {
	frames := copied(content)
	if answer, there, err := elsewhere(&n.seat, func(far *control.Client) (*events.Event, error) { return far.Question(ctx, peer, frames) }); there {
		return answer, err
	}
	return n.Node.Ask(ctx, peer, frames)
}

// Reply answers a question of a peer.
func (n *Node) Reply(ctx context.Context, question uint64, status uint32, content [][]byte) error {
	frames := copied(content)
	if _, there, err := elsewhere(&n.seat, done(func(far *control.Client) error { return far.Reply(ctx, question, status, frames) })); there {
		return err
	}
	return n.Node.Reply(ctx, question, status, frames)
}

// Shout queues a message for all peers in a group, and returns for how many.
func (n *Node) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	if n.far.Load() == nil {
		return n.Node.Shout(ctx, group, content)
	}
	frames := copied(content)
	if receivers, there, err := elsewhere(&n.seat, func(far *control.Client) (uint32, error) { return far.Shout(ctx, group, frames) }); there {
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
	if _, there, err := elsewhere(&n.seat, done(func(far *control.Client) error { return far.Flush(ctx) })); there {
		return n.bereaved(err)
	}
	return n.Node.Flush(ctx)
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
	n.front.Events.Mark(view.Version())
	return view, nil
}

// OwnGroups returns the groups that this program has the node be in, sorted.
func (n *Node) OwnGroups() []string {
	if far := n.far.Load(); far != nil {
		return far.OwnGroups()
	}
	return n.Node.OwnGroups()
}

// Spread takes in a roll of the node's network, and passes it on where the node runs, as
// [node.Node.Spread] does.
func (n *Node) Spread(ctx context.Context, roll string, members int) ([]string, error) {
	argument := append(binary.BigEndian.AppendUint32(nil, uint32(members)), roll...)
	if values, there, err := n.ask(ctx, askSpread, argument); there {
		return slices.Sorted(maps.Keys(values)), err
	}
	return n.Node.Spread(ctx, roll, members)
}
