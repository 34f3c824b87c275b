package oncetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
)

// errOff and errOver are why the contexts of what runs on a host end.
var (
	errOff  = errors.New("the host is off")
	errOver = errors.New("the test is over")
)

// patience is how long programs and nodes may take to end after their context has.
const patience = time.Minute

// life is what runs on a host from its start to its crash, or to the end of the test. The
// network's lock guards it.
type life struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	network *Network
	address string
	running map[string]int // nodes and programs, by what they are
	crashed bool
	late    bool // what still runs has taken too long to end
}

// enter counts a node or a program, until leave is called.
func (l *life) enter(what string) (leave func(), err error) {
	l.network.mu.Lock()
	defer l.network.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, context.Cause(l.ctx)
	}
	l.running[what]++
	return func() {
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		if l.running[what]--; l.running[what] == 0 {
			delete(l.running, what)
		}
		l.network.ended.Broadcast()
	}, nil
}

// wait waits until nothing runs any more, or what does has taken too long: it fails the
// first time that it does.
func (l *life) wait() error {
	timer := time.AfterFunc(patience, func() {
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		l.late = true
		l.network.ended.Broadcast()
	})
	defer timer.Stop()
	was := l.late
	for len(l.running) > 0 && !l.late {
		l.network.ended.Wait()
	}
	if was || len(l.running) == 0 {
		return nil
	}
	who := slices.Sorted(maps.Keys(l.running))
	return fmt.Errorf("host %s: %s did not return within %v, though its context has ended", l.address, strings.Join(who, ", "), patience)
}

// beginLocked begins a life. The caller holds the network's lock.
func (h *Host) beginLocked() {
	n := h.network
	l := &life{network: n, address: h.address, running: map[string]int{}}
	l.ctx, l.end = context.WithCancelCause(n.t.Context())
	l.ctx = world.With(l.ctx, &world.World{
		Transport: n.memory.Host(h.address),
		Beacon:    func(port int) sight.Source { return n.beacon(h.address, port) },
		Now:       time.Now,
		Random:    h.draw,
		Enter:     func() (func(), error) { return l.enter("a node") },
	})
	h.life = l
}

func (h *Host) draw(what string) float64 { return h.network.draw(h.address, what) }
