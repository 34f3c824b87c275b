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
