package node

import (
	"cmp"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// life is what a node is while it runs. The lock is taken after that of the settings.
type life struct {
	mu    sync.RWMutex // guards what follows, which is nil before the start
	phase phase
	loop  *loop
	ears  *ears
	door  Door   // nil if no other programs share the node
	quit  func() // tells the world that the node is gone; nil if it has not heard of it

	done chan struct{} // closed when the loop has ended
}

// phase is how far a node's life has come.
type phase int

const (
	fresh phase = iota
	running
	stopped
)

func (p phase) err() error {
	switch p {
	case fresh:
		return api.ErrNotRunning
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
	return cmp.Or(l.running(), api.ErrNoPeer)
}

// Door is where other programs come in that share a node which runs in this process.
type Door interface {
	Hush()                      // lets no more in
	Close(linger time.Duration) // ends what there is with those who are in, within that time
}
