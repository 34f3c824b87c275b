package zre

import (
	"maps"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
)

// What a peer does, as far as we hear of it.

func (p *peer) sighted(endpoint sight.Endpoint) {
	p.pulse.vanished, p.pulse.sightedAt = time.Time{}, p.now
	p.learn(endpoint)
	p.fire(peermachine.EventSighting)
}

func (p *peer) linked(in Linked) {
	present := p.present()
	p.lines++
	p.lead(connection{out: in.Link, up: true, both: in.Both, at: in.Endpoint, shown: in.Shown, life: in.Incarnation,
		proven: in.Shown || p.speaks(), callback: in.Callback, number: p.lines})
	if p.strays(false) {
		return
	}
	p.greetings.asks = p.voice.link == 0 && !in.Both
	if p.fire(peermachine.EventLinked); present {
		p.line.prove()
	}
	if p.speaks() {
		p.fire(peermachine.EventWord)
	}
}

// relinked takes in that the channel goes on. The peer has just shown that it lives, and needs
// no greeting.
func (p *peer) relinked(in Relinked) {
	if !p.line.both || p.line.out != in.Link {
		return
	}
	line := p.line.connection
	line.up, line.at = true, in.Endpoint
	p.lead(line)
	if p.greetings.adopted = true; in.Voice != 0 {
		p.voice.link, p.voice.calls, p.pulse.heard = in.Voice, true, p.now
	}
	p.fire(peermachine.EventLinked)
	if p.greetings.adopted = false; in.Voice != 0 {
		p.word()
	}
	p.update()
}

// taken takes in that the peer has taken our greeting.
func (p *peer) taken(link LinkID) {
	if !p.line.both || p.line.out != link || p.line.taken {
		return
	}
	p.line.takes()
	if p.greetings.waits {
		p.greetings.waits = false
		p.fire(peermachine.EventHello)
	}
	p.update()
}

// acknowledges takes in that the peer has acknowledged a PING: it lives.
func (p *peer) acknowledges(link LinkID) {
	if p.line.both && p.line.out == link && p.voice.link != 0 {
		p.word()
	}
}

// unlinked takes the loss of our connection for one, if it is the one that counts.
func (p *peer) unlinked(link LinkID) {
	if p.line.out == link {
		p.lose()
	}
}

// greeted brings what we know of the peer into step with its HELLO.
func (p *peer) greeted(link LinkID, endpoint sight.Endpoint, hello *zremsg.Hello, own ownHeaders, headers map[string]string) {
	l, g := &p.line, &p.greetings
	present, again := p.present(), p.voice.link != link
	changed := present && !maps.Equal(p.headers, headers)
	// Our connection goes where the peer no longer is or never was, if that is elsewhere than
	// it says to be, and if it has moved or lacks a greeting that is not on its way.
	elsewhere := present && again && own.incarnation != 0 && !l.both && l.greets && l.at != endpoint && (endpoint != p.endpoint || own.answer && !g.soon(p.now))
	p.voice.link, p.voice.theirs, g.lacks = link, own.channel, time.Time{}
	p.name, p.endpoint, p.headers, p.incarnation = hello.Name, endpoint, headers, own.incarnation
	p.member.greets(hello)
	if p.learn(endpoint); !l.stands() && !l.both {
		p.Dial() // it has become urgent
	}
	p.strays(true)
	p.word()
	p.settle()
	if g.waits = l.both && !l.taken; g.waits {
		p.fire(peermachine.EventHalfMet)
		return
	}
	p.fire(peermachine.EventHello)
	if changed && p.present() {
		p.event(api.EventTypeChanged, "", 0)
	}
	if elsewhere {
		p.renew()
	}
	p.speak()
	switch {
	case !present || !again || !l.stands():
	case p.plain():
		l.forgot()
	case l.asked > l.answers: // the answer may be lost with the connection that the peer had to us
		l.ask()
	}

	// A plain peer that greets over a new connection has forgotten us, unless
	// that is how it takes a HELLO that it did not expect. One of ours may have had a HELLO
	// that says no more what the next would.
	forgot := p.plain() && again && p.now.Sub(g.surprised) > p.config.Greeting
	outdated := !p.plain() && g.wording != p.wording
	if l.greets && (outdated || present && (own.answer || forgot)) {
		g.asks = false
		p.SendHello()
	}
}

