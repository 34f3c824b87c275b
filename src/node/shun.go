package node

import (
	"fmt"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// turnAway ends the connection of a peer that is not let in. An @Once node is told why
// before: then it is closed when that has gone out, and what else comes means nothing.
func (r *receiver) turnAway(why error) {
	if !r.nonces.Fresh() {
		r.hangUp()
		return
	}
	r.away.Store(true)
	r.link.Refuse(guard.Refusal(why).String())
	r.node.closeSoon(r.link)
}

// shun has us not call a peer that was turned away where it says to be, and end the
// attempt to. Somebody else may have come in its name: that counts for the host only
// that it came from.
func (r *receiver) shun(where sight.Endpoint) {
	host := hostOf(r.link.RemoteAddr())
	elsewhere := func(e sight.Endpoint) bool { return e.Host() != host }
	if elsewhere(where) {
		return
	}
	r.node.guard.Shuns.Add(r.peer, where, false)
	r.node.do(func() {
		c := r.node.loop.calls[r.peer]
		if c != nil && r.node.table.find(r.peer) == nil && !slices.ContainsFunc(*c.endpoints.Load(), elsewhere) {
			r.node.step(zre.Expelled{Peer: r.peer})
		}
	})
}

// dropPlain takes note of content of a peer that is for a group in which only what is
// sealed counts. Both sides are told the first time.
func (r *receiver) dropPlain(peer *Peer, group string) {
	r.node.count("content that is not sealed")
	if _, told := r.dropped[group]; told {
		return
	}
	if len(r.dropped) == 0 {
		r.dropped = map[string]struct{}{}
		if r.nonces.Fresh() {
			r.link.Refuse(api.EventRefusalSealed.String())
		}
	}
	r.dropped[group] = struct{}{}
	r.node.refuse(&r.node.guard.Meetings, peer.UUID(), peer.Name(), peer.At(),
		fmt.Errorf("this node drops what it says to group %q, where only what is sealed counts", group))
}

// refused is called with what the peer says if it does not let us in, or drops what we
// say.
func (c *caller) refused(reason string) {
	n := c.node
	n.do(func() {
		if c.out == nil { // given up before it stood
			return
		}
		name, endpoint := "", sight.Endpoint{Address: c.out.RemoteAddr().String()}
		if r := n.table.find(c.peer); r != nil {
			p := r.snapshot.Load()
			if linkKey(c.out.Link) == nil && c.endpoint != p.At() { // it may be somebody else who says so
				n.count("refusals from elsewhere")
				n.closeSoon(c.out.Link)
				return
			}
			name = p.Name()
		}
		said, why := guard.Said(reason)
		n.refuse(&n.guard.Meetings, c.peer, name, endpoint, why)
		if said == 0 || said == api.EventRefusalSealed || n.loop.calls[c.peer] != c {
			return
		}
		n.guard.Shuns.Add(c.peer, endpoint, true)
		n.step(zre.TurnedAway{Peer: c.peer})
	})
}
