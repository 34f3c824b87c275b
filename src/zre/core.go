package zre

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// Input is something that happened to the node.
type Input interface{ take(*Core) }

func (in Sighted) take(c *Core)  { c.sighted(in.Peer, in.Endpoint) }
func (in Required) take(c *Core) { c.require(in.Peer, in.Endpoint) }
func (in Vanished) take(c *Core) { c.with(in.Peer, (*peer).vanish) }
func (in Linked) take(c *Core)   { c.with(in.Peer, func(p *peer) { p.linked(in) }) }
func (in Unlinked) take(c *Core) { c.with(in.Peer, func(p *peer) { p.unlinked(in.Link) }) }
func (in Refused) take(c *Core)  { c.with(in.Peer, (*peer).refused) }
func (in TurnedAway) take(c *Core) {
	c.with(in.Peer, func(p *peer) { p.fire(peermachine.EventTurnedAway) })
}
func (in Expelled) take(c *Core) {
	c.with(in.Peer, func(p *peer) { p.fire(peermachine.EventExpelled) })
}
func (in Called) take(c *Core)  { c.with(in.Peer, (*peer).called) }
func (in Resumed) take(c *Core) { c.with(in.Peer, func(p *peer) { p.resumed(in.Link) }) }
func (in OutOfStep) take(c *Core) {
	c.with(in.Peer, func(p *peer) { p.missed(in.Link, "sequence out of step") })
}
func (in Muted) take(c *Core)   { c.with(in.Peer, func(p *peer) { p.muted(in.Link) }) }
func (in Stalled) take(c *Core) { c.with(in.Peer, (*peer).stalled) }
func (in Ask) take(c *Core)     { c.with(in.Peer, func(p *peer) { p.line.ask() }) }
func (in Heard) take(c *Core)   { c.heard(in) }
func (in Renewed) take(c *Core) { c.renew() }
func (in Join) take(c *Core)    { c.join(in.Group) }
func (in Leave) take(c *Core)   { c.leave(in.Group) }
func (in Contest) take(c *Core) { c.contest(in.Group) }
func (in Stop) take(c *Core)    { c.stop() }
func (in Tick) take(c *Core)    { c.timers.expire(c.now, c.config.slack()) }

// Core holds what a node knows. It is not safe for concurrent use.
type Core struct {
	stage
	elections
	neighbours
	stopped bool
}

// New returns a core that knows of nobody.
func New(config Config) *Core {
	c := &Core{stage: stage{config: config, lines: config.Incarnation << 20}}
	c.elections = elections{
		stage:   &c.stage,
		own:     own{groups: map[string]struct{}{}, contests: map[string]struct{}{}},
		ballots: map[string]*election{},
		line:    c.neighbours.line,
		members: c.neighbours.members,
	}
	c.neighbours = neighbours{
		stage:     &c.stage,
		places:    places{said: map[sight.Endpoint][]*place{}, ends: map[sight.Endpoint]*place{}},
		elections: &c.elections,
		peers:     map[uuid.UUID]*peer{},
		required:  map[uuid.UUID]sight.Endpoint{},
		missing:   timer{due: c.miss},
	}
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
	for _, p := range c.sorted() {
		p.line.send(m)
	}
}

// renew greets anew those who take a second HELLO for what it is.
func (c *Core) renew() {
	for _, p := range c.sorted() {
		if p.line.greets && !p.plain() {
			p.SendHello()
		}
	}
}

func (c *Core) stop() {
	c.ballots = nil
	for _, p := range c.sorted() {
		p.fire(peermachine.EventStop)
	}
	c.stopped = true
	c.timers = nil
}
