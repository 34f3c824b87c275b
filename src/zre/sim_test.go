package zre

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// world is a network of cores in virtual time and one thread. The same seed
// gives the same history.
//
//	beacons: each host every second, each copy lost with probability loss
//	links:   one direction each, in order, delayed; cut at random, with all that
//	         is under way on them lost
//	hosts:   restart at random, with the same id and a higher incarnation
type world struct {
	t      *testing.T
	random *rand.Rand
	now    time.Time
	queue  happenings
	order  int
	hosts  []*host
	links  LinkID
	loss   float64
	calm   bool // no more cuts and restarts
}

// host is a core with what surrounds it.
type host struct {
	world *world
	id    uuid.UUID
	core  *Core
	life  uint64               // incarnation; things meant for an earlier one are dropped
	calls map[uuid.UUID]*cable // connections that it makes
	heard map[uuid.UUID]time.Time
	in    map[LinkID]*cable
	view  map[uuid.UUID][]string // what its application knows: who is here, in which groups
	doubt map[uuid.UUID]bool     // and who is suspect
	own   map[string]bool
	timer time.Time
}

// cable is a connection from one host to another.
type cable struct {
	id       LinkID
	from, to *host
	up, dead bool
	last     time.Time // arrival of the latest message
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
	*h = (*h)[:len(*h)-1]
	return last
}

func newWorld(t *testing.T, seed uint64, hosts int, loss float64) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0), loss: loss}
	for range hosts {
		h := &host{world: w, own: map[string]bool{}}
		w.random.Uint64()
		for i := range h.id {
			h.id[i] = byte(w.random.Uint32())
		}
		w.hosts = append(w.hosts, h)
		w.after(w.delay(), h.start)
	}
	return w
}

func (w *world) delay() time.Duration { return time.Duration(1+w.random.IntN(50)) * time.Millisecond }

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

func (h *host) start() {
	h.life++
	h.calls, h.in = map[uuid.UUID]*cable{}, map[LinkID]*cable{}
	h.heard, h.view = map[uuid.UUID]time.Time{}, map[uuid.UUID][]string{}
	h.doubt = map[uuid.UUID]bool{}
	h.core = New(Config{
		ID: h.id, Name: h.id.String()[:6], Incarnation: h.life,
		Greeting: 10 * time.Second, Evasive: 5 * time.Second, Silent: 10 * time.Second, Expired: 30 * time.Second,
		Heard: func(id uuid.UUID) (time.Time, bool) { return h.heard[id], false },
	})
	for group := range h.own {
		h.core.Step(h.world.now, Join{group})
	}
	h.beacon(h.life)
}

// crash takes a host down without a word and starts it again later.
func (h *host) crash() {
	for _, w := range h.calls {
		w.cut()
	}
	for _, w := range h.in {
		w.cut()
	}
	h.life++
	h.core = nil
	h.world.after(h.world.delay()*20, h.start)
}

func (h *host) endpoint() string {
	return fmt.Sprintf("tcp://10.0.0.1:%d", 1000+slices.Index(h.world.hosts, h))
}

func (h *host) beacon(life uint64) {
	if h.life != life {
		return
	}
	for _, other := range h.world.hosts {
		if other != h && h.world.random.Float64() >= h.world.loss {
			h.world.after(h.world.delay(), func() { other.step(Sighted{h.id, h.endpoint()}) })
		}
	}
	h.world.after(time.Second, func() { h.beacon(life) })
}

func (h *host) step(in Input) {
	if h.core == nil {
		return
	}
	for _, out := range h.core.Step(h.world.now, in) {
		h.carryOut(out)
	}
	if d := h.core.Deadline(); !d.IsZero() && !d.Equal(h.timer) {
		h.timer = d
		life := h.life
		h.world.at(d, func() {
			if h.life == life && h.timer.Equal(d) {
				h.timer = time.Time{}
				h.step(Tick{})
			}
		})
	}
}

func (h *host) carryOut(out Output) {
	switch out := out.(type) {
	case Connect:
		if w := h.calls[out.Peer]; w == nil || w.dead || w.up {
			h.connect(out.Peer)
		}
	case Disconnect:
		if w := h.calls[out.Peer]; w != nil {
			delete(h.calls, out.Peer)
			w.finish()
		}
	case Send:
		if w := h.calls[out.Peer]; w != nil && w.up {
			w.carry(out.Message)
		}
	case Reject:
		if w := h.in[out.Link]; w != nil {
			w.cut()
		}
	case Event:
		h.check(out)
	}
}

