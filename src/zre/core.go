package zre

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// Input is something that happened to the node.
type Input interface{ take(*Core) }

func (in Sighted) take(c *Core)   { c.sighted(in.Peer, in.Endpoint) }
func (in Required) take(c *Core)  { c.require(in.Peer, in.Endpoint) }
func (in Vanished) take(c *Core)  { c.peers.with(in.Peer, (*peer).vanish) }
func (in Linked) take(c *Core)    { c.linked(in) }
func (in Taken) take(c *Core)     { c.peers.with(in.Peer, func(p *peer) { p.taken(in.Link) }) }
func (in Confirmed) take(c *Core) { c.peers.with(in.Peer, func(p *peer) { p.acknowledges(in.Link) }) }
func (in Relinked) take(c *Core)  { c.peers.with(in.Peer, func(p *peer) { p.relinked(in) }) }
func (in Unlinked) take(c *Core)  { c.peers.with(in.Peer, func(p *peer) { p.unlinked(in.Link) }) }
func (in Refused) take(c *Core)   { c.peers.with(in.Peer, (*peer).refused) }
func (in TurnedAway) take(c *Core) {
	c.peers.with(in.Peer, func(p *peer) { p.fire(peermachine.EventTurnedAway) })
}
func (in Expelled) take(c *Core) {
	c.peers.with(in.Peer, func(p *peer) { p.fire(peermachine.EventExpelled) })
}
func (in Overrun) take(c *Core) {
	c.peers.with(in.Peer, func(p *peer) { p.fire(peermachine.EventOverrun) })
}
func (in Broken) take(c *Core) {
	c.peers.with(in.Peer, func(p *peer) { p.fire(peermachine.EventBroken) })
}
func (in Called) take(c *Core)  { c.peers.with(in.Peer, (*peer).called) }
func (in Resumed) take(c *Core) { c.peers.with(in.Peer, func(p *peer) { p.resumed(in.Link) }) }
func (in OutOfStep) take(c *Core) {
	c.peers.with(in.Peer, func(p *peer) { p.missed(in.Link, "sequence out of step") })
}
func (in Muted) take(c *Core)   { c.peers.with(in.Peer, func(p *peer) { p.muted(in.Link) }) }
func (in Stalled) take(c *Core) { c.peers.with(in.Peer, (*peer).stalled) }
func (in Ask) take(c *Core)     { c.peers.with(in.Peer, func(p *peer) { p.line.ask() }) }
func (in Heard) take(c *Core)   { c.heard(in) }
func (in Renewed) take(c *Core) {
	c.config.Name = in.Name
	c.renew()
}
func (in Vouched) take(c *Core) { c.peers.with(in.Peer, func(p *peer) { p.vouched(in.Token) }) }
func (in Reworded) take(c *Core) {
	if !slices.Equal(c.config.Headers, in.Headers) {
		c.config.Headers = in.Headers
		c.renew()
	}
}
func (in Join) take(c *Core)    { c.join(in.Group) }
func (in Leave) take(c *Core)   { c.leave(in.Group) }
func (in Contest) take(c *Core) { c.contest(in.Group) }
func (in Stop) take(c *Core)    { c.stop() }
func (in Tick) take(c *Core)    { c.timers.expire(c.now, c.config.slack()) }

// Core holds what a node knows. It is not safe for concurrent use.
type Core struct {
	stage
	elections
	places
	room
	peers    crowd
	required map[uuid.UUID]sight.Endpoint
	missing  timer // when required peers that there was no room for are tried again
	stopped  bool
}

// New returns a core that knows of nobody.
func New(config Config) *Core {
	c := &Core{
		stage:    stage{config: config, lines: config.Incarnation << 20},
		places:   places{said: map[sight.Endpoint][]*place{}, ends: map[sight.Endpoint]*place{}},
		peers:    crowd{},
		required: map[uuid.UUID]sight.Endpoint{},
	}
	c.elections = elections{
		stage:     &c.stage,
		own:       own{groups: map[string]struct{}{}, contests: map[string]struct{}{}},
		ballots:   map[string]*election{},
		lineTo:    c.peers.line,
		membersOf: c.peers.members,
	}
	c.missing.due = c.miss
	return c
}

