package zre

import "github.com/sjohnr/at-once/generated/go/peermachine"

// What a peer's signs of life change, and the want of them.

// word notes a sign of life.
func (p *peer) word() {
	p.pulse.heard = p.now
	if !p.present() {
		return
	}
	if p.line.stands() && p.voice.link != 0 {
		p.line.proves()
	}
	p.fire(peermachine.EventWord)
}

// doubt is what we do when a plain peer asks for a sign of life: it may not read our
// connection. libzmq's ROUTER reads one of two connections that have one identity. If
// the peer has long owed an answer, though it is heard and takes what we send, the
// connection is of no use and is made anew.
func (p *peer) doubt() {
	if !p.plain() || !p.line.stands() {
		return
	}
	p.plead()
	if p.line.asked == p.line.answers {
		p.line.ask()
		return
	}
	if p.now.Sub(p.line.askedAt) < p.config.Silent {
		return
	}
	if s := p.config.Signs(p.id); !s.Took && !s.Owes {
		p.count("connections of no use")
		p.renew()
	}
}

// due does what the timer of a peer that is not gone was set for.
func (p *peer) due() {
	stalled := p.pulse.stalls
	switch due := p.greetings.due; {
	case !due.IsZero() && !due.After(p.now):
		p.greet()
		p.schedule()
	case p.state.IsSevered() && p.config.Signs(p.id).Waiting: // its last word may be among what waits for our application
		p.pulse.since = p.now
		p.schedule()
	case p.present() && !p.state.IsSevered() && p.alive():
	case stalled && p.next().After(p.now): // our application takes again what the peer says
		p.schedule()
	case !p.pulse.seeks(p.state, &p.config).IsZero():
		p.pulse.sought = true
		p.emit(Doubt{p.id})
		p.schedule()
	default:
		was := p.state
		if p.fire(peermachine.EventTimeout); was == peermachine.StateProbing && p.state == peermachine.StateSuspect {
			p.suspected()
		}
	}
}

// alive finds out whether there were signs of life that the core was not told of. A peer
// that cannot hear from us because our application is slow is asked for one.
func (p *peer) alive() bool {
	s := p.config.Signs(p.id)
	heard := p.pulse.hears(s, p.now, &p.config)
	if s.Waiting {
		p.SendPing()
	}
	if s.Unsure && p.line.asked == p.line.answers {
		p.line.ask()
	}
	if heard {
		p.fire(peermachine.EventWord)
		p.doubt()
	}
	return heard
}

// suspected looks for another connection to a peer that does not answer: to a plain
// one there may be one that it reads, and another peer may be at its endpoint.
func (p *peer) suspected() {
	s := p.config.Signs(p.id)
	switch rival := p.rival(); {
	case p.line.both:
		p.emit(Doubt{p.id})
		p.Dial()
	case rival != nil && !p.line.shown:
		p.yield(rival)
	case p.plain() && !p.line.shown && p.line.stands() && !s.Owes:
		p.renew()
	}
}
