package zre

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// nowhere is the endpoint of who has none.
var nowhere sight.Endpoint

// line is our connection to a peer as long as it stands.
type line struct {
	out      LinkID         // the node's number of it
	at       sight.Endpoint // where it leads, nowhere if there is none
	shown    bool           // the far side has shown in the handshake that it is the peer
	life     uint64         // and in which of its lives, 0 if it has not
	proven   bool           // it leads to the peer: it was shown, or the peer has answered over it or spoken since
	greets   bool           // it has carried a HELLO
	callback sight.Endpoint // where the peer can reach us, for our HELLO
	number   uint64         // how the peer is told of it: of all that the node has made
	asked    int            // how often the peer was asked to confirm
	answers  int            // and has answered
	askedAt  time.Time      // the first time that is not answered
}

// maxPings is how often a plain peer is asked at once at the most. If more answers may
// come late, it takes several times to be sure.
const maxPings = 32

func (p *peer) linked(in Linked) {
	present := p.state.IsPresent()
	p.core.lines++
	p.lead(line{out: in.Link, at: in.Endpoint, shown: in.Shown, life: in.Incarnation, proven: in.Shown || p.speaks(), callback: in.Callback, number: p.core.lines})
	if p.strays(false) {
		return
	}
	p.asks = p.link == 0
	if p.fire(peermachine.EventLinked); present {
		p.prove()
	}
	if p.speaks() {
		p.fire(peermachine.EventWord)
	}
}

// strays ends our connection if it leads to another life than the one that the peer has
// greeted in, or to another node that has its identity. A later life than that is about
// to greet. Where the peer says to be, it is whatever it shows.
func (p *peer) strays(greets bool) bool {
	if p.at == nowhere || p.at == p.endpoint || p.life == 0 || p.life == p.incarnation || p.life > p.incarnation && !greets {
		return false
	}
	p.core.count("connections to another life")
	p.strayed, p.strayedAt = p.at, p.core.now
	p.try(p.endpoint)
	if p.renew(); !p.state.IsPresent() {
		p.Dial()
	}
	return true
}

// speaks tells whether the peer has spoken, over a connection that stands, since our last
// one was lost: then it lives.
func (p *peer) speaks() bool {
	return p.state.IsPresent() && p.link != 0 && p.heard.After(p.lostAt)
}

// Probe asks for a sign of life over a new connection, unless the peer has given one.
func (p *peer) Probe() {
	if !p.speaks() {
		p.SendPing()
	}
}

// prove says that our connection leads to the peer, or asks for what proves it.
func (p *peer) prove() {
	if p.proven {
		p.core.emit(Proven{p.id, p.out})
	} else if p.asked == 0 {
		p.ask()
	}
}

// proves notes that our connection leads to the peer.
func (p *peer) proves() {
	if !p.proven {
		p.proven = true
		p.core.emit(Proven{p.id, p.out})
	}
}

// forgot notes that a plain peer has greeted us as one that does not know us, or takes
// us for another than before: what it had not confirmed by then it may never confirm.
func (p *peer) forgot() {
	p.owe()
	p.core.emit(Forgot{p.out})
	if !p.proven {
		p.SendPing()
	}
}

// owe counts what is not answered as what may be answered late.
func (p *peer) owe() {
	if p.plain() {
		p.late += p.asked - p.answers
	}
	p.asked, p.answers = 0, 0
}

// drop takes a connection off the books.
func (p *peer) drop() {
	at := p.at
	p.owe()
	p.lead(line{})
	p.greetAt = time.Time{}
	p.lostAt = p.core.now
	if at != nowhere {
		p.core.vacate(at, p.id)
	}
}

// unlinked takes the loss of our connection for one, if it is the one that counts.
func (p *peer) unlinked(link LinkID) {
	if p.out == link {
		p.lose()
	}
}

// lose judges what the loss of our connection means.
func (p *peer) lose() {
	p.drop()
	switch rival := p.rival(); {
	case p.leaving() && !p.audible(): // else its last words may still come
		p.fire(peermachine.EventGoodbye)
	case rival != nil && p.link == 0:
		p.fire(peermachine.EventLinkLost)
		p.yield(rival)
	default:
		p.fire(peermachine.EventLinkLost)
	}
}

// renew ends a connection that is of no use, and makes another.
func (p *peer) renew() {
	p.hangUp()
	p.lose()
}