// Step tells the core what happened and returns what is to be done about it.
// The outputs are valid until the next Step. The time must not run backwards.
func (c *Core) Step(now time.Time, in Input) []Output {
	c.now, c.outputs = now, c.outputs[:0]
	if !c.stopped {
		in.take(c)
		c.timers.expire(c.now, 0)
	}
	return c.outputs
}

// Stopped tells whether the core has taken a [Stop]: it takes nothing after that.
func (c *Core) Stopped() bool { return c.stopped }

// Full tells whether a [Join] or [Contest] would be one too many.
func (c *Core) Full(in Input) bool {
	switch in := in.(type) {
	case Join:
		return !fitsAmong(c.groups, in.Group)
	case Contest:
		return !fitsAmong(c.contests, in.Group)
	}
	return false
}

func (c *Core) join(group string) {
	if c.in(group) || !fitsAmong(c.groups, group) {
		return
	}
	c.groups[group] = struct{}{}
	c.status++
	c.tell(&zremsg.Join{Group: group, Status: c.status})
	if _, contest := c.contests[group]; contest {
		c.ballot(group).settle()
	}
}

func (c *Core) leave(group string) {
	if !c.in(group) {
		return
	}
	delete(c.groups, group)
	c.closeBallot(group)
	c.status++
	c.tell(&zremsg.Leave{Group: group, Status: c.status})
}

// tell sends a message to all whom we have greeted.
func (c *Core) tell(m zremsg.Message) {
	for _, p := range c.peers.sorted() {
		p.line.tell(m)
	}
}

// renew greets anew those who take a second HELLO for what it is. Of those whom we have
// greeted before them that shows when they greet us.
func (c *Core) renew() {
	c.wording++
	for _, p := range c.peers.sorted() {
		if p.line.greets && !p.plain() && (p.line.taken || !p.line.both) {
			p.SendHello()
		}
	}
}

func (c *Core) stop() {
	c.ballots = nil
	for _, p := range c.peers.sorted() {
		p.fire(peermachine.EventStop)
	}
	c.stopped = true
	c.timers = nil
}

// sighted begins or refreshes what is known of a peer.
func (c *Core) sighted(id uuid.UUID, endpoint sight.Endpoint) {
	switch p := c.peers[id]; {
	case p != nil:
		p.sighted(endpoint)
	case len(c.peers) < c.config.maxPeers()/2:
		c.dial(c.meet(id, endpoint))
	default:
		c.count("sightings over the limit")
	}
}

// require begins what is to be with a peer that the application wants to stay with.
func (c *Core) require(id uuid.UUID, endpoint sight.Endpoint) {
	c.required[id] = endpoint
	c.peers.with(id, func(p *peer) { p.required = true })
	if c.sighted(id, endpoint); c.peers[id] == nil {
		c.miss()
	}
}

// miss tries those required peers again for which there was no room.
func (c *Core) miss() {
	c.timers.set(&c.missing, time.Time{})
	for id, endpoint := range c.required {
		if c.peers[id] == nil && id != c.config.ID && len(c.peers) >= c.config.maxPeers()/2 {
			c.timers.set(&c.missing, c.now.Add(requireAgain))
		} else if c.peers[id] == nil {
			c.dial(c.meet(id, endpoint))
		}
	}
}

// meet begins the life of a peer. It returns nil if it is ourselves or if too
// many are known already.
func (c *Core) meet(id uuid.UUID, endpoint sight.Endpoint) *peer {
	if id == c.config.ID || id == uuid.Nil {
		return nil
	}
	if len(c.peers) >= c.config.maxPeers() {
		c.count("peers over the limit")
		return nil
	}
	_, required := c.required[id]
	p := &peer{contact: contact{Peer: Peer{id: id}, stage: &c.stage, elections: &c.elections, required: required}, peers: c.peers}
	p.member = membership{stage: &c.stage, of: &p.Peer, ours: &p.line, elections: &c.elections, room: &c.room}
	p.place = place{places: &c.places, id: id}
	p.line.stage, p.line.to = &c.stage, &p.Peer
	p.pulse.since, p.pulse.sightedAt = c.now, c.now
	p.pulse.timer.due = func() { c.due(p) }
	c.peers[id] = p
	if endpoint != nowhere {
		p.place.try(endpoint)
	}
	p.schedule()
	return p
}

