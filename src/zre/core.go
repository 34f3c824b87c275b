package zre

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

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
		c.step(in)
	}
	return c.outputs
}

func (c *Core) step(in Input) {
	switch in := in.(type) {
	case Sighted:
		c.sighted(in.Peer, in.Endpoint)
	case Vanished:
		c.with(in.Peer, (*peer).vanish)
	case Required:
		c.require(in.Peer, in.Endpoint)
	case Linked:
		c.with(in.Peer, func(p *peer) { p.linked(in) })
	case Unlinked:
		c.with(in.Peer, func(p *peer) { p.unlinked(in.Link) })
	case Refused:
		c.with(in.Peer, (*peer).refused)
	case TurnedAway:
		c.with(in.Peer, func(p *peer) { p.fire(peermachine.EventTurnedAway) })
	case Heard:
		c.heard(in)
	case Called:
		c.with(in.Peer, (*peer).called)
	case Resumed:
		c.with(in.Peer, func(p *peer) { p.resumed(in.Link) })
	case OutOfStep:
		if p := c.speaker(in.Peer, in.Link); p != nil {
			p.outOfStep("sequence out of step")
		}
	case Muted:
		c.with(in.Peer, func(p *peer) { p.muted(in.Link) })
	case Stalled:
		c.with(in.Peer, (*peer).stalled)
	case Expelled:
		c.with(in.Peer, func(p *peer) { p.fire(peermachine.EventExpelled) })
	case Renewed:
		c.renew()
	case Join:
		c.join(in.Group)
	case Leave:
		c.leave(in.Group)
	case Contest:
		c.contest(in.Group)
	case Ask:
		c.with(in.Peer, func(p *peer) { p.line.ask() })
	case Stop:
		c.stop()
	case Tick:
		c.timers.expire(c.now, c.config.slack())
	}
	c.timers.expire(c.now, 0)
}

// Stopped tells whether the core has taken a [Stop]: it takes nothing after that.
func (c *Core) Stopped() bool { return c.stopped }

func (c *Core) join(group string) {
	if c.in(group) || c.Full(Join{group}) {
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
