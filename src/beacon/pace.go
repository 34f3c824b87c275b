package beacon

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Where many announce, each does so less often: a segment carries at most one
// beacon in segmentGap, 50 a second, per address family. Beyond maxCrowd nodes it
// is more, so that who invents nodes cannot silence others for longer than 20 s.
const (
	segmentGap = 20 * time.Millisecond
	maxCrowd   = 1000
)

// pace returns how long a node that hears others waits between two beacons.
func pace(interval time.Duration, others int) time.Duration {
	return max(interval, time.Duration(1+min(others, maxCrowd))*segmentGap)
}

// schedule spaces beacons. The first two waits are a sixteenth and a quarter of
// the interval, so that a lost first beacon does not cost a whole one; all vary
// by a tenth, so that nodes started together do not stay in step.
type schedule struct {
	next, interval time.Duration
	random         func() float64

	mu          sync.Mutex
	now, before map[uuid.UUID]bool // the nodes that were heard during the last two waits
}

func newSchedule(interval time.Duration, random func() float64) *schedule {
	s := &schedule{interval: interval, random: random, now: map[uuid.UUID]bool{}, before: map[uuid.UUID]bool{}}
	s.hurry()
	return s
}

// hurry begins anew with short waits.
func (s *schedule) hurry() { s.next = s.interval / 16 }

// wait returns how long to wait until the next beacon.
func (s *schedule) wait() time.Duration {
	wait := max(s.next, 1)
	s.next = min(4*wait, pace(s.interval, s.turn()))
	return time.Duration(float64(wait) * (0.9 + 0.2*s.random()))
}

// heard counts a node.
func (s *schedule) heard(id uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.now) < maxCrowd {
		s.now[id] = true
	}
}

// turn begins another wait and returns how many nodes were heard during the last two.
func (s *schedule) turn() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.before, s.now)
	n := len(s.before)
	s.now, s.before = map[uuid.UUID]bool{}, s.now
	return n
}
