package node

import (
	"context"
	"errors"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
)

// seeks is how often it is looked which members there are beyond the LAN.
const seeks = time.Second

// Spread takes in a roll of the node's network, and passes it on, beyond the LAN to all members
// that servers tell of, whether they share a group or not. It waits until so many of the members
// that it names have said that they have it, and the addresses of servers that it vouches for if
// the node has those, or ctx ends, and returns which, the node itself too. It does not wait on if
// another roll is later, or contradicts it; see [Node.Rolls].
func (n *Node) Spread(ctx context.Context, text string, members int) (holders []string, err error) {
	if err := n.running(); err != nil {
		return nil, err
	}
	if n.guard.Identity == nil {
		return nil, api.ErrNoIdentity
	}
	roll, err := identity.RollIn(text)
	if err != nil {
		return nil, err
	}
	if taken, err := n.guard.Identity.Take(roll); err != nil && !taken && !errors.Is(err, identity.ErrForgets) {
		return nil, err
	}
	if err := n.while(func(l *loop) {
		if l.other != nil && roll.Covers(l.other) {
			l.other = nil
		}
		l.stir()
		l.remind(roll)
	}); err != nil {
		return nil, err
	}
	again := time.NewTicker(seeks)
	defer again.Stop()
	for {
		var enough bool
		var turned <-chan struct{}
		if err := n.while(func(l *loop) {
			holders, turned = l.holders(roll), l.turned
			for id := range roll.Tokens {
				if l.find(id) == nil && l.wan.Knows(id) {
					beyond{l}.sight(id)
				}
			}
			enough = len(holders) >= members || l.other != nil || l.roll.Rank().Compare(roll.Rank()) > 0
		}); err != nil || enough {
			return holders, err
		}
		select {
		case <-turned:
		case <-again.C:
		case <-ctx.Done():
			return holders, nil
		case <-n.done:
		}
	}
}

// Rolls returns the roll of the node's network that counts, and then one that a member has
// shown and that contradicts it, if there is one.
func (n *Node) Rolls() (texts []string) {
	_ = n.while(func(l *loop) { // none once it has stopped
		for _, r := range []*identity.Roll{l.roll, l.other} {
			if r != nil && r.Number > 0 {
				texts = append(texts, r.Text())
			}
		}
	})
	return texts
}
