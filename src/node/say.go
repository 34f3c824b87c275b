package node

import (
	"cmp"
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// Whisper queues a message for one peer. It copies the content, and waits while
// the peer's queue is full, and until one is present whom servers tell of.
// Then what is said need not wait for that: if the peer is not met in time, it may have arrived.
func (n *Node) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	c := n.table.find(peer)
	if c == nil {
		if said, err := n.whisperAhead(ctx, peer, content); said || err != nil {
			return err
		}
		var err error
		if c, err = n.meet(ctx, peer); err != nil {
			return err
		}
	}
	err := n.sender.Load().Whisper(ctx, c, content)
	if errors.Is(err, api.ErrNoPeer) {
		return n.absent()
	}
	return err
}

// Shout queues a message for all peers in a group, and returns for how many. See
// [channel.Sender.Shout]. What a suspect peer did not get [Node.Flush] tells.
func (n *Node) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	sender := n.sender.Load()
	if sender == nil {
		return 0, n.running()
	}
	return sender.Shout(ctx, group, content)
}

// Flush waits until each peer has confirmed all that was said to it. If some have not,
// because they are gone, a connection was lost, or ctx ends, it returns an
// *UndeliveredError. What was lost before is told by the first Flush after that.
func (n *Node) Flush(ctx context.Context) error {
	return n.flush(ctx, nil)
}

// flush is Flush for an account; nil is that of the program that runs the node.
func (n *Node) flush(ctx context.Context, of *account) error {
	var f *flush
	if err := n.while(func(l *loop) { f = l.await(cmp.Or(of, l.own)) }); err != nil {
		return err
	}
	var cause error
	select {
	case <-f.done:
	case <-ctx.Done():
		cause = ctx.Err()
	}
	if err := n.while(func(l *loop) { l.giveUp(f) }); err != nil {
		<-n.done // the loop's last word: it has ended
		n.mu.Lock()
		n.loop.giveUp(f)
		n.mu.Unlock()
		cause = err
	}
	return f.missed.err(cause)
}
