package node

import (
	"errors"
	"sync"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
)

// life is what a node is while it runs. The lock is taken after that of the settings.
type life struct {
	mu     sync.RWMutex // guards what follows, which is nil before the start
	phase  phase
	loop   *loop
	ears   *ears
	server *control.Server // nil if the node is not shared
	quit   func()          // tells the world that the node is gone

	done chan struct{} // closed when the loop has ended
}

// phase is how far a node's life has come.
type phase int

const (
	fresh phase = iota
	running
	attached // to a node that another process runs
	stopped
)

func (p phase) err() error {
	switch p {
	case fresh:
		return api.ErrNotRunning
	case attached:
		return api.ErrAttached
	case stopped:
		return api.ErrStopped
	}
	return nil
}

// running tells why a node does not run, if it does not.
func (l *life) running() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.phase.err()
}

// while has the loop run a function, if the node runs, and waits until it has.
func (l *life) while(call func(*loop)) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := l.phase.err(); err != nil {
		return err
	}
	l.loop.do(func() { call(l.loop) })
	return nil
}

// try is while for a function that may fail.
func (l *life) try(call func(*loop) error) (err error) {
	if ended := l.while(func(l *loop) { err = call(l) }); ended != nil {
		return ended
	}
	return err
}

// absent is the error for a peer that was not found.
func (l *life) absent() error {
	if err := l.running(); err != nil && !errors.Is(err, api.ErrAttached) {
		return err
	}
	return api.ErrNoPeer
}