// dial has a connection made to a peer that was met, if one was.
func (c *Core) dial(p *peer) {
	if p != nil {
		p.Dial()
	}
}

// linked takes in that a connection to a peer stands. One that asks who we are, over a link
// that carries both directions, may be a stranger.
func (c *Core) linked(in Linked) {
	p := c.peers[in.Peer]
	if p == nil && in.Both && len(c.peers) < c.config.maxPeers()/2 {
		p = c.meet(in.Peer, in.Endpoint)
	}
	if p != nil {
		p.linked(in)
	}
}

// due does what the timer of a peer was set for. One that is gone and required is met
// again.
func (c *Core) due(p *peer) {
	if !p.state.Final() {
		p.due()
		return
	}
	c.timers.set(&p.pulse.timer, time.Time{})
	if c.peers[p.id] == nil {
		c.dial(c.meet(p.id, c.required[p.id]))
	}
}

// heard takes in a message of a peer.
func (c *Core) heard(in Heard) {
	if hello, ok := in.Message.(*zremsg.Hello); ok {
		c.greeted(in, hello)
	} else if p := c.peers[in.Peer]; p != nil && p.voice.link == in.Link {
		p.says(in.Message)
	} else {
		c.count("words of strangers")
	}
}

// greeted takes in a peer's HELLO. The incarnation tells a restarted peer from
// one that greets twice, and both from a late word of a life that has ended.
// A peer without one has started anew if it greets from another endpoint.
func (c *Core) greeted(in Heard, hello *zremsg.Hello) {
	id, link := in.Peer, in.Link
	reject := func(why string) {
		c.count(why)
		c.emit(Reject{link})
	}
	endpoint, err := sight.ParseAny(hello.Endpoint)
	if err != nil || !endpoint.Dialable() {
		reject("greetings without an endpoint")
		return
	}
	p, was := c.peers[id], 0
	if p != nil {
		was = p.member.weight
	}
	if !c.room.fits(was, weigh(hello)) {
		reject("greetings over the limit of all")
		return
	}
	own, headers := splitHeaders(hello.Headers)
	if p == nil {
		p = c.greets(in, endpoint)
	} else if known := p.incarnation; own.incarnation < known || own.incarnation == known && (in.Badge.repeats(p.badge) || in.Both && own.channel < p.voice.theirs) {
		reject("stale greetings")
		return
	} else if p.voice.succeeds(link, &c.stage) {
		return
	} else if p.voice.heir = 0; p.present() && (own.incarnation > known || known == 0 && endpoint != p.endpoint) {
		p.fire(peermachine.EventReplaced)
		p = c.greets(in, endpoint)
	} else if in.Both && p.line.both && p.voice.theirs != 0 && own.channel != p.voice.theirs {
		p.fire(peermachine.EventForgotten)
		p = c.greets(in, endpoint)
	}
	if p == nil {
		c.emit(Reject{link})
		return
	}
	if p.badge = in.Badge; p.badge == nil {
		p.badge = new(Badge)
	}
	if p.badge.Token != nil {
		hello.Name = p.badge.Token.Name
	}
	if in.Both && !p.line.stands() && !p.line.both {
		p.linked(Linked{Peer: id, Link: link, Callback: in.Callback, Shown: true, Both: true})
	}
	p.greeted(link, endpoint, hello, own, headers)
}

// greets begins the life of a peer that has greeted us. Who did so over a link that carries
// both directions is not dialled.
func (c *Core) greets(in Heard, endpoint sight.Endpoint) *peer {
	p := c.meet(in.Peer, endpoint)
	if !in.Both {
		c.dial(p)
	}
	return p
}
