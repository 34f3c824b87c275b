package node

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// use has our words go over a link, and, if it is for us to choose, the peer's. Before the
// peer is known to have our greeting, that comes first.
func (t *talk) use(r *receiver) {
	last := t.over
	if !r.beyond {
		t.wan.LetGo(t.peer)
	}
	if t.known.Load() && t.chooses() {
		t.choose(r)
	}
	t.goOn(r)
	t.out.endpoint, t.out.since = r.lane.endpoint, time.Now()
	relinked := zre.Relinked{Peer: t.peer, Link: t.out.id, Endpoint: r.lane.endpoint}
	if t.in != nil {
		relinked.Voice = t.in.voice
		t.with(t.peer, func(p *peer) { p.theirs = r })
	}
	if last == nil {
		t.step(relinked)
	} else if last.ahead {
		last.hangUp()
	}
	if c := t.find(t.peer); c != nil {
		t.update(c.Peer())
	}
	t.offer(t.ways()...)
}

// goOn has our words go over a link.
func (t *talk) goOn(r *receiver) {
	t.over = r
	if err := t.out.Move(r.link, func(from uint64) {
		if t.in != nil && (t.known.Load() || r.lane.greeted) {
			t.scratch = r.say(&oncelink.Begin{Own: t.mine, Other: t.in.theirs, Position: from, Mac: unproved[:]}, t.in.tie, t.scratch)
		} else {
			t.greetAgain(r)
		}
	}); err != nil && t.leave == nil { // else nothing of it is waited for any more
		t.settings.log.Error("a channel does not go on", "peer", t.peer, "error", err)
	}
}

// choose tells the peer to say what is new over a link.
func (t *talk) choose(r *receiver) {
	t.turn++
	t.scratch = r.say(&oncelink.Use{Own: t.mine, Turn: t.turn, Mac: unproved[:]}, t.in.tie, t.scratch)
}

// prefers tells whether a link is to be used in place of the one that is.
func (t *talk) prefers(r *receiver) bool {
	return t.lacks(r) || t.over != r && !r.lane.left && r.rank() > t.over.rank()
}

// byWorth has links in order: first those that may lead to somebody else than the peer, or that
// we close, and of others the better the way the later.
func byWorth(a, b *receiver) int {
	if sure := a.sure(); sure == b.sure() {
		return cmp.Compare(a.rank(), b.rank())
	} else if sure {
		return 1
	}
	return -1
}

// ranked returns links in order, and of as good ones the latest last.
func ranked(links []*receiver) []*receiver {
	links = slices.Clone(links)
	slices.SortStableFunc(links, byWorth)
	return links
}

// ways returns the links that carry a channel, and those that may.
func (t *talk) ways() []*receiver { return slices.Concat(t.lanes, t.of(t.peer).spares) }

// offer asks the peer to use those of some links that are better than the one which is used,
// the best last, as the latest turn counts; they are offered again after each choice. Our words
// follow when it has begun there: that proves that it is the peer's.
func (t *talk) offer(links ...*receiver) {
	if t == nil || t.in == nil || !t.known.Load() || !t.chooses() {
		return
	}
	for _, r := range ranked(links) {
		if of := r.lane.talk.Load(); (of == nil || of == t) && t.prefers(r) {
			t.choose(r)
		}
	}
}

// joined has a link carry a channel that carries none yet, as the peer has proved over it that
// it knows the channel.
func (t *talk) joined(r *receiver) {
	r.in = t.in
	t.adds(r)
	r.proven.Store(true)
	r.link.Widen()
	r.isKnown()
	t.leaveOldest()
}

// adds has a link carry a channel, if it does not yet.
func (t *talk) adds(r *receiver) {
	if r.lane.talk.Store(t); !slices.Contains(t.lanes, r) {
		t.lanes = append(t.lanes, r)
	}
	t.unspare(r)
}

