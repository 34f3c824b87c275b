package node

import (
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// register gives a connection that was made to us its number, unless the node is stopping:
// nobody would judge its greeting.
func (l *loop) register(r *inbound) (ok bool) {
	l.do(func() {
		if ok = !l.core.Stopped(); ok {
			r.id = l.number()
			l.theirs[r.id] = r
			l.step(zre.Called{Peer: r.peer})
			l.expect(r)
		}
	})
	return ok
}

// expect lets a plain peer that is present go on over another connection with whatever
// it was about to say; see [receiver.resume]. There is one such connection at a time:
// anybody can claim to be such a peer.
func (l *loop) expect(r *inbound) {
	p := l.of(r.peer)
	if p.Channel == nil || p.Peer().Incarnation() != 0 {
		return
	}
	if last := l.theirs[p.heir]; last != nil && p.theirs != last {
		last.hangUp()
	}
	p.heir = r.id
	r.link.Widen()
}

// unregister notes that a connection has ended, after the message with a number, on the
// channel that it was for, if it was for one.
func (l *loop) unregister(r *inbound, of *channel.Channel, sequence uint16) {
	l.do(func() {
		delete(l.theirs, r.id)
		if p := l.of(r.peer); p.theirs == r {
			l.with(r.peer, func(p *peer) { p.theirs = nil })
			if of != nil {
				of.Sequence.Store(uint32(sequence))
			}
		}
		l.step(zre.Muted{Peer: r.peer, Link: r.id})
	})
	close(r.done)
}

// admit has a connection speak for its peer.
func (l *loop) admit(id zre.LinkID) {
	if r := l.theirs[id]; r != nil {
		l.with(r.peer, func(p *peer) { p.theirs, p.welcome = r, true })
		r.decide(true, nil)
	}
}

// reject closes a connection; see hush for when the node stops.
func (l *loop) reject(id zre.LinkID) {
	if r := l.theirs[id]; r != nil && !l.core.Stopped() {
		r.hangUp()
	}
}

// finish has one connection of a peer take in what has come, and another wait for that.
func (l *loop) finish(id, next zre.LinkID) {
	r, heir := l.theirs[id], l.theirs[next]
	if r == nil || heir == nil {
		return
	}
	r.link.Finish()
	heir.decide(false, r)
}

// shun has us not call a peer that was turned away where it says to be, and end the
// attempt to. Somebody else may have come in its name: that counts for the host only
// that it came from.
func (l *loop) shun(r *inbound, where sight.Endpoint) {
	host := sight.Of(r.link.RemoteAddr()).Host()
	if where.Host() != host {
		return
	}
	l.guard.Shuns.Add(r.peer, where, false)
	l.do(func() {
		p := l.of(r.peer)
		there := p.attempt != nil && p.attempt.Host() == host || p.ours != nil && p.ours.host == host
		if there && p.Channel == nil {
			l.step(zre.Expelled{Peer: r.peer})
		}
	})
}
