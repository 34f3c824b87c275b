package link

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Sum bounds the memory of what waits in several outboxes together. None of them may take
// more of it than it leaves to the others, so that those which nobody empties leave room for
// those which somebody does. Beside that, an empty outbox has room for a buffer of the
// smallest size, and one of them at a time for any message.
//
// Of outboxes whose far sides are in doubt it is told when they have more than their share.
// Messages of ReserveControl count, and go beyond all this.
type Sum struct {
	most, share int64
	used        atomic.Int64         // octets of the buffers of all
	doubted     atomic.Int64         // of those in doubt
	alone       atomic.Pointer[line] // of the outbox that has let in a message that there was no room for
	waits       atomic.Bool          // there are some in waiting

	mu      sync.Mutex
	waiting []*line // of those who may have room once some is given back
}

// NewSum returns a sum of so many octets, of which outboxes in doubt may have a share.
func NewSum(most, share int) *Sum { return &Sum{most: int64(most), share: int64(share)} }

// Used returns how many octets the buffers have.
func (s *Sum) Used() int { return int(s.used.Load()) }

// Strained tells whether outboxes in doubt have more than their share.
func (s *Sum) Strained() bool { return s.doubted.Load() > s.share }

// fits tells whether an outbox that holds so many octets may take a buffer. An empty one for
// which there is no room has the place of the one that needs none, if that is free. An outbox is
// known by the line of its senders.
func (s *Sum) fits(l *line, held, buffer int) bool {
	if s == nil || buffer == 0 || int64(held+buffer) <= s.most-s.used.Load() || held == 0 && buffer <= smallBuffer {
		return true
	}
	return held == 0 && s.alone.CompareAndSwap(nil, l)
}

// expects has an outbox be told once when room is given back.
func (s *Sum) expects(l *line) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.waiting, l) {
		s.waiting = append(s.waiting, l)
	}
	s.waits.Store(true)
}

// take takes octets for a buffer of an outbox, and gives them back if they are negative.
func (s *Sum) take(octets int, doubted bool) {
	if s == nil {
		return
	}
	if doubted {
		s.doubted.Add(int64(octets))
	}
	if s.used.Add(int64(octets)); octets < 0 {
		s.wake()
	}
}

// doubt moves what an outbox has among what is in doubt, or back.
func (s *Sum) doubt(octets int) {
	if s != nil {
		s.doubted.Add(int64(octets))
	}
}

// leave notes that an outbox is empty.
func (s *Sum) leave(l *line) {
	if s != nil && s.alone.Load() == l {
		s.alone.Store(nil)
		s.wake()
	}
}

// wake has those look again who wait for room.
func (s *Sum) wake() {
	if !s.waits.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.waiting {
		l.look()
	}
	clear(s.waiting)
	s.waiting = s.waiting[:0]
	s.waits.Store(false)
}
