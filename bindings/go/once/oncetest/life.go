package oncetest

import (
	"context"
	"errors"
	"time"

	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
)

// errOff and errOver are why the contexts of what runs on a host end.
var (
	errOff  = errors.New("oncetest: the host is off")
	errOver = errors.New("oncetest: the test is over")
)

// life is what runs on a host from its start to its crash, or to the end of the test. The
// network's lock guards it.
type life struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	network *Network
	address string
	running int // nodes and programs
	crashed bool
}

// enter counts a node or a program, until leave is called.
func (l *life) enter() (leave func(), err error) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, context.Cause(l.ctx)
	}
	l.running++
	return func() {
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		l.running--
		l.network.ended.Broadcast()
	}, nil
}

// wait waits until nothing runs any more.
func (l *life) wait() {
	for l.running > 0 {
		l.network.ended.Wait()
	}
}

// beginLocked begins a life. The caller holds the network's lock.
func (h *Host) beginLocked() {
	n := h.network
	l := &life{network: n, address: h.address}
	l.ctx, l.end = context.WithCancelCause(n.t.Context())
	l.ctx = world.With(l.ctx, &world.World{
		Transport: n.memory.Host(h.address),
		Beacon:    func(port int) sight.Source { return n.beacon(h.address, port) },
		Now:       time.Now,
		Random:    h.draw,
		Enter:     l.enter,
	})
	h.life = l
}

func (h *Host) draw(what string) float64 { return h.network.draw(h.address, what) }
