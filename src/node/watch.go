package node

import (
	"time"

	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zre"
)

// review is how often the node looks whether those who are present may still be.
const review = time.Minute

// keepWatch renews the node's card, and ends what there is with peers whose cards
// or memberships have run out or were revoked, until the node stops.
func (n *Node) keepWatch() {
	ticker := time.NewTicker(review)
	defer ticker.Stop()
	for shown := n.guard.Identity.Card(); ; {
		select {
		case <-n.ctx.Done():
			return
		case now := <-ticker.C:
			n.do(func() { shown = n.renew(shown) })
			n.look(now)
		}
	}
}

// renew shows the node's card to all if it is another than the one shown last. It is
// the loop's, which alone sends greetings.
func (n *Node) renew(shown *identity.Card) *identity.Card {
	card := n.guard.Freshen()
	if card != shown {
		n.step(zre.Renewed{})
	}
	return card
}

// look judges each peer that is present anew.
func (n *Node) look(now time.Time) {
	for _, r := range n.table.all() {
		p := r.snapshot.Load()
		if out := r.out.Load(); out != nil {
			n.age(r, out, now)
		}
		if err := n.guard.Recheck(p, now); err != nil {
			n.refuse(&n.guard.Meetings, p.UUID(), p.Name(), p.At(), guard.NotLetIn(err))
			n.expel(p, err)
		}
	}
}

// expel ends what there is with a peer, and tells it why.
func (n *Node) expel(p *Peer, why error) {
	n.do(func() {
		if r := n.loop.speaks[p.UUID()]; r != nil {
			r.turnAway(why)
		}
		n.guard.Shuns.Add(p.UUID(), p.At(), false)
		n.step(zre.Expelled{Peer: p.UUID()})
	})
}
