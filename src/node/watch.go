package node

import (
	"time"

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
	for shown := n.identity.Card(); ; {
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
	n.freshen()
	card := n.identity.Card()
	if card != shown {
		n.step(zre.Renewed{})
	}
	return card
}

// freshen renews the node's card if that is due. Whoever is about to show it calls it:
// just after the machine has slept the next look may be far.
func (n *Node) freshen() {
	if n.identity == nil {
		return
	}
	if err := n.identity.Renew(n.wall()); err != nil {
		n.settings.log.Error("the card cannot be renewed", "error", err)
	}
}

// look judges each peer that is present anew.
func (n *Node) look(now time.Time) {
	for _, r := range n.table.all() {
		p := r.snapshot.Load()
		if out := r.out.Load(); out != nil {
			n.age(r, out, now)
		}
		if err := n.recheck(p, now); err != nil {
			n.refuse(&n.meetings, p.UUID(), p.Name(), p.At(), notLetIn(err))
			n.expel(p, err)
		}
	}
}

// recheck tells why a peer may be present no longer, or nil.
func (n *Node) recheck(p *Peer, now time.Time) error {
	badge := p.Badge()
	claim := identity.Claim{ID: p.UUID(), Name: p.Name(), Card: badge.Card, Key: badge.Key}
	if badge.Token != nil {
		claim.Token = badge.Token.Octets()
	}
	if err := badge.Valid(now); err != nil {
		return err
	}
	_, err := n.trust.Check(claim, now)
	return err
}

// expel ends what there is with a peer, and tells it why.
func (n *Node) expel(p *Peer, why error) {
	n.do(func() {
		if r := n.loop.speaks[p.UUID()]; r != nil {
			r.turnAway(why)
		}
		n.shuns.add(shunned{p.UUID(), p.At().Address}, false)
		n.step(zre.Expelled{Peer: p.UUID()})
	})
}
