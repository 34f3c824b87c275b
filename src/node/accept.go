package node

import (
	"errors"
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// maxStrangers is how many connections may stand at a time whose greeting has
// not been accepted; further ones are closed and counted.
const maxStrangers = 1024

// accept takes connections until the node stops.
func (n *Node) accept(listener net.Listener, site *site) {
	link.Accept(n.ctx, listener, maxStrangers, func(conn net.Conn, known func()) {
		if !site.covers(conn.LocalAddr()) {
			n.count("connections on other interfaces")
			_ = conn.Close()
			known()
			return
		}
		n.work.Go(func() { n.receive(conn, known) })
	}, func(err error) {
		if errors.Is(err, link.ErrTooMany) {
			n.count("connections over the limit")
		} else {
			n.settings.log.Warn("cannot accept a connection", "error", err)
		}
	})
}

// receive serves a connection. known is called once, when its greeting has been
// accepted or it has ended.
func (n *Node) receive(conn net.Conn, known func()) {
	r := &receiver{node: n, verdict: make(chan bool, 1)}
	greeted := false
	defer func() {
		if !greeted {
			known()
		}
	}()
	l, err := link.Open(n.ctx, conn, n.linkConfig("ROUTER"))
	if err != nil {
		n.count("handshakes that failed")
		n.settings.log.Debug("handshake failed", "address", conn.RemoteAddr(), "error", err)
		return
	}
	defer l.Close()
	identity := l.RemoteIdentity()
	if len(identity) != 17 || identity[0] != 1 {
		n.count("connections without a peer's identity")
		return
	}
	r.link, r.peer = l, uuid.UUID(identity[1:])
	if !n.register(r) {
		return
	}
	impatient := time.AfterFunc(n.settings.greeting, func() {
		n.count("greetings that never came")
		_ = l.Close()
	})
	err = l.Serve(func(b *link.Batch) error {
		err := r.deliver(b)
		if !greeted && r.remote != nil {
			greeted = true
			impatient.Stop()
			known()
		}
		return err
	})
	impatient.Stop()
	n.log(r.peer).Debug("connection of a peer ended", "address", conn.RemoteAddr(), "error", err)
	n.unregister(r)
}

// register gives a connection its number, unless the node is stopping.
func (n *Node) register(r *receiver) (ok bool) {
	n.do(func() {
		if ok = n.ctx.Err() == nil; ok {
			n.loop.links++
			r.id = n.loop.links
			n.loop.inbound[r.id] = r
		}
	})
	return ok
}

func (n *Node) unregister(r *receiver) {
	n.do(func() {
		delete(n.loop.inbound, r.id)
		if n.loop.speaks[r.peer] == r {
			delete(n.loop.speaks, r.peer)
		}
		n.step(zre.Muted{Peer: r.peer, Link: r.id})
	})
}

func (n *Node) admit(peer uuid.UUID, id zre.LinkID) {
	if r := n.loop.inbound[id]; r != nil {
		n.loop.speaks[peer] = r
		r.decide(true)
	}
}

func (n *Node) reject(id zre.LinkID) {
	if r := n.loop.inbound[id]; r != nil {
		r.hangUp()
	}
}
