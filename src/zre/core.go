package zre

import (
	"container/heap"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
)

// Limits of one node, so that a hostile network costs bounded memory.
const (
	MaxPeers     = 16384 // peers known at a time; later sightings are dropped and counted
	MaxGroups    = 4096  // groups of one node, as many as HELLO can name
	maxEndpoints = 8     // endpoints kept for one peer
)

// greetAgain is the shortest time between two HELLOs over one connection.
// It keeps two nodes that disagree from greeting each other in a storm.
const greetAgain = time.Second

// requireAgain is how long a required peer that was lost is left alone.
const requireAgain = time.Second

// Config is what a core is made of. Heard must be set.
type Config struct {
	ID          uuid.UUID
	Name        string
	Headers     []wire.Pair // the application's; see ReservedHeader
	Incarnation uint64      // higher at each start of the node
	Beacons     bool        // the node has a beacon, which says goodbye when it stops
	Greeting    time.Duration
	Evasive     time.Duration
	Silent      time.Duration
	Expired     time.Duration

	// Heard tells when something last came in over the connection that a
	// present peer made to us, and whether more waits there that the
	// application is too slow to take.
	Heard func(uuid.UUID) (at time.Time, waiting bool)
}

// Core holds what a node knows. It is not safe for concurrent use.
type Core struct {
	config   Config
	peers    map[uuid.UUID]*peer
	required map[uuid.UUID]string
	groups   map[string]struct{}
	status   uint8
	timers   timers
	now      time.Time
	out      []Output
	stopped  bool
}

// New returns a core that knows of nobody.
func New(config Config) *Core {
	return &Core{
		config:   config,
		peers:    map[uuid.UUID]*peer{},
		required: map[uuid.UUID]string{},
		groups:   map[string]struct{}{},
	}
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
		c.sighted(in.Peer, in.Endpoint)
	case Linked:
		c.with(in.Peer, func(p *peer) { p.linked(in.Endpoint) })
	case Unlinked:
		c.with(in.Peer, (*peer).unlinked)
	case Refused:
		c.with(in.Peer, (*peer).refused)
	case Heard:
		c.heard(in)
	case OutOfStep:
		c.withLink(in.Peer, in.Link, (*peer).outOfStep)
	case Muted:
		c.withLink(in.Peer, in.Link, (*peer).muted)
	case Join:
		c.join(in.Group)
	case Leave:
		c.leave(in.Group)
	case Stop:
		c.stop()
	}
	c.expire()
}

// Deadline returns when the core wants a Tick, or the zero time if never.
func (c *Core) Deadline() time.Time {
	if len(c.timers) == 0 {
		return time.Time{}
	}
	return c.timers[0].deadline
}

// In tells whether the node is in a group, and Groups in how many it is.
func (c *Core) In(group string) bool { _, ok := c.groups[group]; return ok }
func (c *Core) Groups() int          { return len(c.groups) }

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
func (c *Core) sighted(id uuid.UUID, endpoint string) {
	p := c.peers[id]
	if p == nil {
		p = c.meet(id, endpoint)
		return
	}
	p.vanished = time.Time{}
	p.learn(endpoint)
	p.fire(peermachine.EventSighting)
}

// meet begins the life of a peer. It returns nil if it is ourselves or if too
// many are known already.
func (c *Core) meet(id uuid.UUID, endpoint string) *peer {
	if id == c.config.ID || id == uuid.Nil {
		return nil
	}
	if len(c.peers) >= MaxPeers {
		c.count("peers over the limit")
		return nil
	}
	p := &peer{core: c, Peer: Peer{id: id}, since: c.now, timer: -1}
	c.peers[id] = p
	p.endpoints = []string{endpoint}
	p.Dial()
	p.schedule()
	return p
}

func (c *Core) heard(in Heard) {
	if hello, ok := in.Message.(*zremsg.Hello); ok {
		c.greeted(in.Peer, in.Link, hello)
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
	case *zremsg.PingOK:
	case *zremsg.Goodbye:
		p.fire(peermachine.EventGoodbye)
	default:
		c.count("messages without meaning")
	}
}

func (c *Core) join(group string) {
	if c.In(group) || len(c.groups) >= MaxGroups {
		return
	}
	c.groups[group] = struct{}{}
	c.status++
	c.tell(&zremsg.Join{Group: group, Status: c.status})
}

func (c *Core) leave(group string) {
	if !c.In(group) {
		return
	}
	delete(c.groups, group)
	c.status++
	c.tell(&zremsg.Leave{Group: group, Status: c.status})
}

// tell sends a message to all whom we have greeted.
func (c *Core) tell(m zremsg.Message) {
	for _, p := range c.sorted() {
		if p.greets {
			c.emit(Send{p.id, m})
		}
	}
}

func (c *Core) stop() {
	for _, p := range c.sorted() {
		p.fire(peermachine.EventStop)
	}
	c.stopped = true
	c.timers = nil
}

// expire fires the time-outs that are due.
func (c *Core) expire() {
	for len(c.timers) > 0 && !c.timers[0].deadline.After(c.now) {
		c.timers[0].due()
	}
}

func (c *Core) emit(o Output)     { c.out = append(c.out, o) }
func (c *Core) count(name string) { c.emit(Count{name}) }

// timers is a heap of peers, the one with the earliest deadline first.
type timers []*peer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].deadline.Before(t[j].deadline) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].timer, t[j].timer = i, j
}
func (t *timers) Push(x any) {
	p := x.(*peer)
	p.timer = len(*t)
	*t = append(*t, p)
}
func (t *timers) Pop() any {
	last := len(*t) - 1
	p := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	p.timer = -1
	return p
}

var _ heap.Interface = (*timers)(nil)
