package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// sayResume says the first message on a link: which channel we have with the peer, and how
// far that was received.
func (l *talks) sayResume(r *receiver) {
	m := oncelink.Resume{Edge: channel.FirstWindow, Mac: unproved[:]}
	var tie *guard.Tie
	if t := l.of(r.peer).talk; t != nil {
		m.Own = t.mine
		if t.in != nil {
			tie, m.Other = t.in.tie, t.in.theirs
			m.Expected, m.Edge = t.in.reach.Next(), t.in.reach.Edge()
		}
	}
	l.scratch = r.say(&m, tie, l.scratch)
}

// beginOver begins our direction of a channel over a link.
func (l *talks) beginOver(r *receiver) *talk {
	config := l.linkConfig(zmtp.Dealer)
	out := &outbound{id: r.id, peer: r.peer, endpoint: r.lane.endpoint, host: r.lane.endpoint.Host(), since: time.Now()}
	out.Path = channel.NewLastingPath(r.link, r.nonces, config, func(*link.Link) { l.overrun(r.peer) })
	t := &talk{talks: l, peer: r.peer, out: out, over: r}
	r.lane.greeted = true
	l.ours[out.id] = out
	l.with(r.peer, func(p *peer) { p.ours, p.talk = out, t })
	t.adds(r)
	if r.lane.theirs != nil {
		out.Grant(r.lane.theirs.Edge)
	}
	return t
}

// takeResume judges what the peer begins a link with.
func (l *talks) takeResume(r *receiver, said []byte) error {
	m, t := r.lane.theirs, l.of(r.peer).talk
	switch {
	case r.lane.talk.Load() != nil: // which our greeting went over
		r.lane.talk.Load().out.Grant(m.Edge)
	case t == nil && m.Other != 0: // it knows a channel that we do not know
		if err := r.visit.Afford(time.Now()); err != nil {
			return err
		}
		l.step(zre.Linked{Peer: r.peer, Link: r.id, Callback: l.callback(r), Shown: true, Both: true})
	case t == nil:
	case t.in == nil && m.Other == t.mine: // its greeting follows, which shows whether it says so
		said = slices.Clone(said)
		m.Mac = slices.Clone(m.Mac)
		r.lane.later(t, func() error { return t.knows(r, said) })
		t.adds(r)
		t.leaveOldest()
	case t.in == nil && t.lacks(r): // neither has the other's
		t.carries(r)
	case t.in != nil && m.Own == t.in.theirs && m.Other == t.mine:
		if err := t.knows(r, said); err != nil {
			return err
		}
		r.in = t.in
		r.link.Widen()
		r.isKnown()
	case t.in != nil && m.Own == t.in.theirs && m.Other == 0 && !t.known.Load() && guard.SameKey(t.in.badge, r.key()):
		r.in = t.in
		t.carries(r)
	}
	if r.lane.talk.Load() == nil && !r.ahead {
		l.spare(r)
		t.offer(r)
	}
	return nil
}

// knows has a link carry on a channel that the peer says to know, if that is proved.
func (t *talk) knows(r *receiver, said []byte) error {
	m := r.lane.theirs
	if m.Own != t.in.theirs || !t.in.tie.Proves(&r.nonces, said, m.Mac) || !guard.SameKey(t.in.badge, r.key()) {
		return errUnproved
	}
	if _, err := t.out.Acknowledged(m.Expected, m.Edge); err != nil {
		t.step(zre.Broken{Peer: t.peer}) // somebody has put words between ours
		return errPosition
	}
	r.proven.Store(true)
	met := !t.known.Swap(true)
	t.out.Passed()
	t.settled(t.peer, t.out.Confirmed())
	t.carries(r)
	if met {
		t.meets()
	}
	return nil
}

// carries has a link carry on a channel.
func (t *talk) carries(r *receiver) {
	t.adds(r)
	t.with(t.peer, func(p *peer) { p.welcome = p.welcome || t.in != nil })
	switch {
	case t.lacks(r), t.over != r && !r.lane.left && t.known.Load() && t.chooses() && r.rank() >= t.over.rank():
		t.use(r)
	case t.over != r && !t.known.Load() && !r.lane.greeted:
		t.greetAgain(r)
	}
	t.leaveOldest()
}

