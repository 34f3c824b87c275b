package dial

import (
	"context"
	"errors"
	"sync"
	"time"
)

// stagger is how long an attempt has before the next endpoint is tried beside it.
const stagger = 250 * time.Millisecond

// lines are the endpoints to which the node has a connection, is making one, or has
// not ended it yet. There is one at a time to each: a ROUTER of libzmq does not read
// two of one identity.
type lines struct {
	mu sync.Mutex
	at map[string]chan struct{} // closed when the line is free
}

var errOccupied = errors.New("there is a connection to that endpoint already")

// enter waits a moment for a line to be free, as one is soon whose connection is ending.
func (l *lines) enter(ctx context.Context, endpoint string) error {
	free := l.take(endpoint)
	if free == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, stagger, errOccupied)
	defer cancel()
	for ; free != nil; free = l.take(endpoint) {
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// take takes a line, or returns what is closed when it is free.
func (l *lines) take(endpoint string) (free chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if free = l.at[endpoint]; free == nil {
		l.at[endpoint] = make(chan struct{})
	}
	return free
}

func (l *lines) leave(endpoint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.at[endpoint])
	delete(l.at, endpoint)
}
