package zre

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// Limits of one node, so that a hostile network costs bounded memory.
const (
	MaxPeers     = 16384 // peers known at a time, half of them by sighting; what comes later is dropped and counted
	maxEndpoints = 8     // endpoints kept for one peer
)

// greetAgain is the shortest time between two HELLOs over one connection.
// It keeps two nodes that disagree from greeting each other in a storm.
const greetAgain = time.Second

// requireAgain is how long a required peer that was lost is left alone.
const requireAgain = time.Second

// Config is what a core is made of. Signs must be set.
type Config struct {
	ID          uuid.UUID
	Name        string
	Endpoint    sight.Endpoint // the node's own, as it tells the application
	Headers     []wire.Pair    // the application's; see ReservedHeader
	Incarnation uint64         // higher at each start of the node
	Beacons     bool           // the node has a beacon, which says goodbye when it stops
	Greeting    time.Duration
	Evasive     time.Duration
	Silent      time.Duration
	Expired     time.Duration

	Signs func(uuid.UUID) Signs // asked for when a present peer seems to be quiet
}

// Core holds what a node knows. It is not safe for concurrent use.
type Core struct {
	config   Config
	peers    map[uuid.UUID]*peer
	places   places
	ends     map[sight.Endpoint]*peer // to whom our connection there is
	lines    uint64                   // the number of the latest connection that we made; no other life has the same ones
	required map[uuid.UUID]sight.Endpoint
	missing  timer // when required peers that there was no room for are tried again
	groups   map[string]struct{}
	contests map[string]struct{}  // groups that we want to lead whenever we are in them
	ballots  map[string]*election // of groups that we are in
	status   uint8
	weight   int // of what all peers have said of themselves; see room
	timers   timers
	now      time.Time
	out      []Output
	stopped  bool
}

// New returns a core that knows of nobody.
func New(config Config) *Core {
	c := &Core{
		config:   config,
		peers:    map[uuid.UUID]*peer{},
		places:   places{},
		ends:     map[sight.Endpoint]*peer{},
		lines:    config.Incarnation << 20,
		required: map[uuid.UUID]sight.Endpoint{},
		groups:   map[string]struct{}{},
		contests: map[string]struct{}{},
		ballots:  map[string]*election{},
	}
	c.missing.due = c.miss
	return c
}

// Step tells the core what happened and returns what is to be done about it.
// The outputs are valid until the next Step. The time must not run backwards.
func (c *Core) Step(now time.Time, in Input) []Output {
	c.now, c.out = now, c.out[:0]
	if !c.stopped {
		c.step(in)
	}
	return c.out
}

func (c *Core) step(in Input) {
	switch in := in.(type) {
	case Sighted:
		c.sighted(in.Peer, in.Endpoint)
	case Vanished:
		c.with(in.Peer, (*peer).vanish)
	case Required:
		c.required[in.Peer] = in.Endpoint
		if c.sighted(in.Peer, in.Endpoint); c.peers[in.Peer] == nil {
			c.miss()
		}
	case Linked:
		c.with(in.Peer, func(p *peer) { p.linked(in) })
	case Unlinked:
		c.with(in.Peer, func(p *peer) { p.unlinked(in.Link) })
	case Refused:
		c.with(in.Peer, (*peer).refused)
	case TurnedAway:
		c.with(in.Peer, (*peer).turnedAway)
	case Heard:
		c.heard(in)
	case Called:
		c.with(in.Peer, (*peer).called)
	case Resumed:
		c.with(in.Peer, func(p *peer) { p.resumed(in.Link) })
	case OutOfStep:
		c.withLink(in.Peer, in.Link, (*peer).outOfStep)
	case Muted:
		c.with(in.Peer, func(p *peer) { p.muted(in.Link) })
	case Stalled:
		c.with(in.Peer, (*peer).stalled)
	case Expelled:
		c.with(in.Peer, (*peer).expelled)
	case Renewed:
		c.renew()
	case Join:
		c.join(in.Group)
	case Leave:
		c.leave(in.Group)
	case Contest:
		c.contest(in.Group)
	case Ask:
		c.with(in.Peer, (*peer).ask)
	case Stop:
		c.stop()
	case Tick:
		c.expire(c.config.slack())
	}
	c.expire(0)
}

// Stopped tells whether the core has taken a [Stop]: it takes nothing after that.
func (c *Core) Stopped() bool { return c.stopped }

// Deadline returns when the core wants a Tick, or the zero time if never.
func (c *Core) Deadline() time.Time {
	if len(c.timers) == 0 {
		return time.Time{}
	}
	return c.timers[0].at
}

