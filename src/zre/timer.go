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

// set sets a timer, or unsets it if at is zero.
func (c *Core) set(t *timer, at time.Time) {
	t.at = at
	switch {
	case at.IsZero() && t.place > 0:
		heap.Remove(&c.timers, t.place-1)
	case at.IsZero():
	case t.place > 0:
		heap.Fix(&c.timers, t.place-1)
	default:
		heap.Push(&c.timers, t)
	}
}

// timers is a heap, the timer that is due first on top.
type timers []*timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i+1, j+1
}
func (t *timers) Push(x any) {
	*t = append(*t, x.(*timer))
	x.(*timer).place = len(*t)
}
func (t *timers) Pop() any {
	last := len(*t) - 1
	top := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	top.place = 0
	return top
}
