package server

import (
	"github.com/sjohnr/at-once/src/rendezvous"
)

// audience is who watches a network. But for woken it is under the lock of the server.
type audience struct {
	woken    chan struct{}
	watchers map[*connection]*watching
	tags     map[rendezvous.Tag]map[*connection]struct{} // who watches one
	behind   map[*connection]struct{}                    // who does not know all up to cursor
	cursor   uint64
}

// watching is what a node watches. From when it is there only the goroutine of its network
// touches the cursor.
type watching struct {
	tags   []rendezvous.Tag
	number uint32
	cursor uint64
}

func newAudience() *audience {
	return &audience{make(chan struct{}, 1), map[*connection]*watching{}, map[rendezvous.Tag]map[*connection]struct{}{}, map[*connection]struct{}{}, 0}
}

// enter begins to tell a node, which may have been told of other tags.
func (w *audience) enter(c *connection, what *watching) {
	w.leave(c)
	w.watchers[c], w.behind[c] = what, struct{}{}
	for _, tag := range what.tags {
		if w.tags[tag] == nil {
			w.tags[tag] = map[*connection]struct{}{}
		}
		w.tags[tag][c] = struct{}{}
	}
}

// leave tells a node no more.
func (w *audience) leave(c *connection) {
	what := w.watchers[c]
	if what == nil {
		return
	}
	for _, tag := range what.tags {
		if delete(w.tags[tag], c); len(w.tags[tag]) == 0 {
			delete(w.tags, tag)
		}
	}
	delete(w.watchers, c)
	delete(w.behind, c)
}

// wake has the watchers be told at once.
func (w *audience) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// outdated returns who is to be told of something: who is behind, and who watches a tag
// that has changed. All others know all up to now.
func (w *audience) outdated(changed map[rendezvous.Tag]bool, now uint64, known bool) map[*connection]struct{} {
	fallBehind := func(c *connection) {
		if _, already := w.behind[c]; !already {
			what := w.watchers[c]
			what.cursor = max(what.cursor, w.cursor)
			w.behind[c] = struct{}{}
		}
	}
	for tag := range changed {
		for c := range w.tags[tag] {
			fallBehind(c)
		}
	}
	if !known {
		for c := range w.watchers {
			fallBehind(c)
		}
	}
	w.cursor = now
	return w.behind
}
