package server

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
)

// gather is how long changes are gathered before watchers are told.
const gather = oncemsg.MaxGather * time.Millisecond

// watches tell who watches a network of each change in it. One goroutine for each network does.
type watches struct {
	registry registry.Registry
	log      *slog.Logger
	served   func(*connection) bool // it is let in, and not about to end; called under the lock
	work     *sync.WaitGroup

	mu *sync.Mutex // of the server; guards what follows
	of map[rendezvous.Number]*audience
}

// watch begins to tell a node of those who have one of some tags, until ctx ends. The caller
// holds the lock.
func (w *watches) watch(ctx context.Context, network rendezvous.Number, c *connection, number uint32, m *oncemsg.Watch) *refusal {
	tags, ok := rendezvous.ParseTags(m.Tags)
	switch {
	case !ok:
		return refuse(machine.ReasonMalformed, "tags are of 8 octets, sorted, and none twice")
	case c.peer == nil:
		return refuse(machine.ReasonTurn, "publish first")
	}
	for _, tag := range tags {
		if _, tagged := w.registry.Size(network, tag); tagged > oncemsg.MaxWatchersTag {
			return refuse(machine.ReasonLarge, "%d nodes have the tag: list them", tagged)
		}
	}
	if len(tags) == 0 {
		w.leave(network, c)
		return nil
	}
	who := w.of[network]
	if who == nil {
		who = newAudience()
		w.of[network] = who
		w.work.Go(func() { w.tell(ctx, network, who) })
	}
	who.enter(c, &watching{tags, number, m.Cursor})
	who.wake()
	return nil
}

// leave tells a node no more. The caller holds the lock.
func (w *watches) leave(network rendezvous.Number, c *connection) {
	if who := w.of[network]; who != nil {
		who.leave(c)
	}
}

// wake has the watchers of a network be told at once. The caller holds the lock.
func (w *watches) wake(network rendezvous.Number) {
	if who := w.of[network]; who != nil {
		who.wake()
	}
}

// tell tells the watchers of a network of each change, until there are none.
func (w *watches) tell(ctx context.Context, network rendezvous.Number, who *audience) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		changed := w.registry.Watch(network)
		if behind := w.tellOnce(network, who); behind {
			retry.Reset(gather)
		}
		w.mu.Lock()
		if len(who.watchers) == 0 {
			delete(w.of, network)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-who.woken:
		case <-retry.C:
		case <-changed:
			link.Pause(ctx, gather)
		}
	}
}

// tellOnce tells each watcher what it does not know, as far as it has room, and whether
// somebody has none. What several do not know is encoded once.
func (w *watches) tellOnce(network rendezvous.Number, who *audience) (behind bool) {
	type watcher struct {
		*connection
		*watching
	}
	changed, now, known := w.registry.Changed(network, who.cursor) // which only this goroutine touches
	w.mu.Lock()
	var watchers []watcher
	for c := range who.outdated(changed, now, known) {
		if w.served(c) {
			watchers = append(watchers, watcher{c, who.watchers[c]})
		}
	}
	w.mu.Unlock()
	slices.SortFunc(watchers, func(a, b watcher) int {
		return cmp.Or(slices.CompareFunc(a.tags, b.tags, rendezvous.CompareTags), cmp.Compare(a.cursor, b.cursor))
	})
	deltas := deltas{registry: w.registry, log: w.log, network: network}
	told := watchers[:0]
	for _, c := range watchers {
		room, more := true, true
		for room && more {
			room, more = deltas.tell(c.connection, c.watching)
		}
		if room {
			told = append(told, c)
		}
		behind = behind || !room
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range told {
		if who.watchers[c.connection] == c.watching {
			delete(who.behind, c.connection)
		}
	}
	return behind
}
