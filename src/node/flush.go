package node

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/zre"
)

// say counts content of so many octets, and gives it its sequence number. The caller
// holds the outbox.
func (out *outbound) say(octets int) {
	out.said.add(octets)
	out.sequence++
	out.count++
	out.latest = out.count
}

// unsure tells whether content was said that the peer was not asked to confirm.
func (out *outbound) unsure() bool {
	asked := out.confirmed
	if last := len(out.asked) - 1; last >= 0 {
		asked = out.asked[last]
	}
	return out.sum() != asked
}

// sum returns how much content was said over a connection.
func (out *outbound) sum() (said amount) {
	out.Locked(func() { said = out.said })
	return said
}

// flush is a call of Flush that waits.
type flush struct {
	waits  map[uuid.UUID]amount // what each peer has to confirm, counted on its connection
	missed missed
	done   chan struct{} // closed when nobody is waited for
}

func (f *flush) settle(peer uuid.UUID) {
	if _, waits := f.waits[peer]; waits {
		if delete(f.waits, peer); len(f.waits) == 0 {
			close(f.done)
		}
	}
}

// Flush waits until each peer has confirmed all that was said to it. If some have not,
// because they are gone, a connection was lost, or ctx ends, it returns an
// *UndeliveredError. What was lost before is told by the first Flush after that.
func (n *Node) Flush(ctx context.Context) error {
	var f *flush
	if err := n.while(func() { f = n.flush() }); err != nil {
		return err
	}
	var cause error
	select {
	case <-f.done:
	case <-ctx.Done():
		cause = ctx.Err()
	}
	if err := n.while(func() { n.giveUp(f) }); err != nil {
		<-n.done // the loop's last word: it has ended
		n.giveUp(f)
		cause = err
	}
	return f.missed.err(cause)
}

// flush begins to wait. It is the loop's.
func (n *Node) flush() *flush {
	f := &flush{waits: map[uuid.UUID]amount{}, missed: n.loop.missed, done: make(chan struct{})}
	n.loop.missed, n.loop.flushes[f] = missed{}, true
	for _, r := range n.table.all() {
		f.missed.add(r.snapshot.Load(), r.withheld.take(), unsealed)
		f.missed.add(r.snapshot.Load(), r.skipped.take(), "")
		out := r.out.Load()
		said := out.sum()
		if said == out.confirmed {
			continue
		}
		f.waits[r.id] = said
		if out.unsure() {
			n.step(zre.Ask{Peer: r.id})
		}
	}
	if len(f.waits) == 0 {
		close(f.done)
	}
	return f
}

// giveUp ends the wait: what is not confirmed is missed. It is the loop's.
func (n *Node) giveUp(f *flush) {
	delete(n.loop.flushes, f)
	for id, said := range f.waits {
		if r := n.table.find(id); r != nil {
			f.missed.add(r.snapshot.Load(), said.minus(r.out.Load().confirmed), "")
		}
	}
}

// answered notes that a peer has confirmed so often what was said over a connection.
func (n *Node) answered(id zre.LinkID, count int) {
	c := n.loop.outbound[id]
	if c == nil {
		return
	}
	out := c.out
	if n := count - out.answers; n > 0 && n <= len(out.asked) {
		out.confirmed, out.answers = out.asked[n-1], count
		out.asked = slices.Delete(out.asked, 0, n)
	}
	n.settled(c.peer, out)
}

// settled ends the waits for what a peer has confirmed.
func (n *Node) settled(peer uuid.UUID, out *outbound) {
	for f := range n.loop.flushes {
		if said, waits := f.waits[peer]; waits && out.confirmed.Messages >= said.Messages {
			f.settle(peer)
		}
	}
}

// took notes that a peer that leaves has taken in so many messages of a connection.
func (n *Node) took(id zre.LinkID, count uint64) {
	c := n.loop.outbound[id]
	if c == nil {
		return
	}
	c.out.Locked(func() {
		if count >= c.out.latest && count <= c.out.count {
			c.out.confirmed, c.out.asked = c.out.said, nil
		}
	})
	n.settled(c.peer, c.out)
}

// unconfirmed returns what a peer has not confirmed, from then on taken for told.
func (n *Node) unconfirmed(peer uuid.UUID, out *outbound) amount {
	said := out.sum()
	r := n.table.find(peer)
	what := said.minus(out.confirmed).plus(r.skipped.take()).plus(r.withheld.take())
	out.confirmed, out.asked, out.answers = said, nil, 0
	return what
}

// lost notes that a peer that is present, or gone for a reason, may never confirm what it
// has not confirmed of what was said over a connection.
func (n *Node) lost(peer uuid.UUID, out *outbound, reason string) {
	r := n.table.find(peer)
	if r == nil || r.out.Load() != out {
		return
	}
	if what := n.unconfirmed(peer, out); !n.tell(r.snapshot.Load(), what, reason) {
		n.loop.missed.add(r.snapshot.Load(), what, reason)
	}
}

// tell has those who wait for a peer wait no more, and tells whether there are some.
func (n *Node) tell(peer *Peer, what amount, reason string) (told bool) {
	for f := range n.loop.flushes {
		if _, waits := f.waits[peer.UUID()]; waits {
			f.missed.add(peer, what, reason)
			f.settle(peer.UUID())
			told = true
		}
	}
	return told
}

// forgot notes that the peer of a connection has begun anew to count what it confirms.
func (n *Node) forgot(id zre.LinkID) {
	c := n.loop.outbound[id]
	if c == nil {
		return
	}
	if r := n.table.find(c.peer); r != nil {
		n.lost(c.peer, r.out.Load(), "")
	}
}