// vouched takes in a later token of the peer, and its name in that.
func (p *peer) vouched(token *identity.Token) {
	badge := *p.Badge()
	badge.Token = token
	if p.badge = &badge; token != nil {
		p.name = token.Name
	}
	p.emit(Update{p.snapshot()})
}

// resumed takes a plain peer's new connection for the next part of the old one:
// libzmq connects again without telling the program, and so without a HELLO.
func (p *peer) resumed(link LinkID) {
	if !p.plain() || !p.present() || p.voice.succeeds(link, p.stage) {
		return
	}
	p.voice.link, p.voice.heir = link, 0
	p.word()
	p.emit(Admit{p.id, link})
	p.speak()
}

// muted, refused and vanish judge what the loss of a connection and the beacon's
// goodbye mean together.
func (p *peer) muted(link LinkID) {
	switch {
	case !p.voice.ended(link):
	case p.leaving() && !p.voice.audible() && !p.line.stands():
		p.fire(peermachine.EventGoodbye)
	case p.voice.link == 0:
		p.fire(peermachine.EventMuted)
		if rival := p.rival(); rival != nil && !p.line.stands() {
			p.yield(rival)
		}
	}
}

func (p *peer) refused() {
	p.refusals = true
	if p.line.both && p.line.called && p.now.Sub(p.line.lostAt) < callAgain { // it may never have accepted any
		return
	}
	if !p.present() || !p.voice.audible() { // else it still speaks to us: the attempts go on
		p.fire(peermachine.EventRefused)
	}
}

func (p *peer) vanish() {
	p.pulse.vanished = p.now
	if !p.present() || !p.voice.audible() {
		p.fire(peermachine.EventGoodbye)
	}
}

// missed counts that what comes over the link that speaks for the peer is not what should
// come next. Its HELLO makes good what we have missed.
func (p *peer) missed(link LinkID, what string) {
	if p.voice.link == link {
		p.count(what)
		p.greetings.asks, p.greetings.lacks = true, p.now
		p.fire(peermachine.EventOutOfStep)
	}
}

// says takes in what the peer says over the connection that speaks for it.
func (p *peer) says(m zremsg.Message) {
	p.word()
	switch m := m.(type) {
	case *zremsg.Join:
		p.regroups(m.Group, m.Status, p.member.joins)
	case *zremsg.Leave:
		p.regroups(m.Group, m.Status, p.member.leaves)
	case *zremsg.Ping:
		p.fire(peermachine.EventPing)
		p.plead()
		if p.pulse.pinged(p.now, &p.config) {
			p.doubt()
		}
	case *zremsg.PingOK:
		p.line.answered()
	case *zremsg.Confirm:
		p.line.send(&zremsg.Confirmed{Connection: m.Connection, Count: m.Count})
	case *zremsg.Confirmed:
		p.line.confirmed(m)
	case *zremsg.Taken:
		if p.line.stands() && m.Connection == p.line.number {
			p.emit(Took{p.line.out, m.Count})
		}
	case *zremsg.Elect:
		p.elections.elect(&p.line, m.Group, m.ChallengerID)
	case *zremsg.Leader:
		p.elections.lead(&p.line, m.Group, m.LeaderID)
	case *zremsg.Goodbye:
		p.fire(peermachine.EventGoodbye)
	default:
		p.count("messages without meaning")
	}
}

// regroups takes in a JOIN or LEAVE. A status that is not the next one means that we have
// missed some.
func (p *peer) regroups(group string, status uint8, change func(string)) {
	if !p.member.follows(status) {
		p.missed(p.voice.link, "status out of step")
	}
	change(group)
}
