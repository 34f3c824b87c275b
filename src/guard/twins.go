package guard

import (
	"maps"
	"sync"
	"time"

	"github.com/sjohnr/at-once/src/sight"
)

// MaxTwins is how many twins are remembered; further ones are not. Anybody can send a
// sighting in this node's name.
const MaxTwins = 16

// Twins are other nodes with this node's id. A host with several addresses is one, so that
// the port tells them apart. The zero value has none. Its methods are safe for concurrent
// use.
type Twins struct {
	mu    sync.Mutex
	known map[uint16]*twin
}

type twin struct {
	since time.Time // when it was first seen
	seen  time.Time // the latest
	told  time.Time
}

// Seen notes that a twin was seen at an endpoint. It returns since when, and whether that
// is to be told, as it is once in a while.
func (t *Twins) Seen(at sight.Endpoint, now time.Time) (since time.Time, tell bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.known, func(_ uint16, w *twin) bool { return now.Sub(w.seen) >= RefusalLife })
	w := t.known[at.Port()]
	switch {
	case w == nil && len(t.known) >= MaxTwins:
		return now, false
	case w == nil:
		if t.known == nil {
			t.known = map[uint16]*twin{}
		}
		w = &twin{since: now, told: now.Add(-RefusalLife)}
		t.known[at.Port()] = w
	}
	if w.seen = now; now.Sub(w.told) < RefusalLife {
		return w.since, false
	}
	w.told = now
	return w.since, true
}
