package zre

import (
	"container/heap"
	"time"
)

// timer is a time at which something is due. It is not set as long as at is
// zero.
type timer struct {
	at    time.Time
	early bool   // due may also be called a little early
	due   func() // sets the timer anew or unsets it
	place int    // in the heap, counted from 1; 0 if the timer is not set
}

// timers is a heap, the timer that is due first on top.
type timers []*timer

// set sets a timer, or unsets it if at is zero.
func (h *timers) set(t *timer, at time.Time) {
	t.at = at
	switch {
	case at.IsZero() && t.place > 0:
		heap.Remove(h, t.place-1)
	case at.IsZero():
	case t.place > 0:
		heap.Fix(h, t.place-1)
	default:
		heap.Push(h, t)
	}
}

// expire calls what is due, and, of what may be early, what is due soon.
func (h *timers) expire(now time.Time, soon time.Duration) {
	for len(*h) > 0 {
		next, due := (*h)[0], now
		if next.early {
			due = due.Add(soon)
		}
		if next.at.After(due) {
			return
		}
		next.due()
	}
}

func (h timers) Len() int           { return len(h) }
func (h timers) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h timers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i+1, j+1
}
func (h *timers) Push(x any) {
	*h = append(*h, x.(*timer))
	x.(*timer).place = len(*h)
}
func (h *timers) Pop() any {
	last := len(*h) - 1
	top := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	top.place = 0
	return top
}
