package node

import (
	"context"
	"slices"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// detach takes a link that has ended out of its channel, which goes on over another if it has
// one.
func (l *talks) detach(r *receiver) {
	t := r.lane.talk.Load()
	if t == nil || l.of(t.peer).talk != t && t.leave == nil {
		l.unused(r)
		return
	}
	t.lanes = slices.DeleteFunc(t.lanes, func(other *receiver) bool { return other == r })
	switch left := len(t.lanes); {
	case t.over != r:
		return
	case left > 0 && t.leave != nil:
		t.goOn(t.lanes[left-1])
		return
	case left > 0: // it is not lost
		t.use(ranked(t.lanes)[left-1])
		return
	}
	if t.over = nil; t.leave != nil {
		t.leave()
		return
	}
	l.with(t.peer, func(p *peer) { p.theirs = nil })
	t.offer(t.ways()...)
	l.step(zre.Unlinked{Peer: t.peer, Link: t.out.id})
	if t.in != nil {
		l.step(zre.Muted{Peer: t.peer, Link: t.in.voice})
	}
}

// unused takes note of the end of a link that has carried nothing: if it was to carry on a
// channel, that needs another.
func (l *talks) unused(r *receiver) {
	if t := l.of(r.peer).talk; t != nil && t.over == nil && r.lane.endpoint != (sight.Endpoint{}) {
		l.step(zre.Unlinked{Peer: t.peer, Link: t.out.id})
	}
}

// lastWord tells the peer what was taken in before we take leave of it.
func (t *talk) lastWord() {
	if t.in != nil && t.over != nil {
		m := &oncelink.Ack{Own: t.mine, Other: t.in.theirs, Position: t.in.Taken(), Edge: t.in.reach.Edge(), Mac: unproved[:]}
		t.scratch = t.over.say(m, t.in.tie, t.scratch)
	}
}

// drop takes a channel off the books. What its last link was says how long to wait before
// the next.
func (t *talk) drop() {
	delete(t.ours, t.out.id)
	t.with(t.peer, func(p *peer) { p.talk, p.ours, p.theirs = nil, nil, nil })
	if t.in != nil && t.in.reach.Next() > 0 && !t.known.Load() {
		t.bygone()
	}
}

// conclude ends a channel. When the node stops, what was said is written and acknowledged
// first, if the peer does that within the linger time. What is said to a peer that is gone has
// come back: see returns.
func (t *talk) conclude() {
	t.drop()
	t.wan.LetGo(t.peer)
	over, last, stops := t.over, t.out.Link(), t.stopping()
	t.lanes = slices.DeleteFunc(t.lanes, func(r *receiver) bool { return r.away.Load() }) // see turnAway
	if over != nil && over.away.Load() {
		over = nil
	}
	lanes := slices.Clone(t.lanes)
	for _, r := range lanes {
		r.last = true
	}
	var lasts context.Context
	if lasts, t.leave = context.WithCancel(context.Background()); over == nil {
		t.leave()
	}
	t.work.Go(func() {
		if t.in != nil { // what it says last goes before the end of the links
			t.in.end(lanes)
		}
		if !stops {
			t.out.Ends()
		}
		rest, err := t.linger(lasts, lanes)
		t.leave()
		t.do(func() {
			t.rests(last, rest)
			t.ends(last, err)
		})
	})
	t.unmeet(t.peer)
}

// linger waits until all that matters is acknowledged that was said in a channel which ends,
// for at most the linger time and as long as the channel lasts, and closes its links, which
// ends when the peer has read the rest. It returns what is not acknowledged.
func (t *talk) linger(lasts context.Context, lanes []*receiver) (rest channel.Amount, err error) {
	ctx, cancel := context.WithTimeout(lasts, t.settings.Linger)
	defer cancel()
	err, rest = t.out.Linger(ctx), t.out.Rest()
	t.out.Ends()
	for _, r := range lanes {
		if r.link.Shutdown(ctx) != nil {
			_ = r.link.Close()
		}
	}
	return rest, err
}
