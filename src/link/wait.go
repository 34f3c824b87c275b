package link

import (
	"context"
	"sync"
)

// line is where senders wait for room, one behind the other. It is guarded by the lock of the
// room that they wait for, which a wait gives back meanwhile.
type line struct {
	waiting int           // how many there are
	turn    chan struct{} // holds a token unless one of them is next; nil before the first waits
	again   chan struct{} // tells that one to look again; nil before
}

// enter waits until the caller is next. Whether it is or not, it leaves then.
func (l *line) enter(ctx context.Context, mu *sync.Mutex) error {
	if l.waiting++; l.turn == nil {
		l.turn, l.again = make(chan struct{}, 1), make(chan struct{}, 1)
		l.turn <- struct{}{}
	}
	return pass(ctx, l.turn, mu)
}

// wait waits until the one who is next is to look again.
func (l *line) wait(ctx context.Context, mu *sync.Mutex) error { return pass(ctx, l.again, mu) }

// leave is called by who has entered and, if it was next, makes way for another.
func (l *line) leave(next bool) {
	if l.waiting--; next {
		l.turn <- struct{}{}
	}
}

// look has the one look again who is next. It needs no lock once somebody has entered.
func (l *line) look() {
	select {
	case l.again <- struct{}{}:
	default:
	}
}

// news is what any number wait for together. It is guarded by a lock, which a wait gives back
// meanwhile.
type news struct {
	told chan struct{} // closed when there are some; nil if nobody waits
}

// wait waits for news.
func (n *news) wait(ctx context.Context, mu *sync.Mutex) error {
	if n.told == nil {
		n.told = make(chan struct{})
	}
	return pass(ctx, n.told, mu)
}

// tell has all look who wait.
func (n *news) tell() {
	if n.told != nil {
		close(n.told)
		n.told = nil
	}
}

// pass waits at a gate until it opens or ctx ends, without a lock that the caller holds.
func pass(ctx context.Context, gate <-chan struct{}, mu *sync.Mutex) error {
	mu.Unlock()
	defer mu.Lock()
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