// leaveOthers closes the links of a channel that neither side uses, nor is to use.
func (t *talk) leaveOthers() {
	for _, other := range t.lanes {
		if other != t.over && !t.prefers(other) {
			other.lane.left = true
			t.shutdown(other.link, func(error) {})
		}
	}
}

// leaveOldest closes links of a channel that has more than it may, the oldest first, and before
// all others those that may lead to somebody else than the peer, or that we close.
func (t *talk) leaveOldest() {
	excess := len(t.lanes) - maxLanes
	for _, sure := range []bool{false, true} {
		for _, r := range t.lanes {
			if excess > 0 && r != t.over && r.sure() == sure {
				r.hangUp()
				excess--
			}
		}
	}
}

// takenBy takes note that the peer has shown over a link that it has our greeting.
func (t *talk) takenBy(r *receiver) {
	if t == nil || t.known.Swap(true) || t.of(t.peer).talk != t {
		return
	}
	if t.over != r && slices.Contains(t.lanes, r) { // what else carries our greeting may lead to somebody else
		t.use(r)
	}
	t.meets()
}

// meets takes in that the peer has our greeting.
func (t *talk) meets() {
	t.hello = nil
	t.step(zre.Taken{Peer: t.peer, Link: t.out.id})
	t.merge()
}

// merge has one link do where both sides have made several at the same time, as soon as each
// knows the other: the best. Where the peer has greeted us it need not begin before we do.
func (t *talk) merge() {
	if t.chooses() && t.known.Load() && t.in != nil && t.over != nil && len(t.lanes) > 1 {
		if best := ranked(t.lanes)[len(t.lanes)-1]; byWorth(best, t.over) > 0 {
			t.use(best)
			return
		}
		t.choose(t.over)
	}
	t.offer(t.ways()...)
}

// greetAgain says over a link the greeting that begins our direction of a channel, which
// may not have come over another.
func (t *talk) greetAgain(r *receiver) {
	if t.hello == nil { // the core has yet to greet the peer
		return
	}
	r.lane.greeted = true
	hello := *t.hello
	hello.Endpoint, hello.Headers = t.callback(r).String(), slices.Clone(hello.Headers)
	t.guard.Freshen()
	t.guard.Present(&hello, t.peer, &r.nonces, t.of(t.peer).challenge, nil, r.beyond)
	if err := t.out.Again(&hello, r.link); err != nil {
		t.log(t.peer).Debug("cannot greet again", "error", err)
	}
}

// lane is a link that carries both directions; see api/protocol/once_link.xml. All but
// begun and at is the loop's; its reader also looks at theirs, which the loop has from it.
type lane struct {
	begun   bool   // what comes over it has a position
	greeted bool   // our greeting was said over it
	left    bool   // we close it, as another is used: nothing goes over it any more
	at      uint64 // the position of the next message

	early    func(*talk) error // takes in what the peer has shown to know of a channel before it has greeted us; nil for nothing
	theirs   *oncelink.Resume  // what the peer has begun it with; nil before
	endpoint sight.Endpoint    // that it was made to; nowhere if the peer has made it

	talk atomic.Pointer[talk] // that it carries; nil before. Others may look at it
}

// shows takes in what the peer has shown to know before it has greeted us, if anything: of the
// channel that it has begun now.
func (l *lane) shows(begun *talk) error {
	early := l.early
	if l.early = nil; early == nil {
		return nil
	}
	return early(begun)
}

// later keeps what the peer has shown to know of a channel until it has begun that.
func (l *lane) later(t *talk, take func() error) {
	l.early = func(begun *talk) error {
		if begun != t {
			return errOutOfPlace
		}
		return take()
	}
}

// owns tells whether a message is of the link itself.
func (*lane) owns(frames [][]byte) bool {
	if !wire.Signed(frames[0], oncelink.Signature) {
		return false
	}
	_, err := oncelink.Peek(frames[0])
	return err == nil
}

// maxLanes is how many links a channel may have; see api/protocol/once_link.xml.
const maxLanes = 4