// connect makes a connection after a while, or finds the other host down.
func (h *host) connect(peer uuid.UUID) {
	w := &cable{from: h}
	h.calls[peer] = w
	life := h.life
	h.world.after(h.world.delay(), func() {
		if h.life != life || h.calls[peer] != w {
			return
		}
		at := slices.IndexFunc(h.world.hosts, func(o *host) bool { return o.id == peer })
		w.to = h.world.hosts[at]
		if w.to.core == nil {
			delete(h.calls, peer)
			h.step(Refused{peer})
			if h.calls[peer] == nil {
				h.world.after(time.Second, func() {
					if h.life == life && h.calls[peer] == nil && h.core.peers[peer] != nil && !h.core.peers[peer].greets {
						h.connect(peer)
					}
				})
			}
			return
		}
		h.world.links++
		w.id, w.up = h.world.links, true
		w.to.in[w.id] = w
		h.step(Linked{peer, h.endpoint()})
	})
}

// carry sends a message over the connection, in order.
func (w *cable) carry(m zremsg.Message) { w.then(func() { w.arrive(m) }) }

func (w *cable) then(do func()) {
	world := w.from.world
	at := world.now.Add(world.delay())
	if at.Before(w.last) {
		at = w.last
	}
	w.last = at
	world.at(at, func() {
		if !w.dead {
			do()
		}
	})
}

func (w *cable) arrive(m zremsg.Message) {
	w.to.heard[w.from.id] = w.from.world.now
	w.to.step(Heard{w.from.id, w.id, m})
}

// finish closes the connection once all that was sent has arrived.
func (w *cable) finish() {
	if w.up {
		w.then(w.cut)
	}
	w.up = false
}

// cut breaks the connection; both ends see it, at different times.
func (w *cable) cut() {
	if w.dead || w.to == nil {
		return
	}
	w.dead, w.up = true, false
	from, to, world := w.from, w.to, w.from.world
	fromLife, toLife := from.life, to.life
	world.after(world.delay(), func() {
		if from.life == fromLife && from.calls[to.id] == w {
			from.step(Unlinked{to.id})
		}
	})
	world.after(world.delay(), func() {
		if to.life == toLife {
			delete(to.in, w.id)
			to.step(Muted{from.id, w.id})
		}
	})
}

// check holds an event against what the application knows.
func (h *host) check(e Event) {
	groups, known := h.view[e.Peer.id]
	at, in := slices.BinarySearch(groups, e.Group)
	ok := known
	switch e.Type {
	case api.EventTypeEnter:
		ok = !known
		h.view[e.Peer.id] = nil
	case api.EventTypeExit:
		delete(h.view, e.Peer.id)
		delete(h.doubt, e.Peer.id)
	case api.EventTypeSuspect, api.EventTypeRecover:
		ok = ok && h.doubt[e.Peer.id] == (e.Type == api.EventTypeRecover)
		h.doubt[e.Peer.id] = e.Type == api.EventTypeSuspect
	case api.EventTypeJoin:
		ok = ok && !in
		h.view[e.Peer.id] = slices.Insert(slices.Clone(groups), at, e.Group)
	case api.EventTypeLeave:
		ok = ok && in
		if in {
			h.view[e.Peer.id] = slices.Delete(slices.Clone(groups), at, at+1)
		}
	}
	if !ok {
		h.world.t.Fatalf("%s: event %s of %s %q comes out of turn (known %v, in group %v)",
			h.id, e.Type, e.Peer.id, e.Group, known, in)
	}
}

// disturb lets something go wrong somewhere.
func (w *world) disturb() {
	if w.calm {
		return
	}
	h := w.hosts[w.random.IntN(len(w.hosts))]
	group := fmt.Sprintf("group %d", w.random.IntN(4))
	switch {
	case h.core == nil:
	case w.random.IntN(10) == 0:
		h.crash()
	case w.random.IntN(3) == 0:
		ids := make([]LinkID, 0, len(h.in))
		for id := range h.in {
			ids = append(ids, id)
		}
		if slices.Sort(ids); len(ids) > 0 {
			h.in[ids[w.random.IntN(len(ids))]].cut()
		}
	case h.own[group]:
		delete(h.own, group)
		h.step(Leave{group})
	default:
		h.own[group] = true
		h.step(Join{group})
	}
	w.after(time.Duration(w.random.IntN(2000))*time.Millisecond, w.disturb)
}

// converged tells who does not know what there is to know, if anybody.
func (w *world) converged() error {
	for _, h := range w.hosts {
		for _, other := range w.hosts {
			if other == h {
				continue
			}
			groups, known := h.view[other.id]
			if want := other.core.OwnGroups(); !known || h.doubt[other.id] || !slices.Equal(groups, want) {
				return fmt.Errorf("%s knows %s: %v in %v, should be in %v", h.id, other.id, known, groups, want)
			}
		}
		if len(h.view) != len(w.hosts)-1 {
			return fmt.Errorf("%s knows %d peers of %d", h.id, len(h.view), len(w.hosts)-1)
		}
	}
	return nil
}

func TestNetworksHeal(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 30
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := newWorld(t, seed, 2+int(seed%7), 0.3)
			w.after(time.Second, w.disturb)
			w.run(2 * time.Minute)
			w.calm = true
			w.run(2 * time.Minute)
			if err := w.converged(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
