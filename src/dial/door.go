package dial

import (
	"sync"
	"time"
)

// Of attempts that come second, one begins when the one before is over, or has lasted for
// alone. It lets those come in before who have connected to us and have yet to show who they
// are, while within crowded somebody has come to the door or in; but it does not wait longer
// than patience for all of that, whoever stands there.
const (
	alone    = 50 * time.Millisecond
	crowded  = 100 * time.Millisecond
	patience = time.Second
)

// door is where those are who have connected to us.
type door struct {
	mu    sync.Mutex
	there int           // who have yet to show who they are
	left  chan struct{} // closed when nobody is there any more; nil if nobody waits for that
	came  time.Time     // when somebody has come there or in last
}

// Knock says that somebody has connected to us who has yet to show who it is. What it returns
// is called once, when that has come in, or not.
func (d *Dialer) Knock() (over func(in bool)) {
	d.door.mu.Lock()
	defer d.door.mu.Unlock()
	d.door.there++
	d.door.came = time.Now()
	return d.door.leave
}

func (d *door) leave(in bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if in {
		d.came = time.Now()
	}
	if d.there--; d.there == 0 && d.left != nil {
		close(d.left)
		d.left = nil
	}
}

// waits returns for how long to let others come in, 0 if nobody is there or nobody has come of
// late, and what is closed when nobody is there any more.
func (d *door) waits() (most time.Duration, left <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if most = time.Until(d.came.Add(crowded)); d.there == 0 || most <= 0 {
		return 0, nil
	}
	if d.left == nil {
		d.left = make(chan struct{})
	}
	return most, d.left
}

// lets lets those come in who are there. It tells whether the attempt, which has waited since
// it began, goes on.
func (a *Attempt) lets(d *door, began time.Time) bool {
	for end := began.Add(patience); time.Now().Before(end) && !closed(a.urgent); {
		most, left := d.waits()
		if most == 0 {
			return true
		}
		select {
		case <-left:
		case <-time.After(min(most, time.Until(end))):
		case <-a.urgent:
		case <-a.needless:
			return false
		case <-a.ctx.Done():
			return false
		}
	}
	return true
}
