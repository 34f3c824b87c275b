//go:build unix

package abi

import (
	"context"
	"sync"
	"syscall"
)

// A pump receives a node's events before they are asked for, one batch ahead, so that a
// descriptor can tell that they are there.
type pump struct {
	pipe  [2]int
	ready chan batch    // what was received; closed at the end
	taken chan struct{} // that it was handed out
	end   context.CancelFunc
	gone  sync.WaitGroup

	mu     sync.Mutex
	marked bool // whether there is an octet in the pipe
	closed bool
}

type batch struct {
	events Events
	err    error
}

// newPump begins to receive; pending says that there are events to be handed out
// before.
func newPump(ctx context.Context, receive func(context.Context) (Events, error), pending bool) (*pump, error) {
	p := &pump{ready: make(chan batch, 1), taken: make(chan struct{}, 1)}
	syscall.ForkLock.RLock()
	err := syscall.Pipe(p.pipe[:])
	if err == nil {
		for _, fd := range p.pipe {
			syscall.CloseOnExec(fd)
		}
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, err
	}
	for _, fd := range p.pipe {
		if err := syscall.SetNonblock(fd, true); err != nil {
			p.shut()
			return nil, err
		}
	}
	ctx, p.end = context.WithCancel(ctx)
	if pending {
		p.mark(true)
	} else {
		p.taken <- struct{}{}
	}
	p.gone.Go(func() { p.run(ctx, receive) })
	return p, nil
}

func (p *pump) run(ctx context.Context, receive func(context.Context) (Events, error)) {
	defer close(p.ready)
	for {
		select {
		case <-p.taken:
		case <-ctx.Done():
			return
		}
		events, err := receive(ctx)
		p.ready <- batch{events, err} // it has room: what was there is taken
		p.mark(true)
	}
}

// take returns the batch that was received, or waits for it. After an error the pump
// tries again.
func (p *pump) take(ctx context.Context) (Events, error) {
	select {
	case b, ok := <-p.ready:
		return p.got(b, ok)
	default:
	}
	select {
	case b, ok := <-p.ready:
		return p.got(b, ok)
	case <-ctx.Done():
		return Events{}, ctx.Err()
	}
}

func (p *pump) got(b batch, ok bool) (Events, error) {
	if !ok {
		return Events{}, context.Canceled
	}
	if b.err != nil {
		p.goOn()
	}
	return b.events, b.err
}

// goOn says that all that was taken is handed out.
func (p *pump) goOn() {
	p.mark(false)
	select {
	case p.taken <- struct{}{}:
	default:
	}
}

// mark makes the descriptor readable, or not.
func (p *pump) mark(readable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.marked == readable {
		return
	}
	var octet [1]byte
	if readable {
		_, _ = syscall.Write(p.pipe[1], octet[:]) // an empty pipe has room
	} else {
		_, _ = syscall.Read(p.pipe[0], octet[:]) // which mark has written
	}
	p.marked = readable
}

func (p *pump) descriptor() int { return p.pipe[0] }

func (p *pump) close() {
	p.end()
	p.gone.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		p.shut()
	}
}

func (p *pump) shut() {
	_ = syscall.Close(p.pipe[0])
	_ = syscall.Close(p.pipe[1])
}
