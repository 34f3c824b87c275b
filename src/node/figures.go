package node

import (
	"context"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/zre"
)

// Ping asks a peer to confirm what was said to it, and returns how long it took to do so, in
// microseconds. Where the connection is lost meanwhile, it asks over the next one.
func (n *Node) Ping(ctx context.Context, peer uuid.UUID) (uint64, error) {
	if _, err := n.meet(ctx, peer); err != nil {
		return 0, err
	}
	for ctx.Err() == nil {
		var over *channel.Path
		var q *channel.Question
		if err := n.while(func(l *loop) {
			if c := l.find(peer); c != nil {
				over = c.Path()
				q = over.Asks(func() { l.step(zre.Ask{Peer: peer}) })
			}
		}); err != nil {
			return 0, err
		}
		if q == nil {
			return 0, n.absent()
		}
		select {
		case <-q.Over:
			if q.Took > 0 {
				return uint64(q.Took.Microseconds()), nil
			}
		case <-over.Replaced():
		case <-ctx.Done():
		}
	}
	return 0, ctx.Err()
}

// Traffic returns what was said between the node and a peer since the peer came, and what of
// it waits for the peer.
func (n *Node) Traffic(peer uuid.UUID) (map[string]uint64, error) {
	c := n.table.find(peer)
	if c == nil {
		return nil, n.absent()
	}
	sent, received := c.Traffic()
	return map[string]uint64{
		"sent messages": sent.Messages, "sent octets": sent.Octets,
		"received messages": received.Messages, "received octets": received.Octets,
		"waiting octets": uint64(c.Waiting()),
	}, nil
}
