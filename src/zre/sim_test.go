package zre

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

var (
	oneSeed = flag.Int64("seed", -1, "the only seed of the simulation to run")
	seeds   = flag.Int("seeds", 0, "how many seeds of the simulation to run")
)

// networks is how many networks TestNetworksHeal has if no flag says so.
const networks = 2000

// forSeeds runs a test for each seed, or for the one that the flag names. As many as the
// other flag says are of TestNetworksHeal, and of the others as many in proportion.
func forSeeds(t *testing.T, long, short int, test func(*testing.T, uint64)) {
	from, to := 0, long
	switch {
	case *oneSeed >= 0:
		from, to = int(*oneSeed), int(*oneSeed)+1
	case *seeds > 0:
		to = max(1, *seeds*long/networks)
	case testing.Short():
		to = short
	}
	for seed := from; seed < to; seed++ {
		test(t, uint64(seed))
		if t.Failed() {
			return
		}
	}
}

// named has failures say how the history can be seen again.
type named struct {
	*testing.T
	seed uint64
}

func (n named) Fatalf(format string, args ...any) {
	n.Helper()
	n.T.Fatalf("seed %d (to replay: go test ./src/zre -run '^%s$' -seed %d): %s",
		n.seed, n.Name(), n.seed, fmt.Sprintf(format, args...))
}

// disturb lets something go wrong somewhere, again and again.
func (w *world) disturb() {
	if w.calm {
		return
	}
	h := w.hosts[w.random.IntN(len(w.hosts))]
	for range 3 {
		w.hosts[w.random.IntN(len(w.hosts))].chat()
	}
	switch n := w.random.IntN(22); {
	case !h.up():
	case n >= 20:
		h.busy = w.now.Add(w.busy[w.random.IntN(len(w.busy))])
	case n < 1:
		h.crash(w.chance(0.5))
		w.after(w.delay()*time.Duration(1+w.random.IntN(100)), h.restart)
	case n < 2:
		h.chat() // and ends at once
		h.stop()
		w.after(w.delay()*time.Duration(1+w.random.IntN(100)), h.restart)
	case n < 7:
		if cables := h.standing(); len(cables) > 0 {
			cables[w.random.IntN(len(cables))].cut(false)
		}
	case n < 8:
		w.part()
	case n < 9:
		h.jump(time.Duration(w.random.IntN(3600)) * time.Second)
	case n < 11:
		h.reword(fmt.Sprint(w.random.IntN(3)))
	default:
		h.change(group(w.random.IntN(4)))
	}
	w.after(time.Duration(w.random.IntN(2000))*time.Millisecond, w.disturb)
}

// chat has a host whisper to one of those it knows.
func (h *host) chat() {
	if h.core == nil {
		return
	}
	if ids := sortedIDs(h.view); len(ids) > 0 {
		h.whisper(ids[h.world.random.IntN(len(ids))])
	}
}

// restart starts a host that is down.
func (h *host) restart() {
	if !h.up() {
		h.start()
	}
}

// part cuts the network in two for a while, in both directions or one.
func (w *world) part() {
	side := map[*host]bool{}
	for _, h := range w.hosts {
		side[h] = w.chance(0.5)
	}
	oneWay := w.chance(0.5)
	var parted [][2]*host
	for _, a := range w.hosts {
		for _, b := range w.hosts {
			if pair := [2]*host{a, b}; side[a] != side[b] && (side[a] || !oneWay) && !w.parted[pair] {
				parted = append(parted, pair)
				w.parted[pair] = true
			}
		}
	}
	w.after(time.Duration(w.random.IntN(45))*time.Second, func() {
		for _, pair := range parted {
			delete(w.parted, pair)
			w.troubled(pair[0], pair[1])
		}
	})
}

// live lets a world be disturbed for a while, and then heal.
func (w *world) live(disturbed, healing time.Duration) {
	w.upset(disturbed)
	w.heal(healing)
}

// upset disturbs a world for a while.
func (w *world) upset(disturbed time.Duration) {
	w.after(time.Second, w.disturb)
	w.run(disturbed)
	w.calm = true
	for _, h := range w.hosts {
		h.busy = time.Time{}
	}
}

