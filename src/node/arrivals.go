package node

import (
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/zre"
)

// newReceiver returns what is to read a connection.
func newReceiver(l *loop) *receiver {
	r := &receiver{loop: l}
	r.base = l.base
	r.in = &intake{base: l.base, turns: l.talks.turns, takeServers: l.takeServers, reach: channel.NewReach()}
	r.in.opens.Own = l.opens
	r.done, r.gone = make(chan struct{}), make(chan struct{})
	return r
}

// register gives a connection that was made to us its number, unless the node is stopping:
// nobody would judge its greeting. Others than the loop call it.
func (l *loop) register(r *receiver) (ok bool) {
	l.do(func() {
		if ok = !l.stopping(); ok {
			l.admitted(r)
			l.step(zre.Called{Peer: r.peer})
			if l.expect(r); r.both {
				l.sayResume(r)
			}
		}
	})
	return ok
}

// admitted numbers a connection.
func (l *loop) admitted(r *receiver) {
	r.id = l.number()
	r.in.peer, r.in.voice = r.peer, r.id
	l.theirs[r.id] = r
}

// expect lets a plain peer that is present go on over another connection with whatever
// it was about to say; see [receiver.goesOn]. There is one such connection at a time:
// anybody can claim to be such a peer.
func (l *loop) expect(r *receiver) {
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

// unregister notes that a connection has ended. Others than the loop call it.
func (l *loop) unregister(r *receiver) {
	var heir *receiver
	l.do(func() {
		delete(l.theirs, r.id)
		if r.both {
			l.detach(r)
		}
		if t := l.of(r.peer).talk; t != nil && t.in == r.in {
			heir = t.over
		}
		l.unspare(r)
		if p := l.of(r.peer); p.theirs == r && p.talk == nil {
			l.with(r.peer, func(p *peer) { p.theirs = nil })
			if of := r.in.channel; of != nil {
				of.Sequence.Store(uint32(r.in.sequence))
			}
		}
		if t := l.of(r.peer).talk; t == nil || t.in == nil || t.in.voice != r.id {
			l.step(zre.Muted{Peer: r.peer, Link: r.id})
		}
	})
	if heir != nil { // what was acknowledged over the link may be lost with it
		r.in.acknowledgeOver(&heir.inbound)
	}
	close(r.done)
}

// admit has a connection speak for its peer.
func (l *loop) admit(id zre.LinkID) {
	r := l.theirs[id]
	switch {
	case r == nil: // the first link of a channel, which goes on
	case r.both: // see greetedOver
	default:
		l.with(r.peer, func(p *peer) { p.theirs, p.welcome = r, true })
		r.decide(true, nil)
	}
}

// reject closes a connection; see hush for when the node stops.
func (l *loop) reject(id zre.LinkID) {
	r := l.theirs[id]
	if r == nil || l.stopping() || r.lane.talk.Load() != nil && r.verdict == nil { // a channel ends by itself
		return
	}
	r.hangUp()
}

// finish has one connection of a peer take in what has come, and another wait for that.
func (l *loop) finish(id, next zre.LinkID) {
	r, heir := l.theirs[id], l.theirs[next]
	if heir == nil {
		return
	}
	if t := l.of(heir.peer).talk; t != nil && t.over != nil {
		for _, other := range t.lanes {
			if other != heir {
				other.link.Finish()
			}
		}
		if t.over != heir {
			r = t.over
		} else if r == nil || r == heir { // nothing is left to wait for but itself: it is made again
			heir.hangUp()
			return
		}
	}
	if r != nil {
		r.link.Finish()
		heir.decide(false, &r.inbound)
	}
}
