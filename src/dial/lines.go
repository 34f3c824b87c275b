package dial

import (
	"context"
	"errors"
	"sync"
)

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
	ctx, cancel := context.WithTimeoutCause(ctx, stagger, errOccupied)
	defer cancel()
	for {
		l.mu.Lock()
		free, occupied := l.at[endpoint]
		if !occupied {
			l.at[endpoint] = make(chan struct{})
			l.mu.Unlock()
			return nil
		}
		l.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (l *lines) leave(endpoint string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.at[endpoint])
	delete(l.at, endpoint)
}
