package zre

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/peermachine"
)

// A host that loses power and comes back may bring another peer to the endpoint of
// the one that it had, as Zyre's first port is always the same. A connection in the
// name of the one would then lead to the other, and two of them would confuse it:
// libzmq's ROUTER reads one of two connections with one identity. So of all peers
// that are said to be at an endpoint one has our connection there, and what is said
// over one that was made anew to a plain peer waits until that has answered. What
// somebody merely says evicts nobody who answers.

// peer is the life of a peer among others: it lets the machine step, and judges where our
// connection leads.
type peer struct {
	contact
	peers crowd
}

// fire lets the machine step and keeps the timer and the books in order.
func (p *peer) fire(e peermachine.Event) {
	next, ok := peermachine.Step(p.state, e, &p.contact)
	if !ok {
		p.count("unexpected " + e.String())
		return
	}
	if next != p.state {
		if p.config.Moves != nil {
			p.config.Moves(Move{"peer", p.id.String(), p.state.String(), e.String(), next.String()})
		}
		if next.Timeout() != p.state.Timeout() || !p.present() { // else the clock goes on
			p.pulse.since = p.now
		}
		p.pulse.sought = false
		if p.state = next; next.Final() {
			p.end()
		}
	}
	p.schedule()
}

// end takes a peer that is gone off the books and closes its connections.
func (p *peer) end() {
	delete(p.peers, p.id)
	p.member.end()
	p.place.try()
	p.line.hangUp()
	p.voice.end(p.stage)
	p.drop()
}

// drop takes our connection off the books, and lets others be tried where it led to.
func (p *peer) drop() {
	at := p.line.at
	p.line.owe()
	next := connection{}
	if p.line.both { // the channel goes on
		next = p.line.connection
		next.up, next.at, next.called = false, nowhere, at == nowhere && (next.up || next.called)
	}
	p.lead(next)
	p.greetings.due, p.line.lostAt = time.Time{}, p.now
	p.greetings.waits = p.greetings.waits && p.line.both
	if at == nowhere {
		return
	}
	for _, said := range p.place.said[at] {
		if q := p.peers[said.id]; said != &p.place && !q.line.stands() {
			q.Dial()
		}
	}
}

// lose judges what the loss of our connection means.
func (p *peer) lose() {
	p.drop()
	rival := p.rival()
	if p.leaving() && !p.voice.audible() { // else its last words may still come
		p.fire(peermachine.EventGoodbye)
		return
	}
	p.fire(peermachine.EventLinkLost)
	if rival != nil && p.voice.link == 0 {
		p.yield(rival)
	}
}

// renew ends a connection that is of no use, and makes another.
func (p *peer) renew() {
	p.line.hangUp()
	p.lose()
}

// strays ends our connection if it leads to another life than the one that the peer has
// greeted in, or to another node that has its identity. A later life than that is about
// to greet. Where the peer says to be, it is whatever it shows.
func (p *peer) strays(greets bool) bool {
	l := &p.line
	if !l.stands() || l.at == p.endpoint || l.life == 0 || l.life == p.incarnation || l.life > p.incarnation && !greets {
		return false
	}
	p.count("connections to another life")
	p.place.strayed, p.place.strayedAt = l.at, p.now
	p.place.try(p.endpoint)
	if p.renew(); !p.present() {
		p.Dial()
	}
	return true
}

// settle judges, after a peer has greeted us, who else is said to be where it is.
func (p *peer) settle() {
	for _, q := range p.peers.beside(&p.place, p.endpoint) {
		there := q.line.at == p.endpoint
		switch {
		case there && q.line.shown: // it is not so
		case there && q.line.proven && q.present():
			q.fire(peermachine.EventDoubted)
		case !there && q.present() && q.voice.link != 0: // it has the first try
		default:
			q.yield(p)
		}
	}
}

// rival returns a peer that has greeted us, that we have made no connection to or that talks
// to us over one which carries both directions, and that says to be where this one is tried;
// nil if there is none.
func (p *peer) rival() *peer {
	for _, e := range p.place.endpoints {
		for _, q := range p.peers.beside(&p.place, e) {
			if q.voice.link != 0 && q.endpoint == e && (q.line.both || !q.line.stands()) {
				return q
			}
		}
	}
	return nil
}

// yield leaves the endpoint of another peer to that, together with our connection
// there if nothing was said over it that is for this one alone.
func (p *peer) yield(to *peer) {
	endpoint := to.endpoint
	there := p.line.at == endpoint
	p.place.leave(endpoint)
	switch {
	case there && !p.line.proven && !to.line.stands():
		p.emit(Adopt{p.line.out, to.id})
		ours := p.line.connection
		p.lead(connection{})
		to.lead(ours)
		to.greetings.at, to.greetings.adopted = p.greetings.at, to.line.greets
		p.fire(peermachine.EventLinkLost)
		to.fire(peermachine.EventLinked)
	case there:
		p.renew()
	case !p.line.stands():
		p.line.hangUp()
		p.Dial()
	}
	if len(p.place.endpoints) == 0 && (p.voice.link == 0 || !p.present()) {
		p.fire(peermachine.EventDisplaced)
	}
}
