package zre

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// requireAgain is how long a required peer that was lost is left alone.
const requireAgain = time.Second

// callAgain is how long a peer that has called us, and at whose endpoint nobody accepts
// connections, has to call again.
const callAgain = time.Second

// contact is what there is between the node and a peer, and what the node does about it.
// It implements peermachine.Actions.
type contact struct {
	Peer
	*stage
	elections *elections
	required  bool // the application wants to stay with the peer
	refusals  bool // the latest attempts to connect were refused

	member    membership
	place     place
	voice     voice
	line      line
	greetings greetings
	pulse     pulse
}

// schedule puts the peer's timer where it belongs.
func (c *contact) schedule() {
	c.pulse.timer.early = c.state == peermachine.StateReady && c.greetings.due.IsZero() && !c.pulse.stalls && !(c.pulse.beyond && c.pulse.busy)
	c.timers.set(&c.pulse.timer, c.next())
}

// next returns when the peer's machine or a HELLO that was put off is due.
func (c *contact) next() time.Time {
	c.pulse.beyond = c.line.at.Met() || c.endpoint.Met()
	at := c.pulse.due(c.state, !less(c.id, c.config.ID), &c.config)
	if c.required && c.state.Final() {
		at = c.pulse.since.Add(requireAgain)
	}
	if due := c.greetings.due; !due.IsZero() && (at.IsZero() || due.Before(at)) {
		at = due
	}
	return at
}

// lead replaces our connection to the peer.
func (c *contact) lead(to connection) {
	c.place.leads(c.line.at, to.at)
	c.line.connection = to
}

// learn takes in where the peer is said to be. Where one that is connected to us greeted
// from comes first: anybody can make up sightings. Where another life of it was found is
// not tried again for a while.
func (c *contact) learn(endpoint sight.Endpoint) {
	if endpoint == c.place.strayed && endpoint != c.endpoint && c.now.Sub(c.place.strayedAt) < c.config.Greeting {
		return
	}
	first := endpoint
	if c.voice.link != 0 {
		first = c.endpoint
	}
	if c.place.learn(endpoint, first) && !c.line.stands() {
		c.Dial()
	}
}

// leaving tells whether the peer's beacon has just said goodbye.
func (c *contact) leaving() bool {
	return !c.pulse.vanished.IsZero() && c.now.Sub(c.pulse.vanished) < c.config.Evasive
}

// speaks tells whether the peer has spoken, over a connection that stands, since our last
// one was lost: then it lives.
func (c *contact) speaks() bool {
	return c.present() && c.voice.link != 0 && c.pulse.heard.After(c.line.lostAt)
}

// veiled tells whether somebody else may be at the far end of our connection: a plain
// peer whose connection to us is lost too may have ended, and another have its place.
func (c *contact) veiled() bool {
	return c.present() && !c.line.shown && c.plain() && c.voice.link == 0 && !c.voice.calls
}

// called notes that the peer connects to us, and so lives.
func (c *contact) called() {
	c.voice.calls = true
	c.speak()
}

// stalled tells the peer that we live, and goes on to do so: until our application takes
// what it says, its PINGs get no answer.
func (c *contact) stalled() {
	if c.present() && !c.pulse.stalls {
		c.pulse.stalls, c.pulse.heard = true, c.now
		c.SendPing()
		c.schedule()
	}
}

// speak begins what was held back while the peer was veiled.
func (c *contact) speak() {
	if c.line.stands() && !c.line.greets && c.present() && !c.veiled() {
		c.SendHello()
		c.Probe()
	}
}

// greet sends a HELLO.
func (c *contact) greet() {
	again := c.line.greets
	c.emit(Send{c.line.out, c.greetings.send(c.stage, &c.elections.own, &c.line.connection)})
	if !c.present() {
		return
	}
	c.greetings.surprised = c.now
	if again && c.plain() { // which may not have listened before it had this
		c.line.forgot()
	}
	c.elections.canvass(&c.line) // what we said of elections while the connection was lost is lost too
}