// heal gives a world some time, after which all must know all and nothing goes on.
func (w *world) heal(healing time.Duration) {
	w.run(healing - time.Minute)
	hellos, dials := w.hellos, w.dials
	w.run(time.Minute)
	if err := w.converged(); err != nil {
		w.t.Fatalf("%v", err)
	}
	if w.hellos > hellos {
		w.t.Fatalf("there were %d greetings in a minute in which nothing happened", w.hellos-hellos)
	}
	if w.dials > dials {
		w.t.Fatalf("there were %d attempts to connect in a minute in which nothing happened", w.dials-dials)
	}
	if lost := w.converse(); len(lost) > 0 {
		w.t.Fatalf("%d messages did not arrive, of them %v", len(lost), lost[0])
	}
}

// TestNetworksHeal lets small networks go through all that can go wrong. Each
// event is held against the truth; in the end all must know all.
func TestNetworksHeal(t *testing.T) {
	forSeeds(t, networks, 100, func(t *testing.T, seed uint64) {
		w := newWorld(named{t, seed}, seed, 2+int(seed%6), int(seed/6%3))
		w.live(time.Minute, 2*time.Minute)
	})
}

// TestNetworksOfTwins lets networks go through that in which two hosts have one identity.
// The one that started later counts with all others, and the other does not keep them
// busy. When one of them has gone, all is as if there had been no other.
func TestNetworksOfTwins(t *testing.T) {
	forSeeds(t, 300, 20, func(t *testing.T, seed uint64) {
		w := newWorld(named{t, seed}, seed, 3+int(seed%5), 0)
		a, b := w.hosts[0], w.hosts[1]
		a.twin, b.twin, b.id = b, a, a.id
		w.upset(time.Minute)
		a.restart()
		b.restart()
		w.run(time.Minute)
		dials := w.dials
		w.run(time.Minute)
		if limit := 20 * (len(w.hosts) - 2); w.dials-dials > limit {
			w.t.Fatalf("there were %d attempts to connect in a minute, more than %d", w.dials-dials, limit)
		}
		if err := w.converged(); err != nil {
			w.t.Fatalf("while there are two: %v", err)
		}
		if lost := w.converse(); len(lost) > 0 {
			w.t.Fatalf("while there are two %d messages did not arrive, of them %v", len(lost), lost[0])
		}
		gone := w.hosts[w.random.IntN(2)]
		if w.chance(0.5) {
			gone.stop()
		} else {
			gone.crash(w.chance(0.5))
		}
		gone.twin.twin = nil
		w.hosts = slices.DeleteFunc(w.hosts, func(h *host) bool { return h == gone })
		w.heal(2 * time.Minute)
	})
}

// TestNetworksWithBusyHosts lets applications take nothing for five minutes, while all
// else goes on.
func TestNetworksWithBusyHosts(t *testing.T) {
	forSeeds(t, 100, 10, func(t *testing.T, seed uint64) {
		w := newWorld(named{t, seed}, seed, 2+int(seed%6), int(seed/6%3))
		w.busy = append(w.busy, 5*time.Minute)
		w.live(6*time.Minute, 2*time.Minute)
	})
}

// TestNetworksReplay proves that a seed is a history.
func TestNetworksReplay(t *testing.T) {
	var digests [2]uint64
	for i := range digests {
		w := newWorld(t, 7, 6, 2)
		w.live(2*time.Minute, 3*time.Minute)
		digests[i] = w.digest
	}
	if digests[0] != digests[1] {
		t.Fatalf("the same seed gave two histories: %x and %x", digests[0], digests[1])
	}
}

// TestLargeNetworksHeal has 200 nodes, and thirty times as much go wrong.
func TestLargeNetworksHeal(t *testing.T) {
	size := 200
	if testing.Short() {
		size = 40
	}
	w := newWorld(t, 1, size-size/20, size/20)
	w.interval = 5 * time.Second
	for range size / 7 {
		w.after(time.Second, w.disturb)
	}
	w.live(30*time.Second, 3*time.Minute)
}

// TestRestarts has a neighbour start a thousand times in a minute.
func TestRestarts(t *testing.T) {
	const restarts = 1000
	w := newWorld(t, 3, 6, 1)
	w.run(10 * time.Second)
	if err := w.converged(); err != nil {
		t.Fatal(err)
	}
	mad, before := w.hosts[0], w.sent
	for range restarts {
		mad.crash(false)
		mad.start()
		w.run(time.Minute / restarts)
	}
	if limit := 2 * restarts * (len(w.hosts) - 1); w.sent-before > limit {
		t.Errorf("%d messages for %d restarts, more than %d", w.sent-before, restarts, limit)
	}
	w.run(time.Minute)
	if err := w.converged(); err != nil {
		t.Error(err)
	}
}
