package node

import (
	"errors"
	"net"
	"time"

	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// acceptor takes the connections that are made to the node.
type acceptor struct{ *loop }

// accept takes connections until the node stops.
func (l acceptor) accept(listener net.Listener) {
	link.Accept(l.ctx, listener, l.guard.Throttle.Strangers(), func(conn net.Conn, known func()) {
		visit, refused := l.admits(conn)
		if refused != "" {
			l.count(refused)
			_ = conn.Close()
			known()
			return
		}
		r, over := newReceiver(l.loop), l.dialer.Knock()
		r.visit, r.known = visit, func() {
			over(r.in.badge != nil)
			known()
		}
		l.work.Go(func() { l.receive(r, conn) })
	}, func(err error) {
		if errors.Is(err, link.ErrTooMany) {
			l.count("connections over the limit")
		} else {
			l.settings.log.Warn("cannot accept a connection", "error", err)
		}
	})
}

// admits lets a connection in, or returns what those are counted under that are not.
func (l acceptor) admits(conn net.Conn) (visit guard.Visit, refused string) {
	if !l.site.Covers(conn.LocalAddr()) {
		return visit, "connections on other interfaces"
	}
	visit, ok := l.guard.Throttle.Admit(conn.RemoteAddr(), time.Now())
	if !ok {
		return visit, "connections over the limit of their address"
	}
	return visit, ""
}

// receive does the handshake of a connection, and has it served.
func (l acceptor) receive(r *receiver, conn net.Conn) {
	if r.link = l.shake(r, conn); r.link == nil {
		r.isKnown()
		return
	}
	switch {
	case r.beyond && !l.arrived(r):
		r.close()
	case l.register(r):
		r.serveIdle(func() { l.lost(r) })
	default:
		l.lost(r)
	}
}

// lost takes note that a connection is of no use any more.
func (l acceptor) lost(r *receiver) {
	l.wan.Lost(r.link)
	r.close()
}

// shake does the handshake of a connection. It returns nil, with the connection
// closed, if that fails or the far side is no peer.
func (l acceptor) shake(r *receiver, conn net.Conn) (k *link.Link) {
	config := l.linkConfig(zmtp.Router)
	config.Refused, config.Held = r.refused, !r.beyond
	l.guard.Freshen()
	config.Curve, config.Properties = l.guard.Curve(&r.visit, r.beyond, l.refuseFrom), l.guard.Introduction(r.beyond)
	k, err := link.Open(l.ctx, conn, config)
	switch {
	case errors.Is(err, guard.ErrDebt):
		l.count("connections over the limit of their address")
		return nil
	case err != nil:
		l.count("handshakes that failed")
		if r.visit.Owes() {
			l.count("keys computed in vain")
		}
		l.settings.log.Debug("handshake failed", "address", conn.RemoteAddr(), "error", err)
		return nil
	}
	r.visit.Refund()
	var name string
	r.nonces, _, name = guard.NoncesOf(k)
	r.both = r.nonces.Fresh()
	if r.peer, err = guard.PeerOf(k.RemoteIdentity()); err != nil {
		l.count("connections without a peer's identity")
		_ = k.Close()
		return nil
	}
	if l.find(r.peer) == nil {
		l.guard.Names.Note(r.peer, name)
	}
	return k
}

// arrived tells whether a link that has come from beyond the LAN is of use.
func (l acceptor) arrived(r *receiver) bool {
	if !r.both {
		l.count("connections from beyond the LAN that are not of @Once")
		return false
	}
	return l.wan.Arrived(ladder.Path{Peer: r.peer, Rung: r.rung, Link: r.link})
}
