package node

import (
	"errors"
	"slices"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// maxScratch is how large a buffer for messages is kept: the usual greeting fits.
const maxScratch = 4 << 10

// send queues a message of the core on a connection that we made. It never waits: a peer
// that takes nothing at all gets a fresh connection and greeting instead.
func (l *loop) send(id zre.LinkID, message zremsg.Message) {
	out := l.ours[id]
	if r := l.theirs[id]; out == nil && r != nil && r.both { // our first word over a link that the peer has made
		out = l.beginOver(r).out
	}
	if out == nil {
		return
	}
	p := l.of(out.peer)
	var card *identity.Card
	switch m := message.(type) {
	case *zremsg.Taken:
		if p.theirs == nil {
			return
		}
		m.Count = p.theirs.in.Taken()
	case *zremsg.Goodbye:
		if p.talk != nil {
			p.talk.lastWord()
		}
	case *zremsg.Hello:
		if p.challenge == nil {
			l.with(out.peer, func(p *peer) { p.challenge = guard.NewChallenge() })
		}
		on := out.Nonces
		if t := p.talk; t != nil && out.Begun() {
			on = l.within(out.peer, t.in.badge)
		} else if t != nil {
			t.mine, t.hello = zre.ChannelOf(m), &zremsg.Hello{}
			*t.hello = *m
			t.hello.Headers = slices.Clone(m.Headers)
		}
		l.guard.Freshen()
		card = l.guard.Present(m, out.peer, &on, p.challenge, out.Shown(), p.talk != nil && p.talk.over != nil && p.talk.over.beyond)
	}
	scratch, err := out.Control(message, l.scratch, card, wantsAnswer(message, p))
	switch {
	case err == nil, errors.Is(err, link.ErrClosed):
	case errors.Is(err, link.ErrOverflow) && out.Lasts():
		l.work.Go(func() { l.overrun(out.peer) })
	case errors.Is(err, link.ErrOverflow):
		l.count("control overflows")
		l.closeSoon(out.Link())
	default:
		l.settings.log.Error("message cannot be encoded", "message", message.ID(), "error", err)
	}
	if l.scratch = scratch; cap(scratch) > maxScratch {
		l.scratch = nil
	}
}

// wantsAnswer tells whether a message asks a peer to confirm what was said before.
func wantsAnswer(message zremsg.Message, p *peer) bool {
	switch message.(type) {
	case *zremsg.Confirm:
		return true
	case *zremsg.Ping:
		return p.talk != nil || p.Channel != nil && p.Peer().Incarnation() == 0
	}
	return false
}