// update greets a peer anew that has not heard our latest name and headers.
func (c *contact) update() {
	if c.line.taken && c.greetings.wording != c.wording {
		c.SendHello()
	}
}

// plead greets a plain peer again whose greeting we have long lacked: our first HELLO was
// the first that it took, and it answers the second.
func (c *contact) plead() {
	lacks := &c.greetings.lacks
	if c.plain() && c.line.stands() && !lacks.IsZero() && c.now.Sub(*lacks) >= c.config.Silent {
		*lacks = c.now
		c.SendHello()
	}
}

func (c *contact) event(kind api.EventType, group string, reason peermachine.Reason) {
	c.emit(Event{kind, c.snapshot(), group, reason, c.now})
}

// The actions of the machine.

func (c *contact) Forget() {}

// SendPingOK answers a PING, unless that is acknowledged anyway.
func (c *contact) SendPingOK() {
	if !c.line.both {
		c.line.send(&zremsg.PingOK{})
	}
}

func (c *contact) SendPing() { c.line.ping() }

// Probe asks for a sign of life over a new connection, unless the peer has given one.
func (c *contact) Probe() {
	if !c.speaks() {
		c.SendPing()
	}
}

// SendHello greets the peer, or puts that off if the peer has just been greeted
// over the same connection. A veiled peer is greeted when it is heard.
func (c *contact) SendHello() {
	switch {
	case c.greetings.adopted, c.veiled():
		c.greetings.adopted = false
	case c.line.greets && c.greetings.soon(c.now):
		c.greetings.due = c.greetings.at.Add(greetAgain)
		c.schedule()
	default:
		c.greet()
	}
}

// SendGoodbye spares plain peers that hear our beacon: it tells them, and those
// older than GOODBYE do not survive that message.
func (c *contact) SendGoodbye() {
	if !c.plain() && c.voice.link != 0 && !c.line.both {
		c.line.send(&zremsg.Taken{Connection: c.voice.theirs}) // whose count is the sender's to set
	}
	if !c.plain() || c.required || !c.config.Beacons {
		c.line.send(&zremsg.Goodbye{})
	}
}

func (c *contact) Dial() {
	c.refusals = false
	if free := c.place.free(); len(free) > 0 {
		c.emit(Connect{c.id, free, c.required || c.voice.link != 0 || c.present()})
	}
}

// TellUnreachable says that somebody who is there cannot be met. Who refused our
// attempts, and was not sighted of late, is not there any more, nor is who has another
// in its place.
func (c *contact) TellUnreachable() {
	displaced := !c.line.at.Dialable() && len(c.place.free()) == 0 // or a stranger that nobody sighted
	if displaced || c.refusals && c.now.Sub(c.pulse.sightedAt) > c.config.Greeting/2 {
		return
	}
	snapshot := c.snapshot()
	if snapshot.endpoint == nowhere && len(c.place.endpoints) > 0 {
		snapshot.endpoint = c.place.endpoints[0]
	}
	c.emit(Unreachable{snapshot, c.line.stands(), c.voice.link != 0})
}

func (c *contact) TellEnter() {
	c.pulse.entered = c.now
	c.event(api.EventTypeEnter, "", 0)
	c.member.tell()
	c.elections.canvass(&c.line)
	c.emit(Admit{c.id, c.voice.link})
	c.line.proven = true // it has just said that it is there
	c.line.prove()
}

func (c *contact) Resync() {
	c.emit(Update{c.snapshot()})
	c.member.tell()
	c.elections.canvass(&c.line)
	c.emit(Admit{c.id, c.voice.link})
}

func (c *contact) TellSuspect() {
	c.suspect = true
	c.event(api.EventTypeSuspect, "", 0)
}

func (c *contact) TellRecover() {
	c.suspect = false
	c.event(api.EventTypeRecover, "", 0)
}

func (c *contact) TellExit(reason peermachine.Reason) {
	c.event(api.EventTypeExit, "", reason)
}