// Full tells whether a [Join] or [Contest] would be one too many.
func (c *Core) Full(in Input) bool {
	switch in := in.(type) {
	case Join:
		return !c.in(in.Group) && !Fits(in.Group, maps.Keys(c.groups))
	case Contest:
		_, already := c.contests[in.Group]
		return !already && !Fits(in.Group, maps.Keys(c.contests))
	}
	return false
}

// in tells whether the node is in a group.
func (c *Core) in(group string) bool { _, ok := c.groups[group]; return ok }

func (c *Core) with(id uuid.UUID, do func(*peer)) {
	if p := c.peers[id]; p != nil {
		do(p)
	}
}

// withLink acts on a peer only if link is the connection that speaks for it.
func (c *Core) withLink(id uuid.UUID, link LinkID, do func(*peer)) {
	if p := c.peers[id]; p != nil && p.link == link {
		do(p)
	}
}

// sighted begins or refreshes what is known of a peer.
func (c *Core) sighted(id uuid.UUID, endpoint sight.Endpoint) {
	p := c.peers[id]
	if p == nil {
		if len(c.peers) < MaxPeers/2 {
			c.meet(id, endpoint)
		} else {
			c.count("sightings over the limit")
		}
		return
	}
	p.vanished, p.sightedAt = time.Time{}, c.now
	p.learn(endpoint)
	p.fire(peermachine.EventSighting)
}

// meet begins the life of a peer. It returns nil if it is ourselves or if too
// many are known already.
func (c *Core) meet(id uuid.UUID, endpoint sight.Endpoint) *peer {
	if id == c.config.ID || id == uuid.Nil {
		return nil
	}
	if len(c.peers) >= MaxPeers {
		c.count("peers over the limit")
		return nil
	}
	p := &peer{core: c, Peer: Peer{id: id}, since: c.now, sightedAt: c.now}
	p.timer.due = p.due
	c.peers[id] = p
	p.try(endpoint)
	p.Dial()
	p.schedule()
	return p
}

// miss tries those required peers again for which there was no room.
func (c *Core) miss() {
	c.set(&c.missing, time.Time{})
	for id, endpoint := range c.required {
		if c.peers[id] == nil && id != c.config.ID && len(c.peers) >= MaxPeers/2 {
			c.set(&c.missing, c.now.Add(requireAgain))
		} else if c.peers[id] == nil {
			c.meet(id, endpoint)
		}
	}
}

func (c *Core) heard(in Heard) {
	if hello, ok := in.Message.(*zremsg.Hello); ok {
		c.greeted(in, hello)
		return
	}
	p := c.peers[in.Peer]
	if p == nil || p.link != in.Link {
		c.count("words of strangers")
		return
	}
	p.word()
	switch m := in.Message.(type) {
	case *zremsg.Join:
		p.joins(m.Group, m.Status)
	case *zremsg.Leave:
		p.leaves(m.Group, m.Status)
	case *zremsg.Ping:
		p.fire(peermachine.EventPing)
		p.pinged()
	case *zremsg.PingOK:
		p.answered()
	case *zremsg.Confirm:
		p.send(&zremsg.Confirmed{Connection: m.Connection, Count: m.Count})
	case *zremsg.Confirmed:
		p.confirmed(m)
	case *zremsg.Taken:
		if p.at != nowhere && m.Connection == p.number {
			c.emit(Took{p.out, m.Count})
		}
	case *zremsg.Elect:
		c.elect(p, m.Group, m.ChallengerID)
	case *zremsg.Leader:
		c.lead(p, m.Group, m.LeaderID)
	case *zremsg.Goodbye:
		p.fire(peermachine.EventGoodbye)
	default:
		c.count("messages without meaning")
	}
}

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
		if p.greets {
			c.emit(Send{p.out, m})
		}
	}
}

// renew greets anew those who take a second HELLO for what it is.
func (c *Core) renew() {
	for _, p := range c.sorted() {
		if p.greets && !p.plain() {
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

// slack is by how much a PING may be late, so that many go out in one go: to
// wake up is what an idle node spends most on.
func (c *Config) slack() time.Duration { return c.Evasive / 4 }

// expire fires the time-outs that are due, and PINGs that are due soon.
func (c *Core) expire(soon time.Duration) {
	for len(c.timers) > 0 {
		next, due := c.timers[0], c.now
		if next.early {
			due = due.Add(soon)
		}
		if next.at.After(due) {
			return
		}
		next.due()
	}
}

func (c *Core) emit(o Output)     { c.out = append(c.out, o) }
func (c *Core) count(name string) { c.emit(Count{name}) }
