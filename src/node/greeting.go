package node

import (
	"errors"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/zre"
)

// Greetings that a peer may send over one connection: so many at once, and so many more a
// second, though it needs no more than one. Each costs us two signatures and, when we
// answer, a session.
const (
	maxGreetings  = 32
	greetingsRate = 2
)

// errGreetings ends the connection of a peer that greets too often.
var errGreetings = errors.New("too many greetings")

// errRejected ends the connection of a peer whose greeting is not accepted.
var errRejected = errors.New("the greeting was not accepted")

// goesOn asks the loop, once, whether a peer may go on without a HELLO.
func (r *receiver) goesOn() bool {
	if r.spoke || !guard.SameKey(r.loop.badge(r.peer), r.key()) {
		return false
	}
	if r.spoke = true; !r.speaks(zre.Resumed{Peer: r.peer, Link: r.id}) {
		return false
	}
	r.in.sequence = uint16(r.in.channel.Sequence.Load()) // what is missing since shows
	return true
}

// speaks asks the loop whether who speaks over the connection speaks for the peer, which is
// present then. While a connection before this has not ended, it waits.
func (r *receiver) speaks(in zre.Input) bool {
	for {
		q := r.judged(r.loop, in)
		if _, resumes := in.(zre.Resumed); resumes && !q.answered() {
			return false
		}
		if !r.both || !q.answered() {
			r.link.Release()
		}
		select {
		case <-q.answer:
		case <-r.gone:
			return false
		}
		switch {
		case q.yes:
			r.in.channel = r.loop.find(r.peer)
			known := r.in.channel != nil || r.both // where it may take a while until the peer is present
			if known {
				r.link.Widen()
				r.isKnown()
			}
			return known
		case q.after == nil:
			return false
		}
		r.isKnown()
		select {
		case <-q.after.done:
		case <-r.gone: // the node stops, or a later connection waits in place of this
			return false
		}
	}
}

// greeted takes a HELLO to the loop, if it shows what it has to, and waits until
// the peer is present or turned away.
func (r *receiver) greeted(hello *zremsg.Hello) error {
	endpoint, _ := sight.Parse(hello.Endpoint)
	if r.beyond {
		endpoint = sight.Met(r.peer)
	}
	if _, theirs := r.guard.Shuns.Of(r.peer, endpoint); theirs && r.loop.find(r.peer) == nil {
		r.count("greetings of who does not let us in")
		return errRejected
	}
	if !r.greetings.Use(1, time.Now(), maxGreetings, greetingsRate) {
		r.count("greetings too often")
		return errGreetings
	}
	if err := r.visit.Afford(time.Now()); err != nil {
		r.count("greetings over the limit of their address")
		return err
	}
	badge, err := r.vetted(hello)
	if err != nil {
		r.refuse(&r.guard.Meetings, r.peer, hello.Name, endpoint, guard.NotLetIn(err))
		r.loop.shun(r, endpoint)
		if r.turnAway(err) {
			return nil
		}
		return fmt.Errorf("%w: %w", errRejected, err)
	}
	r.visit.Refund()
	r.guard.Shuns.Remove(r.peer, endpoint)
	hello.Endpoint = r.seen(endpoint, badge.Key).String()
	heard := zre.Heard{Peer: r.peer, Link: r.in.voice, Message: hello, Badge: badge, Both: r.both}
	if r.lane.begun { // within the channel, whose it is
		r.loop.post(heard)
		return nil
	}
	if r.both {
		theirs := zre.ChannelOf(hello)
		if theirs == 0 {
			return errRejected
		}
		if again, err := r.loop.greetsAgain(r, theirs); again {
			if r.lane.begun = err == nil; r.lane.begun {
				r.isKnown()
			}
			return err
		} else if r.in.theirs != 0 { // the link has carried a channel that has ended
			return errOutOfPlace
		}
		r.in.theirs, r.in.badge = theirs, badge
		if badge.Seals() {
			r.in.tie, err = r.guard.Tie(r.peer, badge.Card)
			if err != nil {
				return fmt.Errorf("%w: %w", errRejected, err)
			}
		}
		heard.Callback = r.loop.callback(r)
	}
	if !r.speaks(heard) {
		_ = r.visit.Afford(time.Now()) // it may be one that was overheard: it is in vain
		return errRejected
	}
	if r.both && !r.ahead {
		r.loop.wan.Began(r.peer, r.in.theirs)
	}
	r.lane.begun = r.both
	return nil
}

// seen returns where the peer is that names an endpoint and has a key, as it is for this host.
func (r *receiver) seen(endpoint sight.Endpoint, key *[32]byte) sight.Endpoint {
	if r.beyond {
		return sight.Met(r.peer)
	}
	return site.Seen(endpoint, r.link.LocalAddr(), r.link.RemoteAddr()).With(key)
}

// vetted returns what a HELLO has shown, or why it is turned away.
func (r *receiver) vetted(hello *zremsg.Hello) (badge *zre.Badge, err error) {
	known, key, on := r.loop.badge(r.peer), r.key(), r.nonces
	if r.lane.begun {
		on = r.loop.within(r.peer, r.in.badge)
	}
	badge, err = r.guard.Vet(r.peer, key, hello, &on, known)
	if err == nil && known == nil {
		if text := r.guard.Clocks(r.peer, hello.Name, badge); text != "" {
			r.notice(text)
		}
	}
	return badge, err
}

// judged has the loop take an input that asks whether who speaks over the connection speaks
// for the peer. The reader then waits for the answer, or for gone. Over a link that carries
// both directions whoever is not turned away does.
func (r *receiver) judged(l *loop, in zre.Input) *verdict {
	q := &verdict{answer: make(chan struct{})}
	l.do(func() {
		r.verdict = q
		if l.step(in); r.both && !q.answered() && !r.shut {
			l.greetedOver(r)
			r.decide(true, nil)
			l.overAgain(r)
		}
	})
	return q
}
