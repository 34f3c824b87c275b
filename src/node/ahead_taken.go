package node

import (
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/zmtp"
)

// ahead takes what a peer has said before there is a link with it. It waits for the next link
// for as long as one takes to make.
func (l acceptor) ahead(from net.Addr, peer uuid.UUID, open func() (*rendezvous.Ahead, error)) {
	if !l.guard.Throttle.Roomy() {
		l.count("words ahead of a link over the limit")
		return
	}
	visit, ok := l.guard.Throttle.Admit(from, time.Now())
	if !ok {
		l.count("words ahead of a link over the limit of their address")
		return
	}
	l.work.Go(func() {
		r := newReceiver(l.loop)
		r.visit, r.known = visit, func() {}
		defer r.isKnown()
		said, err := openSaid(r, open)
		if err != nil {
			l.count("words ahead of a link that are not right")
			l.log(peer).Debug("what was said ahead of a link is not right", "error", err)
			return
		}
		r.peer, r.both, r.beyond, r.rung, r.ahead = peer, true, true, ladder.Relayed, true
		copy(r.nonces.Own[:], said.Challenge)
		copy(r.nonces.Far[:], said.Nonce)
		conn := link.ToNobody(said.Said)
		conn.Take() // what we say to nobody is not kept
		if r.link, err = link.Open(l.ctx, conn, l.linkConfig(zmtp.Router)); err != nil {
			return // the node stops
		}
		defer r.link.Close()
		over := time.AfterFunc(link.DialTime, func() { _ = r.link.Close() })
		defer over.Stop()
		if l.register(r) {
			r.serve()
		}
	})
}

// openSaid returns what was said, at the cost of the visit.
func openSaid(r *receiver, open func() (*rendezvous.Ahead, error)) (said *rendezvous.Ahead, err error) {
	if err := r.visit.Afford(time.Now()); err != nil {
		return nil, err
	}
	if said, err = open(); err == nil {
		r.visit.Refund()
	}
	return said, err
}
