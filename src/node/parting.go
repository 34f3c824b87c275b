package node

import (
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
)

// parting is a peer that we take leave of, and what it has yet to take.
type parting struct {
	peer *Peer
	amount
}

// parted notes how a connection ended that we have taken leave over: who has read it to
// its end has all that was said.
func (n *Node) parted(l *link.Link, err error) {
	if m, known := n.loop.parting[l]; known && err != nil {
		n.loop.missed.add(m.peer, m.amount, peermachine.ReasonStopped.String())
	}
	delete(n.loop.parting, l)
	n.hush()
}

// hush ends the connections that were made to a node that stops, once its leave-taking
// is over: who sees them end has then heard what the node has taken.
func (n *Node) hush() {
	if !n.loop.core.Stopped() || len(n.loop.parting) > 0 {
		return
	}
	for _, r := range n.loop.inbound {
		r.hangUp()
	}
}

// leave takes leave of a peer, which has yet to take what it has not confirmed.
func (n *Node) leave(peer *Peer, out *outbound) {
	what := n.unconfirmed(peer.UUID(), out)
	reason := peermachine.ReasonStopped.String()
	n.tell(peer, what, reason)
	if c := n.loop.calls[peer.UUID()]; c == nil || c.out != out { // it was lost
		n.loop.missed.add(peer, what, reason)
		return
	}
	n.loop.parting[out.Link] = parting{peer, what}
}
