package node

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/zre"
)

// ping is a call of Ping that waits for the answer to a question of its own.
type ping struct {
	over   *channel.Path
	count  int // of the answer, among those over the path
	asked  time.Time
	took   time.Duration // 0 if it will have no answer over this path
	ending chan struct{} // closed when that is known
}

// Ping asks a peer to confirm what was said to it, and returns how long it took to do so, in
// microseconds. Where the connection is lost meanwhile, it asks over the next one.
func (n *Node) Ping(ctx context.Context, peer uuid.UUID) (uint64, error) {
	if took, there, err := n.ask(ctx, "ping", peer[:]); there {
		return numbers(took)["microseconds"], err
	}
	for ctx.Err() == nil {
		var p *ping
		if err := n.while(func(l *loop) { p = l.ping(peer) }); err != nil {
			return 0, err
		}
		if p == nil {
			return 0, n.absent()
		}
		select {
		case <-p.ending:
		case <-p.over.Replaced():
		case <-ctx.Done():
		}
		if err := n.while(func(l *loop) { delete(l.pings, p) }); err != nil {
			return 0, err
		}
		if p.took > 0 {
			return uint64(p.took.Microseconds()), nil
		}
	}
	return 0, ctx.Err()
}

// ping asks a peer, and returns who waits for the answer; nil if the peer is not present.
func (l *loop) ping(peer uuid.UUID) *ping {
	c := l.find(peer)
	if c == nil {
		return nil
	}
	p := &ping{over: c.Path(), count: c.Path().Asked() + 1, asked: time.Now(), ending: make(chan struct{})}
	l.pings[p] = true
	l.step(zre.Ask{Peer: peer})
	return p
}

// pong notes that the peer at the end of a path has confirmed, or has begun anew to count how
// often it does.
func (l *books) pong(over *channel.Path, anew bool) {
	for p := range l.pings {
		if p.over != over || !anew && over.Answers() < p.count {
			continue
		}
		if !anew {
			p.took = max(time.Since(p.asked), time.Microsecond)
		}
		delete(l.pings, p)
		close(p.ending)
	}
}

// Traffic returns what was said between the node and a peer since the peer came.
func (n *Node) Traffic(peer uuid.UUID) (map[string]uint64, error) {
	if traffic, there, err := n.askKnown("traffic", peer[:]); there {
		return numbers(traffic), err
	}
	c := n.table.find(peer)
	if c == nil {
		return nil, n.absent()
	}
	sent, received := c.Traffic()
	return map[string]uint64{
		"sent messages": sent.Messages, "sent octets": sent.Octets,
		"received messages": received.Messages, "received octets": received.Octets,
	}, nil
}
