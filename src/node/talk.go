package node

import (
	"bytes"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// talk is a channel with a peer: what is said in it, what takes in what the peer says, and
// the links that carry it. It is the loop's.
type talk struct {
	peer  uuid.UUID
	out   *outbound
	in    *intake                // nil until the peer has greeted us
	mine  uint64                 // our number of the channel
	lanes []*receiver            // that carry it, the latest last
	over  *receiver              // of those the one that our words go over; nil for none
	turn  uint64                 // how often the lower id has chosen
	known atomic.Bool            // the peer has shown that it has our greeting
	hello *zremsg.Hello          // which begins our direction, as the core has it; nil once the peer is known to have it
	heard atomic.Pointer[intake] // in, for who is not the loop
}

// maxLanes is how many links a channel may have; see api/protocol/once_link.xml.
const maxLanes = 4

// chooses tells whether it is for us to choose the link that is used.
func (l *loop) chooses(t *talk) bool { return bytes.Compare(l.guard.ID[:], t.peer[:]) < 0 }

// begin says the first message on a link: which channel we have with the peer, and how
// far that was received.
func (l *loop) begin(r *receiver) {
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

// open begins our direction of a channel over a link.
func (l *loop) open(r *receiver) *talk {
	config := l.linkConfig(zmtp.Dealer)
	out := &outbound{id: r.id, peer: r.peer, endpoint: r.lane.endpoint, host: r.lane.endpoint.Host(), since: time.Now()}
	out.Path = channel.NewLastingPath(r.link, r.nonces, config, func(*link.Link) { l.overrun(r.peer) })
	t := &talk{peer: r.peer, out: out, lanes: []*receiver{r}, over: r}
	r.lane.talk, r.lane.greeted = t, true
	l.ours[out.id] = out
	l.with(r.peer, func(p *peer) { p.ours, p.talk = out, t })
	if r.lane.theirs != nil {
		out.Grant(r.lane.theirs.Edge)
	}
	return t
}

// resume judges what the peer begins a link with.
func (l *loop) resume(r *receiver, said []byte) error {
	m, t := r.lane.theirs, l.of(r.peer).talk
	switch {
	case r.lane.talk != nil: // which our greeting went over
		r.lane.talk.out.Grant(m.Edge)
	case t == nil && m.Other != 0: // it knows a channel that we do not know
		if err := r.visit.Afford(time.Now()); err != nil {
			return err
		}
		l.step(zre.Linked{Peer: r.peer, Link: r.id, Callback: l.callback(r), Shown: true, Both: true})
	case t == nil:
	case t.in == nil && m.Other == t.mine: // its greeting follows, which shows whether it says so
		said = slices.Clone(said)
		m.Mac = slices.Clone(m.Mac)
		r.lane.early = func() error { return l.knows(t, r, said) }
		r.lane.talk, t.lanes = t, append(t.lanes, r)
		l.leaveOldest(t)
	case t.in == nil && t.over == nil: // neither has the other's
		l.carries(t, r)
	case t.in != nil && m.Own == t.in.theirs && m.Other == t.mine:
		if err := l.knows(t, r, said); err != nil {
			return err
		}
		r.in = t.in
		r.link.Widen()
		r.isKnown()
	case t.in != nil && m.Own == t.in.theirs && m.Other == 0 && !t.known.Load() && guard.SameKey(t.in.badge, r.key()):
		r.in = t.in
		l.carries(t, r)
	}
	if r.lane.talk == nil {
		l.with(r.peer, func(p *peer) { p.spare = r })
		l.offer(t)
	}
	return nil
}

// offer asks the peer to use a link that carries no channel yet, if that is better than the
// one which is used. Our words follow when it has begun there: that proves that it is the
// peer's.
func (l *loop) offer(t *talk) {
	if t == nil || t.in == nil || !t.known.Load() || !l.chooses(t) {
		return
	}
	if spare := l.of(t.peer).spare; spare != nil && spare.lane.talk == nil && (t.over == nil || spare.rank() > t.over.rank()) {
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

// knows has a link carry on a channel that the peer says to know, if that is proved.
func (l *loop) knows(t *talk, r *receiver, said []byte) error {
	m := r.lane.theirs
	if m.Own != t.in.theirs || !t.in.tie.Proves(&r.nonces, said, m.Mac) || !guard.SameKey(t.in.badge, r.key()) {
		return errUnproved
	}
	if _, err := t.out.Acknowledged(m.Expected, m.Edge); err != nil {
		l.step(zre.Broken{Peer: t.peer}) // somebody has put words between ours
		return errPosition
	}
	met := !t.known.Swap(true)
	t.out.Passed()
	l.settled(t.peer, t.out.Confirmed())
	l.carries(t, r)
	if met {
		l.meets(t)
	}
	return nil
}

// carries has a link carry on a channel.
func (l *loop) carries(t *talk, r *receiver) {
	if r.lane.talk = t; !slices.Contains(t.lanes, r) {
		t.lanes = append(t.lanes, r)
	}
	l.with(t.peer, func(p *peer) { p.welcome = p.welcome || t.in != nil })
	switch {
	case t.over == nil, t.over != r && t.known.Load() && l.chooses(t) && r.rank() >= t.over.rank():
		l.use(t, r)
	case t.over != r && !t.known.Load() && !r.lane.greeted:
		l.greetAgain(t, r)
	}
	l.leaveOldest(t)
}

// use has our words go over a link, and, if it is for us to choose, the peer's. Before the
// peer is known to have our greeting, that comes first.
func (l *loop) use(t *talk, r *receiver) {
	lost := t.over == nil
	if t.over = r; !r.beyond {
		l.wan.LetGo(t.peer)
	}
	if t.known.Load() && l.chooses(t) {
		l.choose(t, r)
	}
	if err := t.out.Move(r.link, func(from uint64) {
		if t.in != nil && (t.known.Load() || r.lane.greeted) {
			l.scratch = r.say(&oncelink.Begin{Own: t.mine, Other: t.in.theirs, Position: from, Mac: unproved[:]}, t.in.tie, l.scratch)
		} else {
			l.greetAgain(t, r)
		}
	}); err != nil {
		l.settings.log.Error("a channel does not go on", "peer", t.peer, "error", err)
	}
	t.out.endpoint, t.out.since = r.lane.endpoint, time.Now()
	relinked := zre.Relinked{Peer: t.peer, Link: t.out.id, Endpoint: r.lane.endpoint}
	if t.in != nil {
		relinked.Voice = t.in.voice
		l.with(t.peer, func(p *peer) { p.theirs = r })
	}
	if lost {
		l.step(relinked)
	}
	if c := l.find(t.peer); c != nil {
		l.update(c.Peer())
	}
}

// choose tells the peer to say what is new over a link.
func (l *loop) choose(t *talk, r *receiver) {
	t.turn++
	l.scratch = r.say(&oncelink.Use{Own: t.mine, Turn: t.turn, Mac: unproved[:]}, t.in.tie, l.scratch)
}

// chosen takes in that the peer wants a link used.
func (l *loop) chosen(r *receiver, m *oncelink.Use, said []byte) error {
	t := r.lane.talk
	if t == nil {
		t = l.of(r.peer).talk
	}
	switch {
	case t == nil || t.in == nil || m.Own != t.in.theirs || l.chooses(t) || r.lane.talk != nil && !slices.Contains(t.lanes, r):
		return errOutOfPlace
	case !t.in.tie.Proves(&r.nonces, said, m.Mac), !guard.SameKey(t.in.badge, r.key()):
		return errUnproved
	case m.Turn <= t.turn, l.of(r.peer).talk != t:
		return nil
	case r.lane.talk == nil:
		l.joined(t, r)
	}
	if t.turn = m.Turn; t.over != r {
		l.use(t, r)
	}
	return nil
}

// begins takes in where what the peer says over a link begins in its channel.
func (l *loop) begins(r *receiver, m *oncelink.Begin, said []byte) error {
	t := r.lane.talk
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
	offered := r.lane.talk == nil
	if offered {
		l.joined(t, r)
	}
	r.in, r.lane.begun, r.lane.at = t.in, true, m.Position
	l.takenBy(t, r) // who begins knows us
	if offered && t.over != r && l.chooses(t) {
		l.use(t, r)
	}
	if l.chooses(t) && t.over == r {
		l.leaveOthers(t)
	}
	return nil
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

// early takes in what the peer had acknowledged over a link before it greeted us.
func (l *loop) early(r *receiver, t *talk, m *oncelink.Ack, said []byte) error {
	_, err := r.reached(t, m, said)
	if err == nil {
		r.proven.Store(true)
		l.passed(t, r)
	}
	return err
}

// passed takes note of an acknowledgement that came over a link.
func (l *loop) passed(t *talk, r *receiver) {
	answers := t.out.Passed()
	l.settled(t.peer, t.out.Confirmed())
	if l.takenBy(t, r); answers {
		l.step(zre.Confirmed{Peer: t.peer, Link: t.out.id})
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

// greetedOver takes in that the peer has greeted us over a link, which our words may go
// over too: then the channel has begun.
func (l *loop) greetedOver(r *receiver) {
	t := l.of(r.peer).talk
	if t == nil || t.in != nil {
		return
	}
	t.in, r.in.ours = r.in, t.mine
	t.heard.Store(r.in)
	t.out.Prove(t.in.tie, t.mine, t.in.theirs)
	if r.lane.talk = t; !slices.Contains(t.lanes, r) {
		t.lanes = append(t.lanes, r)
	}
	l.with(r.peer, func(p *peer) { p.theirs, p.welcome = t.over, true })
	if t.over == nil {
		l.use(t, r)
	}
	for _, r := range slices.Clone(t.lanes) {
		if r.lane.shows() != nil {
			r.hangUp()
		}
	}
	l.merge(t)
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

// greetsAgain takes in that the peer says the greeting that a channel has begun with over
// another of its links. It tells whether it does.
func (l *loop) greetsAgain(r *receiver, theirs uint64) (again bool, err error) {
	l.do(func() {
		t := l.of(r.peer).talk
		switch again = t != nil && t.in != nil && t.in.theirs == theirs; {
		case !again:
			return
		case !guard.SameKey(t.in.badge, r.key()):
			err = errUnproved
			return
		}
		r.in = t.in
		l.carries(t, r)
		err = r.lane.shows()
	})
	return again, err
}

// part takes a link that has ended out of its channel, which goes on over another if it has
// one.
func (l *loop) part(r *receiver) {
	t := r.lane.talk
	if t == nil || l.of(t.peer).talk != t {
		l.unused(r)
		return
	}
	t.lanes = slices.DeleteFunc(t.lanes, func(other *receiver) bool { return other == r })
	if t.over != r {
		return
	}
	if len(t.lanes) > 0 { // it is not lost
		l.use(t, t.lanes[len(t.lanes)-1])
		return
	}
	t.over = nil
	l.with(t.peer, func(p *peer) { p.theirs = nil })
	l.offer(t)
	l.step(zre.Unlinked{Peer: t.peer, Link: t.out.id})
	if t.in != nil {
		l.step(zre.Muted{Peer: t.peer, Link: t.in.voice})
	}
}

// unused takes note of the end of a link that has carried nothing: if it was to carry on a
// channel, that needs another.
func (l *loop) unused(r *receiver) {
	if t := l.of(r.peer).talk; t != nil && t.over == nil && r.lane.endpoint != (sight.Endpoint{}) {
		l.step(zre.Unlinked{Peer: t.peer, Link: t.out.id})
	}
}

// lastWord tells the peer what was taken in before we take leave of it.
func (l *loop) lastWord(t *talk) {
	if t.in != nil && t.over != nil {
		m := &oncelink.Ack{Own: t.mine, Other: t.in.theirs, Position: t.in.Taken(), Edge: t.in.reach.Edge(), Mac: unproved[:]}
		l.scratch = t.over.say(m, t.in.tie, l.scratch)
	}
}

// drop takes a channel off the books. What its last link was says how long to wait before
// the next.
func (l *loop) drop(t *talk) {
	delete(l.ours, t.out.id)
	l.with(t.peer, func(p *peer) { p.talk, p.theirs = nil, nil })
}

// conclude ends a channel. When the node stops, what was said is written and acknowledged
// first, if the peer does that within the linger time. What is said to a peer that is gone has
// come back: see returns.
func (l *loop) conclude(t *talk) {
	l.drop(t)
	l.wan.LetGo(t.peer)
	l.with(t.peer, func(p *peer) { p.ours = nil })
	lanes, over, stops := slices.Clone(t.lanes), t.over, l.core.Stopped()
	lanes = slices.DeleteFunc(lanes, func(r *receiver) bool { return r.away.Load() }) // see turnAway
	if over != nil && over.away.Load() {
		over = nil
	}
	for _, r := range lanes {
		r.last = true
	}
	l.work.Go(func() {
		if t.in != nil { // what it says last goes before the end of the links
			t.in.end()
		}
		if !stops {
			t.out.Ends()
		}
		rest, err := l.linger(t.out, lanes, over)
		l.do(func() {
			l.rests(t.out.Link(), rest)
			l.ends(t.out.Link(), err)
		})
	})
	l.unmeet(t.peer)
}

// linger waits until all that matters is acknowledged that was said in a channel which ends,
// for at most the linger time and as long as the link lasts that it goes over, if the peer may
// hear it, and closes its links, which ends when the peer has read the rest. It returns what
// is not acknowledged.
func (l *loop) linger(out *outbound, lanes []*receiver, over *receiver) (rest channel.Amount, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.settings.Linger)
	defer cancel()
	if err = link.ErrClosed; over != nil {
		lasts, lost := context.WithCancel(ctx)
		l.work.Go(func() {
			defer lost()
			select {
			case <-over.done:
			case <-lasts.Done():
			}
		})
		err = out.Linger(lasts)
		lost()
	}
	rest = out.Rest()
	out.Ends()
	for _, r := range lanes {
		if over == nil || r.link.Shutdown(ctx) != nil {
			_ = r.link.Close()
		}
	}
	return rest, err
}
