package zre

import (
	"cmp"
	"container/heap"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
)

// The time-outs of all hosts.
const (
	greeting = 10 * time.Second
	evasive  = 5 * time.Second
	silent   = 10 * time.Second
	expired  = 30 * time.Second
)

// world is a network of cores in virtual time and one thread. The same seed
// gives the same history.
//
//	beacons: from each host to each at intervals; lost with a probability,
//	         overtaken by later ones
//	cables:  one direction each, in order, delayed; cut at random, with all that
//	         is under way on them lost; stalled while the two are parted
//	hosts:   ours and plain ones (see zyre); they stop, crash and start again, at
//	         another port or the same, as themselves or, plain ones always, as
//	         somebody else; their clocks jump forward, their applications are slow;
//	         two of them have one identity
//	content: numbered, between all; some takes long on its way
//	parts:   who cannot reach whom, both ways or one
type world struct {
	t         testing.TB
	random    *rand.Rand
	now       time.Time
	queue     happenings
	order     int
	hosts     []*host
	links     LinkID
	dials     int
	handover  bool             // plain hosts read the latest connection of an identity, else the first
	taken     map[way]int      // the number of the latest content that arrived
	got       map[content]bool // all of it
	loss      float64          // of beacons
	interval  time.Duration
	busy      []time.Duration // how long applications take nothing
	calm      bool            // nothing goes wrong any more
	parted    map[[2]*host]bool
	trouble   map[[2]*host]time.Time // when a pair last had some
	pasts     map[life][]string      // the groups that each life was in, one after the other
	sent      int                    // messages
	hellos    int                    // of them
	elections int                    // of them, those about elections
	digest    uint64                 // of all events
}

// life names one life of a host.
type life struct {
	id          uuid.UUID
	incarnation uint64 // 0 for plain hosts, which have another id each time
}

// host is a node with what surrounds it.
type host struct {
	world     *world
	number    int
	id        uuid.UUID
	core      *Core // nil while it is down, and of plain hosts
	zyre      *zyre // of plain hosts that are up
	plain     bool
	lives     uint64 // ours have it as incarnation
	ahead     time.Duration
	calls     map[uuid.UUID]*cable // connections that it makes
	outbound  map[LinkID]*cable    // of those, what stands
	cables    map[*cable]bool      // those that it made, until they are gone
	ways      map[uuid.UUID]*cable // those that content may go over
	numbers   map[uuid.UUID]int    // of the latest content sent
	sequences map[uuid.UUID]uint16 // of the latest message of each
	started   time.Time            // when it last did
	fixed     bool                 // it has the same port each time
	twin      *host                // has the same identity
	busy      time.Time            // its application takes nothing until then
	in        map[LinkID]*cable
	heard     map[uuid.UUID]time.Time
	own       map[string]bool
	contests  map[string]bool
	mood      string    // its header, empty for none
	timer     time.Time // of the core, by the world's time
	belief
}

type happening struct {
	at    time.Time
	order int
	do    func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].order < h[j].order
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = happening{}
	*h = (*h)[:len(*h)-1]
	return last
}

// newWorld makes a world of hosts that are about to start, the last ones plain.
func newWorld(t testing.TB, seed uint64, hosts, plain int) *world {
	w := &world{
		t: t, random: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), loss: 0.3, interval: time.Second,
		busy:  []time.Duration{5 * time.Second, 25 * time.Second, 40 * time.Second},
		taken: map[way]int{}, got: map[content]bool{}, parted: map[[2]*host]bool{}, trouble: map[[2]*host]time.Time{}, pasts: map[life][]string{},
	}
	w.handover = w.chance(0.5)
	for i := range hosts + plain {
		h := &host{world: w, number: i, id: w.newID(), plain: i >= hosts, fixed: i >= hosts || w.chance(0.3), own: map[string]bool{}, contests: map[string]bool{}}
		for g := range 4 {
			if w.chance(0.3) {
				h.contests[group(g)] = true
			}
		}
		w.hosts = append(w.hosts, h)
		w.after(w.delay(), h.start)
	}
	return w
}

func group(number int) string { return fmt.Sprintf("group %d", number) }

func (w *world) newID() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(w.random.Uint32())
	}
	return id
}

func (w *world) delay() time.Duration  { return time.Duration(1+w.random.IntN(50)) * time.Millisecond }
func (w *world) chance(p float64) bool { return w.random.Float64() < p }

func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

func (w *world) at(at time.Time, do func()) {
	w.order++
	heap.Push(&w.queue, happening{at, w.order, do})
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && w.queue[0].at.Before(end) {
		next := heap.Pop(&w.queue).(happening)
		w.now = next.at
		next.do()
	}
	w.now = end
}