// takeUse takes in that the peer wants a link used.
func (l *talks) takeUse(r *receiver, m *oncelink.Use, said []byte) error {
	t := r.lane.talk.Load()
	if t == nil {
		t = l.of(r.peer).talk
	}
	switch {
	case t == nil || t.in == nil || m.Own != t.in.theirs || t.chooses() || r.lane.talk.Load() != nil && !slices.Contains(t.lanes, r):
		return errOutOfPlace
	case !t.in.tie.Proves(&r.nonces, said, m.Mac), !guard.SameKey(t.in.badge, r.key()):
		return errUnproved
	case m.Turn <= t.turn, l.of(r.peer).talk != t, r.lane.left: // the peer chooses another when that ends
		return nil
	case r.lane.talk.Load() == nil:
		t.joined(r)
	}
	t.turn = m.Turn
	switch {
	case t.over != r:
		t.use(r)
	case r.lane.begun: // the peer uses it too, and no BEGIN will tell it that we do
		t.leaveOthers()
	}
	return nil
}

// takeBegin takes in where what the peer says over a link begins in its channel.
func (l *talks) takeBegin(r *receiver, m *oncelink.Begin, said []byte) error {
	t := r.lane.talk.Load()
	if t == nil {
		t = l.of(r.peer).talk
	}
	switch {
	case t == nil || t.in == nil || m.Own != t.in.theirs || m.Other != t.mine:
		return errOutOfPlace
	case !t.in.tie.Proves(&r.nonces, said, m.Mac), !guard.SameKey(t.in.badge, r.key()):
		return errUnproved
	case m.Position > t.in.reach.Next():
		return errPosition
	}
	if r.lane.talk.Load() == nil {
		t.joined(r)
	}
	r.proven.Store(true)
	r.in, r.lane.begun, r.lane.at = t.in, true, m.Position
	r.link.Widen() // the peer may have greeted us over another
	t.takenBy(r)   // who begins knows us
	if !t.chooses() || l.of(r.peer).talk != t {
		return nil
	}
	switch {
	case t.prefers(r):
		t.use(r)
	case t.over != r:
		t.merge()
	}
	if t.over == r {
		t.leaveOthers()
	}
	return nil
}

// early takes in what the peer had acknowledged over a link before it greeted us.
func (t *talk) early(r *receiver, m *oncelink.Ack, said []byte) error {
	_, err := t.reached(r, m, said)
	if err == nil {
		r.proven.Store(true)
		t.passed(r)
	}
	return err
}

// passed takes note of an acknowledgement that came over a link.
func (t *talk) passed(r *receiver) {
	answers := t.out.Passed()
	t.settled(t.peer, t.out.Confirmed())
	if t.takenBy(r); answers {
		t.step(zre.Confirmed{Peer: t.peer, Link: t.out.id})
	}
}

// greetedOver takes in that the peer has greeted us over a link, which our words may go
// over too: then the channel has begun.
func (l *talks) greetedOver(r *receiver) {
	t := l.of(r.peer).talk
	if t == nil || t.in != nil {
		return
	}
	t.in, r.in.ours = r.in, t.mine
	t.heard.Store(r.in)
	t.out.Prove(t.in.tie, t.mine, t.in.theirs)
	t.adds(r)
	r.proven.Store(true)
	l.with(r.peer, func(p *peer) { p.theirs, p.welcome = t.over, true })
	if t.lacks(r) {
		t.use(r)
	}
	if !r.lane.endpoint.Dialable() && !r.beyond {
		l.callOff(t.peer)
	}
	for _, r := range slices.Clone(t.lanes) {
		if r.lane.shows(t) != nil {
			r.hangUp()
		}
	}
	t.merge()
}

// greetsAgain takes in that the peer says the greeting that a channel has begun with over
// another of its links. It tells whether it does. Others than the loop call it.
func (l *talks) greetsAgain(r *receiver, theirs uint64) (again bool, err error) {
	l.do(func() {
		t := l.of(r.peer).talk
		switch again = t != nil && t.in != nil && t.in.theirs == theirs; {
		case !again:
			return
		case r.ahead: // it comes late: all of that is said over the links that there are
			err = errOutOfPlace
			return
		case !guard.SameKey(t.in.badge, r.key()):
			err = errUnproved
			return
		}
		r.in = t.in
		r.proven.Store(true)
		t.carries(r)
		err = r.lane.shows(t)
	})
	return again, err
}

// reached notes how far the peer has come, as it says over a link, and tells whether the loop is to
// look at that. Others than the loop call it.
func (t *talk) reached(r *receiver, m *oncelink.Ack, said []byte) (passes bool, err error) {
	switch in := t.heard.Load(); {
	case !in.tie.Proves(&r.nonces, said, m.Mac):
		return false, errUnproved
	case m.Own != in.theirs: // it was another life of the peer that has taken this
		return false, errOutOfPlace
	}
	if passes, err = t.out.Acknowledged(m.Position, m.Edge); err != nil {
		return false, fmt.Errorf("%w: %d", errPosition, m.Position)
	}
	return passes, nil
}
