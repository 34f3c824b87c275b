package node

import (
	"errors"
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// accept takes connections until the node stops.
func (n *Node) accept(listener net.Listener, site *site) {
	link.Accept(n.ctx, listener, guard.MaxStrangers, func(conn net.Conn, known func()) {
		if !site.covers(conn.LocalAddr()) {
			n.count("connections on other interfaces")
			_ = conn.Close()
			known()
			return
		}
		visit, ok := n.guard.Throttle.Admit(conn.RemoteAddr(), time.Now())
		if !ok {
			n.count("connections over the limit of their address")
			_ = conn.Close()
			known()
			return
		}
		r := &receiver{node: n, verdict: make(chan verdict, 1), done: make(chan struct{}), visit: visit, known: known}
		n.work.Go(func() { n.receive(r, conn) })
	}, func(err error) {
		if errors.Is(err, link.ErrTooMany) {
			n.count("connections over the limit")
		} else {
			n.settings.log.Warn("cannot accept a connection", "error", err)
		}
	})
}

// receive serves a connection. Its frame is kept small: each connection has one.
func (n *Node) receive(r *receiver, conn net.Conn) {
	defer r.isKnown()
	if r.link = n.shake(r, conn); r.link == nil {
		return
	}
	defer r.link.Close()
	if !n.register(r) {
		return
	}
	r.impatient = time.AfterFunc(n.settings.greeting/2, func() { // the peer has the other half to try again
		n.count("greetings that never came")
		_ = r.link.Close()
	})
	r.ended(r.link.Serve(r.deliver))
	n.unregister(r)
}

// shake does the handshake of a connection. It returns nil, with the connection
// closed, if that fails or the far side is no peer.
func (n *Node) shake(r *receiver, conn net.Conn) (l *link.Link) {
	config := n.linkConfig(zmtp.Router)
	n.guard.Freshen()
	config.Curve, config.Properties = n.guard.Curve(&r.visit, n.refuseFrom), n.guard.Properties()
	var err error
	n.apart(func() { l, err = link.Open(n.ctx, conn, config) })
	switch {
	case errors.Is(err, guard.ErrDebt):
		n.count("connections over the limit of their address")
		return nil
	case err != nil:
		n.count("handshakes that failed")
		if r.visit.Owes() {
			n.count("keys computed in vain")
		}
		n.settings.log.Debug("handshake failed", "address", conn.RemoteAddr(), "error", err)
		return nil
	}
	r.visit.Refund()
	r.nonces, _ = guard.NoncesOf(l)
	if r.peer, err = guard.PeerOf(l.RemoteIdentity()); err != nil {
		n.count("connections without a peer's identity")
		_ = l.Close()
		return nil
	}
	return l
}

// isKnown says, once, that the connection is no stranger's any more, or has ended.
func (r *receiver) isKnown() {
	if r.known == nil {
		return
	}
	if r.impatient != nil {
		r.impatient.Stop()
	}
	r.visit.End()
	r.known()
	r.known = nil
}

func (r *receiver) ended(err error) {
	switch tooLarge := errors.Is(err, zmtp.ErrTooLarge); {
	case tooLarge && r.remote == nil:
		r.node.count("greetings over the limit")
	case tooLarge:
		r.node.count("messages over the limit")
	}
	r.node.log(r.peer).Debug("connection of a peer ended", "address", r.link.RemoteAddr(), "error", err)
}

// register gives a connection its number, unless the node is stopping.
func (n *Node) register(r *receiver) (ok bool) {
	n.do(func() {
		if ok = !n.loop.core.Stopped(); ok { // else nobody would judge its greeting
			n.loop.links++
			r.id = n.loop.links
			n.loop.inbound[r.id] = r
			n.step(zre.Called{Peer: r.peer})
			n.expect(r)
		}
	})
	return ok
}

// expect lets a plain peer that is present go on over another connection with whatever
// it was about to say; see resume. There is one such connection at a time: anybody can
// claim to be such a peer.
func (n *Node) expect(r *receiver) {
	peer := n.table.find(r.peer)
	if peer == nil || peer.snapshot.Load().Incarnation() != 0 {
		return
	}
	if last := n.loop.inbound[peer.heir]; last != nil && n.loop.speaks[r.peer] != last {
		last.hangUp()
	}
	peer.heir = r.id
	r.link.Widen()
}

func (n *Node) unregister(r *receiver) {
	n.do(func() {
		delete(n.loop.inbound, r.id)
		if n.loop.speaks[r.peer] == r {
			delete(n.loop.speaks, r.peer)
			if r.remote != nil {
				r.remote.sequence.Store(uint32(r.sequence))
			}
		}
		n.step(zre.Muted{Peer: r.peer, Link: r.id})
	})
	close(r.done)
}

func (n *Node) admit(peer uuid.UUID, id zre.LinkID) {
	if r := n.loop.inbound[id]; r != nil {
		n.loop.speaks[peer] = r
		if c := n.loop.calls[peer]; c != nil {
			c.welcome = true
		}
		r.decide(verdictAdmitted)
	}
}

// reject closes a connection; see hush for when the node stops.
func (n *Node) reject(id zre.LinkID) {
	if r := n.loop.inbound[id]; r != nil && !n.loop.core.Stopped() {
		r.hangUp()
	}
}
