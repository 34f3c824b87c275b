package node

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
)

// meet returns a peer that is present, or that servers tell of or the node has met, and is
// present within the greeting time-out.
func (n *Node) meet(ctx context.Context, peer uuid.UUID) (*channel.Channel, error) {
	if c := n.table.find(peer); c != nil {
		return c, nil
	}
	var w *want
	err := n.while(func(l *loop) {
		if w = l.wanted[peer]; w == nil && l.find(peer) == nil && l.wan.Knows(peer) {
			w = &want{met: make(chan struct{})}
			l.wanted[peer] = w
			beyond{l}.sight(peer)
		}
		if w != nil {
			w.calls++
		}
	})
	switch {
	case err != nil:
		return nil, err
	case w != nil:
		patience := time.NewTimer(n.Greeting)
		defer patience.Stop()
		select {
		case <-w.met:
		case <-n.done:
		case <-patience.C:
			err = fmt.Errorf("%w: it is known, but not reached", api.ErrNoPeer)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		_ = n.while(func(l *loop) { // nobody waits when it has stopped
			if w.calls--; w.calls == 0 && l.wanted[peer] == w {
				delete(l.wanted, peer)
			}
		})
	}
	if c := n.table.find(peer); c != nil {
		return c, nil
	}
	return nil, cmp.Or(n.other(peer), err, n.absent())
}