// hangUp ends our connection to the peer, or the attempt to make one.
func (p *peer) hangUp() {
	if p.at == nowhere {
		p.core.emit(Withdraw{p.id})
	} else {
		p.core.emit(Disconnect{p.out})
	}
}

// called notes that the peer connects to us, and so lives.
func (p *peer) called() {
	p.calls = true
	p.speak()
}

// veiled tells whether somebody else may be at the far end of our connection: a plain
// peer whose connection to us is lost too may have ended, and another have its place.
func (p *peer) veiled() bool {
	return p.state.IsPresent() && !p.shown && p.plain() && p.link == 0 && !p.calls
}

// speak begins what was held back while the peer was veiled.
func (p *peer) speak() {
	if p.at != nowhere && !p.greets && p.state.IsPresent() && !p.veiled() {
		p.SendHello()
		p.Probe()
	}
}

// SendPing asks the peer for a sign of life. What a plain one answers also tells that
// it has what was said before.
func (p *peer) SendPing() {
	if p.plain() {
		p.ask()
	} else {
		p.send(&zremsg.Ping{})
	}
}

// ask asks the peer to confirm what was said over our connection. A plain one does so
// with PING-OKs, which do not tell what they answer: for each that may come late, for
// a PING of a connection that was lost, it is asked once more.
func (p *peer) ask() {
	if !p.greets {
		return
	}
	if p.asked == p.answers {
		p.askedAt = p.core.now
	}
	if !p.plain() {
		p.asked++
		p.send(&zremsg.Confirm{Connection: p.number, Count: uint64(p.asked)})
		return
	}
	for range min(p.late+1, maxPings) {
		p.asked++
		p.send(&zremsg.Ping{})
	}
}

// confirmed takes in a CONFIRMED.
func (p *peer) confirmed(m *zremsg.Confirmed) {
	if p.at != nowhere && m.Connection == p.number && m.Count == 0 {
		p.core.lines++ // so that what was asked before is not taken for what is asked from now on
		p.number, p.asked, p.answers = p.core.lines, 0, 0
		p.core.emit(Forgot{p.out})
		return
	}
	if p.at == nowhere || m.Connection != p.number || m.Count <= uint64(p.answers) || m.Count > uint64(p.asked) {
		p.core.count("confirmations out of place")
		return
	}
	p.sure(int(m.Count), int(m.Count))
}

// answered takes in a PING-OK. It is for one of this connection only if none that may
// come late is missing.
func (p *peer) answered() {
	if p.plain() && p.answers < p.asked {
		p.sure(p.answers+1, p.answers+1-p.late)
	}
}

// sure notes that so many answers came, of which so many are surely to what was asked
// over this connection.
func (p *peer) sure(answers, sure int) {
	p.answers, p.askedAt = answers, p.core.now
	if sure <= 0 {
		return
	}
	p.proves()
	p.core.emit(Answered{p.out, sure})
}

// pinged notes that the peer asks for a sign of life. If it does so again soon, it has not
// heard our answer.
func (p *peer) pinged() {
	p.plead()
	last := p.pingedAt
	if p.pingedAt = p.core.now; p.core.now.Sub(last) < p.core.config.Evasive/2 {
		p.doubt()
	}
}

// plead greets a plain peer again whose greeting we have long lacked: our first HELLO was
// the first that it took, and it answers the second.
func (p *peer) plead() {
	if p.plain() && p.at != nowhere && !p.lacks.IsZero() && p.core.now.Sub(p.lacks) >= p.core.config.Silent {
		p.lacks = p.core.now
		p.SendHello()
	}
}

// doubt is what we do when a plain peer asks for a sign of life: it may not read our
// connection. libzmq's ROUTER reads one of two connections that have one identity. If
// the peer has long owed an answer, though it is heard and takes what we send, the
// connection is of no use and is made anew.
func (p *peer) doubt() {
	if !p.plain() || p.at == nowhere {
		return
	}
	p.plead()
	if p.asked == p.answers {
		p.ask()
		return
	}
	if p.core.now.Sub(p.askedAt) < p.core.config.Silent {
		return
	}
	if s := p.core.config.Signs(p.id); !s.Took && !s.Owes {
		p.core.count("connections of no use")
		p.renew()
	}
}
