package files

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/oncefiles"
)

// window is how many READs may be under way, so that their DATA waits for about delay in
// the queues between the two sides. It grows fast until something waits, and slowly then.
// The zero value begins.
type window struct {
	size   int           // 0 before the first has changed it
	least  time.Duration // the shortest that one took
	passed int           // how many came since the size has changed
	busy   bool          // something has waited
}

const (
	leastWindow = 2
	delay       = oncefiles.MaxDelay * time.Millisecond
)

// room returns how many may be under way.
func (w *window) room() int { return max(w.size, leastWindow) }

// arrived tells how long it took from a READ to its DATA.
func (w *window) arrived(took time.Duration) {
	if w.least == 0 || took < w.least {
		w.least = took
	}
	w.passed++
	isLate, isRound := took-w.least > delay, w.passed >= w.room()
	switch {
	case isLate && (isRound || !w.busy):
		w.resize(w.room() * 3 / 4)
		w.busy = true
	case !isLate && (isRound || !w.busy):
		w.resize(w.room() + 1)
	}
}

func (w *window) resize(size int) {
	w.size, w.passed = min(size, oncefiles.MaxWindow), 0
}