// find returns the host with an identity; of twins the one that counts.
func (w *world) find(id uuid.UUID) *host {
	for _, h := range w.hosts {
		if h.id == id && !h.outdone() {
			return h
		}
	}
	return nil
}

// number returns a host's number, or -1 for one that has started anew as another.
func (w *world) number(id uuid.UUID) int {
	if h := w.find(id); h != nil {
		return h.number
	}
	return -1
}

// apart tells whether one of two hosts cannot reach the other: then no
// connection works between them.
func (w *world) apart(a, b *host) bool {
	return w.parted[[2]*host{a, b}] || w.parted[[2]*host{b, a}]
}

// troubled notes that a pair of hosts has trouble, or had until now.
func (w *world) troubled(a, b *host) {
	w.trouble[[2]*host{a, b}], w.trouble[[2]*host{b, a}] = w.now, w.now
}

func (h *host) up() bool       { return h.core != nil || h.zyre != nil }
func (h *host) now() time.Time { return h.world.now.Add(h.ahead) }

func (h *host) endpoint() sight.Endpoint {
	port := 1000 + uint16(h.lives)
	if h.fixed {
		port = 1000
	}
	return sight.At(fmt.Sprintf("10.0.0.%d", h.number), port)
}

// listener returns who listens at an endpoint, nil if nobody does.
func (w *world) listener(endpoint sight.Endpoint) *host {
	for _, h := range w.hosts {
		if h.up() && h.endpoint() == endpoint {
			return h
		}
	}
	return nil
}

// life names the host's present life as those who meet it see it.
func (h *host) life() life { return life{h.id, h.incarnation()} }

func (h *host) incarnation() uint64 {
	if h.plain {
		return 0
	}
	return h.lives
}

// outdone tells whether a twin of the host has started later.
func (h *host) outdone() bool {
	return h.twin != nil && h.twin.up() && (!h.up() || h.twin.lives > h.lives)
}

// start brings a host up with the groups that it was in.
func (h *host) start() {
	if h.twin != nil {
		h.lives = max(h.lives, h.twin.lives)
	}
	h.lives++
	h.calls, h.outbound = map[uuid.UUID]*cable{}, map[LinkID]*cable{}
	h.in, h.heard = map[LinkID]*cable{}, map[uuid.UUID]time.Time{}
	h.cables, h.ways, h.numbers = map[*cable]bool{}, map[uuid.UUID]*cable{}, map[uuid.UUID]int{}
	h.sequences, h.started = map[uuid.UUID]uint16{}, h.world.now
	h.belief = newBelief()
	h.timer = time.Time{}
	if h.plain {
		h.id = h.world.newID()
		h.zyre = newZyre(h)
	} else {
		if h.fixed && h.twin == nil && h.world.chance(0.3) {
			h.id = h.world.newID()
		}
		h.core = New(Config{
			ID: h.id, Name: h.id.String()[:6], Incarnation: h.lives, Beacons: true,
			Greeting: greeting, Evasive: evasive, Silent: silent, Expired: expired,
			Signs: h.signs, Headers: h.headers(),
		})
		for _, group := range slices.Sorted(maps.Keys(h.contests)) {
			h.step(Contest{group})
		}
		for _, group := range slices.Sorted(maps.Keys(h.own)) {
			h.step(Join{group})
		}
	}
	h.remember()
	h.beacon(h.lives)
}

// change joins a group or leaves it.
func (h *host) change(group string) {
	was := h.own[group]
	if was {
		delete(h.own, group)
	} else {
		h.own[group] = true
	}
	h.remember()
	switch {
	case h.zyre != nil:
		h.zyre.change(group, !was)
	case was:
		delete(h.leaders, group)
		h.step(Leave{group})
	default:
		h.step(Join{group})
	}
}

// reword changes a header of a host that can; without a text it has none.
func (h *host) reword(text string) {
	if h.core != nil {
		h.mood = strings.TrimPrefix(text, "0")
		h.step(Reworded{h.headers()})
	}
}

func (h *host) headers() []wire.Pair {
	if h.mood == "" {
		return nil
	}
	return []wire.Pair{{Key: "MOOD", Value: h.mood}}
}

// remember notes the groups that the host is in now.
func (h *host) remember() {
	h.world.pasts[h.life()] = append(h.world.pasts[h.life()], groupsText(slices.Sorted(maps.Keys(h.own))))
}

// stop ends a host in order, crash without a word. Those connected to one whose
// machine is off notice late.
func (h *host) stop() {
	h.sayAll(Vanished{h.id})
	if h.core != nil {
		h.step(Stop{})
	}
	for _, c := range h.standing() {
		c.finish()
	}
	h.down()
}

func (h *host) crash(off bool) {
	for _, c := range h.standing() {
		c.cut(off)
	}
	h.down()
}

