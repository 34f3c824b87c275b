package node

import (
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/zre"
)

// use has our words go over a link, and, if it is for us to choose, the peer's. Before the
// peer is known to have our greeting, that comes first.
func (l *loop) use(t *talk, r *receiver) {
	last := t.over
	if !r.beyond {
		l.wan.LetGo(t.peer)
	}
	if t.known.Load() && l.chooses(t) {
		l.choose(t, r)
	}
	l.goOn(t, r)
	t.out.endpoint, t.out.since = r.lane.endpoint, time.Now()
	relinked := zre.Relinked{Peer: t.peer, Link: t.out.id, Endpoint: r.lane.endpoint}
	if t.in != nil {
		relinked.Voice = t.in.voice
		l.with(t.peer, func(p *peer) { p.theirs = r })
	}
	if last == nil {
		l.step(relinked)
	} else if last.ahead {
		last.hangUp()
	}
	if c := l.find(t.peer); c != nil {
		l.update(c.Peer())
	}
}

// goOn has our words go over a link.
func (l *loop) goOn(t *talk, r *receiver) {
	t.over = r
	if err := t.out.Move(r.link, func(from uint64) {
		if t.in != nil && (t.known.Load() || r.lane.greeted) {
			l.scratch = r.say(&oncelink.Begin{Own: t.mine, Other: t.in.theirs, Position: from, Mac: unproved[:]}, t.in.tie, l.scratch)
		} else {
			l.greetAgain(t, r)
		}
	}); err != nil && t.leave == nil { // else nothing of it is waited for any more
		l.settings.log.Error("a channel does not go on", "peer", t.peer, "error", err)
	}
}

// choose tells the peer to say what is new over a link.
func (l *loop) choose(t *talk, r *receiver) {
	t.turn++
	l.scratch = r.say(&oncelink.Use{Own: t.mine, Turn: t.turn, Mac: unproved[:]}, t.in.tie, l.scratch)
}

// offer asks the peer to use a link that carries no channel yet, if that is better than the
// one which is used. Our words follow when it has begun there: that proves that it is the
// peer's.
func (l *loop) offer(t *talk) {
	if t == nil || t.in == nil || !t.known.Load() || !l.chooses(t) {
		return
	}
	if spare := l.of(t.peer).spare; spare != nil && spare.lane.talk == nil && (t.lacks(spare) || spare.rank() > t.over.rank()) {
		l.choose(t, spare)
	}
}

// joined has a link carry a channel that carries none yet, as the peer has proved over it that
// it knows the channel.
func (l *loop) joined(t *talk, r *receiver) {
	r.in, r.lane.talk = t.in, t
	t.lanes = append(t.lanes, r)
	l.with(t.peer, func(p *peer) { p.spare = nil })
	r.link.Widen()
	r.isKnown()
	l.leaveOldest(t)
}

// leaveOthers closes the links of a channel that neither side uses.
func (l *loop) leaveOthers(t *talk) {
	for _, other := range t.lanes {
		if other != t.over {
			l.shutdown(other.link, func(error) {})
		}
	}
}

// leaveOldest closes links of a channel that has more than it may, the oldest first.
func (l *loop) leaveOldest(t *talk) {
	excess := len(t.lanes) - maxLanes
	for _, r := range t.lanes {
		if excess > 0 && r != t.over {
			r.hangUp()
			excess--
		}
	}
}

// takenBy takes note that the peer has shown over a link that it has our greeting.
func (l *loop) takenBy(t *talk, r *receiver) {
	if t == nil || t.known.Swap(true) || l.of(t.peer).talk != t {
		return
	}
	if t.over != r && slices.Contains(t.lanes, r) { // what else carries our greeting may lead to somebody else
		l.use(t, r)
	}
	l.meets(t)
}

// meets takes in that the peer has our greeting.
func (l *loop) meets(t *talk) {
	t.hello = nil
	l.step(zre.Taken{Peer: t.peer, Link: t.out.id})
	l.merge(t)
}

// merge has one link do where both sides have made one at the same time, as soon as each
// knows the other.
func (l *loop) merge(t *talk) {
	if l.chooses(t) && t.known.Load() && t.in != nil && t.over != nil && len(t.lanes) > 1 {
		l.choose(t, t.over)
	}
	l.offer(t)
}

// greetAgain says over a link the greeting that begins our direction of a channel, which
// may not have come over another.
func (l *loop) greetAgain(t *talk, r *receiver) {
	if t.hello == nil { // the core has yet to greet the peer
		return
	}
	r.lane.greeted = true
	hello := *t.hello
	hello.Headers = slices.Clone(hello.Headers)
	l.guard.Freshen()
	l.guard.Present(&hello, t.peer, &r.nonces, l.of(t.peer).challenge, nil, r.beyond)
	if err := t.out.Again(&hello, r.link); err != nil {
		l.log(t.peer).Debug("cannot greet again", "error", err)
	}
}
