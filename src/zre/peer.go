package zre

import (
	"bytes"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// Peer is what a node knows of a peer at one moment. It does not change and is
// safe for concurrent use.
type Peer struct {
	id          uuid.UUID
	name        string
	endpoint    sight.Endpoint
	headers     map[string]string
	groups      []string // sorted; copied on each change
	incarnation uint64
	suspect     bool
	badge       *Badge // nil before the greeting
}

func (p *Peer) UUID() uuid.UUID            { return p.id }
func (p *Peer) Name() string               { return p.name }
func (p *Peer) At() sight.Endpoint         { return p.endpoint }
func (p *Peer) Endpoint() string           { return p.endpoint.String() }
func (p *Peer) Headers() map[string]string { return p.headers }
func (p *Peer) Header(name string) string  { return p.headers[name] }
func (p *Peer) Groups() []string           { return p.groups }
func (p *Peer) Incarnation() uint64        { return p.incarnation }
func (p *Peer) Suspect() bool              { return p.suspect }

// peer is the life of a peer: the state that its machine is in, and what the
// machine's actions need. It implements peermachine.Actions.
type peer struct {
	Peer
	core      *Core
	state     peermachine.State
	endpoints []sight.Endpoint // to try, the latest first
	status    uint8            // of the latest HELLO, JOIN or LEAVE
	weight    int              // of what the peer has said of itself
	link      LinkID           // the connection that speaks for the peer, 0 if none
	theirs    uint64           // how the peer names that
	heir      LinkID           // the one that will when that has ended, 0 if none
	left      []string         // groups that the latest HELLO no longer names
	joined    []string         // groups that the latest HELLO names anew

	line
	late      int            // PING-OKs that may yet come for PINGs of earlier connections
	calls     bool           // the peer has made a connection to us of late
	adopted   bool           // our connection has carried a HELLO before it was known to be this peer's
	lacks     time.Time      // since when we lack a HELLO of the peer, zero if we do not
	asks      bool           // the next HELLO wants one in return
	greetedAt time.Time      // of the latest HELLO to the peer
	surprised time.Time      // by the latest that it did not expect
	greetAt   time.Time      // when a HELLO that was put off is due
	since     time.Time      // of the present state
	heard     time.Time      // the latest sign of life that we know of
	took      time.Time      // when it was last found to have taken what we sent
	refusals  bool           // the latest attempts to connect were refused
	sightedAt time.Time      // the latest
	pingedAt  time.Time      // the peer last asked for a sign of life
	lostAt    time.Time      // when our latest connection was lost
	strayed   sight.Endpoint // the endpoint where our connection led to another life
	strayedAt time.Time      // and when
	stalls    bool           // what it says waits for our application
	vanished  time.Time      // of a goodbye by beacon, zero if none since sighted

	timer timer
}

// fire lets the machine step and keeps the timer and the books in order.
func (p *peer) fire(e peermachine.Event) {
	next, ok := peermachine.Step(p.state, e, p)
	if !ok {
		p.core.count("unexpected " + e.String())
		return
	}
	if next == p.state {
		p.schedule()
		return
	}
	if next.Timeout() != p.state.Timeout() || !p.state.IsPresent() { // else the clock goes on
		p.since = p.core.now
	}
	p.state = next
	if next.Final() {
		p.end()
	}
	p.schedule()
}

// end takes a peer that is gone off the books and closes its connections.
func (p *peer) end() {
	delete(p.core.peers, p.id)
	p.weighs(0)
	for _, group := range p.groups {
		p.core.departs(p.id, group)
	}
	p.try()
	p.hangUp()
	if p.link != 0 { // who waits for its end goes on with a new life
		p.core.emit(Reject{p.link})
	}
	p.link, p.heir = 0, 0
	p.drop()
}

// schedule puts the peer's timer where it belongs.
func (p *peer) schedule() {
	p.timer.early = p.state == peermachine.StateReady && p.greetAt.IsZero() && !p.stalls
	p.core.set(&p.timer, p.next())
}

// next returns when the peer's machine or a HELLO that was put off is due.
// Each time-out but the first runs from the entry of its state, so that a node
// that slept asks before it suspects and suspects before it gives up.
func (p *peer) next() time.Time {
	config := &p.core.config
	var at time.Time
	switch p.state.Timeout() {
	case peermachine.TimeoutGreeting:
		at = p.since.Add(config.Greeting)
	case peermachine.TimeoutEvasive:
		at = p.heard.Add(config.Evasive + config.slack())
		if bytes.Compare(p.id[:], config.ID[:]) < 0 {
			at = at.Add(config.slack()) // so that only one of the two asks
		}
	case peermachine.TimeoutSilent:
		at = p.since.Add(config.Silent - config.Evasive)
	case peermachine.TimeoutExpired:
		at = p.since.Add(config.Expired - config.Silent)
	}
	if p.stalls && p.state.IsPresent() && !p.state.IsSevered() {
		at = p.heard.Add(config.Evasive / 2)
	}
	if _, required := p.core.required[p.id]; required && p.state.Final() {
		at = p.since.Add(requireAgain)
	}
	if !p.greetAt.IsZero() && (at.IsZero() || p.greetAt.Before(at)) {
		at = p.greetAt
	}
	return at
}

// due does what the timer was set for.
func (p *peer) due() {
	stalled := p.stalls
	switch c := p.core; {
	case p.state.Final():
		c.set(&p.timer, time.Time{})
		if c.peers[p.id] == nil {
			c.meet(p.id, c.required[p.id])
		}
	case !p.greetAt.IsZero() && !p.greetAt.After(c.now):
		p.greet()
		p.schedule()
	case p.state.IsSevered() && p.waits():
	case p.state.IsPresent() && !p.state.IsSevered() && p.alive():
	case stalled && p.next().After(c.now): // our application takes again what the peer says
		p.schedule()
	default:
		was := p.state
		if p.fire(peermachine.EventTimeout); was == peermachine.StateProbing && p.state == peermachine.StateSuspect {
			p.suspected()
		}
	}
}

// waits puts off the end of a peer that we cannot reach while what it said waits for
// our application: its last word may be among that.
func (p *peer) waits() bool {
	if !p.core.config.Signs(p.id).Waiting {
		return false
	}
	p.since = p.core.now
	p.schedule()
	return true
}

// alive finds out whether there were signs of life that the core was not told of:
// content, which does not pass through it; content that waits because our application
// is slow, in which case the peer cannot hear from us either, and is asked; and that
// the peer takes what we send. While there is some to take, its beacons are a sign
// too, unless it takes nothing for long.
func (p *peer) alive() bool {
	now, s := p.core.now, p.core.config.Signs(p.id)
	if s.Took || !s.Owes {
		p.took = now
	}
	heard := s.Heard
	if s.Waiting || s.Took || s.Owes && p.sightedAt.After(p.since) && now.Sub(p.took) < p.core.config.Silent {
		heard = now
	}
	if p.stalls = s.Waiting; s.Waiting {
		p.SendPing()
	}
	if s.Unsure && p.asked == p.answers {
		p.ask()
	}
	if !heard.After(p.heard) {
		return false
	}
	p.heard = heard
	p.fire(peermachine.EventWord)
	p.doubt()
	return true
}

// stalled tells the peer that we live, and goes on to do so: until our application takes
// what it says, its PINGs get no answer.
func (p *peer) stalled() {
	if p.state.IsPresent() && !p.stalls {
		p.stalls, p.heard = true, p.core.now
		p.SendPing()
		p.schedule()
	}
}

// word notes a sign of life.
func (p *peer) word() {
	p.heard = p.core.now
	if !p.state.IsPresent() {
		return
	}
	if p.at != nowhere && p.link != 0 {
		p.proves()
	}
	p.fire(peermachine.EventWord)
}

// learn puts an endpoint before the others that are tried, and forgets the last
// of too many: a peer that changed its address is where it was sighted last. Where one
// that is connected to us greeted from comes before that: anybody can make up sightings.
// Where another life of it was found is not tried again for a while.
func (p *peer) learn(endpoint sight.Endpoint) {
	if endpoint == p.strayed && endpoint != p.endpoint && p.core.now.Sub(p.strayedAt) < p.core.config.Greeting {
		return
	}
	tried := []sight.Endpoint{endpoint}
	if p.link != 0 && p.endpoint != nowhere {
		tried = []sight.Endpoint{p.endpoint}
	}
	for _, other := range append([]sight.Endpoint{endpoint}, p.endpoints...) {
		if !slices.Contains(tried, other) && len(tried) < maxEndpoints {
			tried = append(tried, other)
		}
	}
	if slices.Equal(tried, p.endpoints) {
		return
	}
	p.try(tried...)
	if p.at == nowhere {
		p.Dial()
	}
}

// resumed takes a plain peer's new connection for the next part of the old one:
// libzmq connects again without telling the program, and so without a HELLO.
func (p *peer) resumed(link LinkID) {
	if !p.plain() || !p.state.IsPresent() || p.succeeds(link) {
		return
	}
	p.link, p.heir = link, 0
	p.word()
	p.core.emit(Admit{p.id, link})
	p.speak()
}

// succeeds has a connection of the peer wait for the end of the one that speaks for
// it, if there is another: what came over that comes first. One may wait at a time.
func (p *peer) succeeds(link LinkID) bool {
	if p.link == 0 || p.link == link {
		return false
	}
	if p.heir != 0 && p.heir != link {
		p.core.emit(Reject{p.heir})
	}
	p.heir = link
	p.core.emit(Finish{p.link, link})
	return true
}

// audible tells whether there is a connection over which words of the peer may still
// come.
func (p *peer) audible() bool { return p.link != 0 || p.heir != 0 }

// muted, refused and vanish judge what the loss of a connection and the beacon's
// goodbye mean together.
func (p *peer) muted(link LinkID) {
	switch link {
	case p.link:
		p.link, p.calls = 0, false
	case p.heir:
		p.heir = 0
	default:
		return
	}
	switch {
	case p.leaving() && !p.audible() && p.at == nowhere:
		p.fire(peermachine.EventGoodbye)
		return
	case p.link != 0:
		return
	}
	p.fire(peermachine.EventMuted)
	if rival := p.rival(); rival != nil && p.at == nowhere {
		p.yield(rival)
	}
}

func (p *peer) refused() {
	p.refusals = true
	if p.state.IsPresent() && p.audible() {
		return // it still speaks to us: the attempts go on
	}
	p.fire(peermachine.EventRefused)
}

// turnedAway ends what there is with a peer that wants none of it.
func (p *peer) turnedAway() { p.fire(peermachine.EventTurnedAway) }

// expelled ends what there is with the peer, whether it is present or not.
func (p *peer) expelled() { p.fire(peermachine.EventExpelled) }

func (p *peer) vanish() {
	p.vanished = p.core.now
	if !p.state.IsPresent() || !p.audible() {
		p.fire(peermachine.EventGoodbye)
	}
}

// leaving tells whether the peer's beacon has just said goodbye.
func (p *peer) leaving() bool {
	return !p.vanished.IsZero() && p.core.now.Sub(p.vanished) < p.core.config.Evasive
}

func (p *peer) outOfStep() {
	p.core.count("sequence out of step")
	p.asks, p.lacks = true, p.core.now
	p.fire(peermachine.EventOutOfStep)
}

// The actions of the machine.

func (p *peer) Forget()     {}
func (p *peer) SendPingOK() { p.send(&zremsg.PingOK{}) }

func (p *peer) Dial() {
	p.refusals = false
	if free := p.free(); len(free) > 0 {
		_, required := p.core.required[p.id]
		p.core.emit(Connect{p.id, free, required || p.link != 0 || p.state.IsPresent()})
	}
}

// TellUnreachable says that somebody who is there cannot be met. Who refused our
// attempts, and was not sighted of late, is not there any more, nor is who has another
// in its place.
func (p *peer) TellUnreachable() {
	if p.at == nowhere && len(p.free()) == 0 {
		return
	}
	if p.refusals && p.core.now.Sub(p.sightedAt) > p.core.config.Greeting/2 {
		return
	}
	snapshot := p.Peer
	if snapshot.endpoint == nowhere && len(p.endpoints) > 0 {
		snapshot.endpoint = p.endpoints[0]
	}
	p.core.emit(Unreachable{&snapshot, p.at != nowhere, p.link != 0})
}

// SendGoodbye spares plain peers that hear our beacon: it tells them, and those
// older than GOODBYE do not survive that message.
func (p *peer) SendGoodbye() {
	_, required := p.core.required[p.id]
	if !p.plain() && p.link != 0 {
		p.send(&zremsg.Taken{Connection: p.theirs}) // whose count is the sender's to set
	}
	if p.incarnation != 0 || required || !p.core.config.Beacons {
		p.send(&zremsg.Goodbye{})
	}
}

func (p *peer) TellEnter() {
	p.event(api.EventTypeEnter, "", 0)
	p.left, p.joined = nil, p.groups
	p.tellGroups()
	p.core.emit(Admit{p.id, p.link})
	p.proven = true // it has just said that it is there
	p.prove()
}

func (p *peer) Resync() {
	snapshot := p.Peer
	p.core.emit(Update{&snapshot})
	p.tellGroups()
	p.core.emit(Admit{p.id, p.link})
}

func (p *peer) TellSuspect() {
	p.suspect = true
	p.event(api.EventTypeSuspect, "", 0)
}

// suspected looks for another connection to a peer that does not answer: to a plain
// one there may be one that it reads, and another peer may be at its endpoint.
func (p *peer) suspected() {
	s := p.core.config.Signs(p.id)
	switch rival := p.rival(); {
	case rival != nil && !p.shown:
		p.yield(rival)
	case p.plain() && !p.shown && p.at != nowhere && !s.Owes:
		p.renew()
	}
}

func (p *peer) TellRecover() {
	p.suspect = false
	p.event(api.EventTypeRecover, "", 0)
}

func (p *peer) TellExit(reason peermachine.Reason) {
	p.event(api.EventTypeExit, "", reason)
}

func (p *peer) send(m zremsg.Message) {
	if p.greets {
		p.core.emit(Send{p.out, m})
	}
}

func (p *peer) event(kind api.EventType, group string, reason peermachine.Reason) {
	snapshot := p.Peer
	p.core.emit(Event{kind, &snapshot, group, reason, p.core.now})
}