func (h *host) down() {
	for _, other := range h.world.hosts {
		h.world.troubled(h, other)
	}
	h.core, h.zyre, h.calls, h.outbound, h.in = nil, nil, nil, nil, nil
}

// standing returns all connections of the host that stand, in the order in which
// they were made.
func (h *host) standing() []*cable {
	var all []*cable
	for _, c := range h.calls {
		if c.up {
			all = append(all, c)
		}
	}
	all = slices.AppendSeq(all, maps.Values(h.in))
	slices.SortFunc(all, func(a, b *cable) int { return cmp.Compare(a.id, b.id) })
	return all
}

// jump lets the host's clock jump forward, as it does after sleep.
func (h *host) jump(d time.Duration) {
	h.ahead += d
	h.jumped = h.world.now
	h.step(Tick{})
}

func (h *host) beacon(life uint64) {
	if h.lives != life || !h.up() {
		return
	}
	h.sayAll(Sighted{h.id, h.endpoint()})
	h.world.after(h.world.interval*time.Duration(90+h.world.random.IntN(20))/100, func() { h.beacon(life) })
}

// sayAll broadcasts what a beacon says. Copies are lost and overtake each other.
// Plain hosts are ours to get along with, not each other's.
func (h *host) sayAll(in Input) {
	for _, other := range h.world.hosts {
		if other == h || h.plain && other.plain || h.world.parted[[2]*host{h, other}] || h.world.chance(h.world.loss) {
			continue
		}
		late := h.world.delay()
		if h.world.chance(0.01) {
			late *= 20
		}
		h.world.after(late, func() { other.step(in) })
	}
}

// step lets the host take an input, and holds what comes of it against the truth.
func (h *host) step(in Input) {
	if h.zyre != nil {
		h.zyre.step(in)
		return
	}
	if h.core == nil {
		return
	}
	for _, out := range h.core.Step(h.now(), in) {
		h.carryOut(out)
	}
	h.reflect()
	d := h.core.Deadline()
	if d.IsZero() {
		return
	}
	if at := d.Add(-h.ahead); !at.Equal(h.timer) {
		h.timer = at
		lives := h.lives
		h.world.at(at, func() {
			if h.lives == lives && h.timer.Equal(at) {
				h.timer = time.Time{}
				h.step(Tick{})
			}
		})
	}
}

func (h *host) carryOut(out Output) {
	switch out := out.(type) {
	case Connect:
		if c := h.calls[out.Peer]; c == nil || c.dead || c.up {
			h.dial(out.Peer, out.Endpoints)
		} else {
			c.endpoints = out.Endpoints
		}
	case Withdraw:
		if c := h.calls[out.Peer]; c != nil && c.up {
			h.fail("a connection that stands is taken for an attempt")
		}
		h.hangUp(out.Peer)
	case Disconnect:
		h.hangUp(h.made(out.Link).peer)
	case Send:
		if c := h.made(out.Link); c.up {
			c.carry(out.Message)
		}
	case Admit:
		if c := h.in[out.Link]; c != nil {
			c.admitted = true
		}
	case Reject:
		if c := h.in[out.Link]; c != nil {
			c.dismissed = true
			c.cut(false)
		}
	case Finish:
		if c := h.in[out.Link]; c != nil {
			c.heir = h.in[out.Next]
			h.world.after(1, c.drain)
		}
	case Adopt:
		c := h.made(out.Link)
		delete(h.calls, c.peer)
		h.hangUp(out.To)
		h.calls[out.To], c.peer = c, out.To
		if len(c.said) > 0 {
			h.fail("a connection that content went over is given away")
		}
	case Proven:
		h.ways[out.Peer] = h.made(out.Link)
	case Answered:
		h.confirmed(h.made(out.Link), out.Count)
	case Forgot:
		c := h.made(out.Link)
		c.said, c.asked = nil, nil
	case Unreachable:
		id, since := out.Peer.id, func(at time.Time) time.Duration { return h.world.now.Sub(at) }
		// A busy one answers a new life when it has taken what an earlier one said.
		if other := h.world.find(id); other != nil && !h.outdone() && since(other.busy) > 3*greeting &&
			!h.hadTrouble(id, 3*greeting) && since(h.jumped) > greeting {
			h.fail("host %d counts as unreachable, though all was well", other.number)
		}
	case Event:
		h.check(out)
	}
}

// made returns the connection that the host's core names: it names those only that the
// host has made and has not told it to be lost.
func (h *host) made(link LinkID) *cable {
	c := h.outbound[link]
	if c == nil || h.calls[c.peer] != c {
		h.fail("connection %d does not stand", link)
	}
	return c
}

func (h *host) hangUp(peer uuid.UUID) {
	if c := h.calls[peer]; c != nil {
		delete(h.calls, peer)
		delete(h.outbound, c.id)
		c.finish()
	}
}
