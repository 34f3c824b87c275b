//go:build linux

package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// proxy stands in front of all nodes: they reach each other through it alone.
type proxy struct {
	work   sync.WaitGroup
	ctx    context.Context
	fronts []*front

	mu     sync.Mutex // guards what follows
	change sync.Cond  // something has come or gone
	pids   []int      // of the nodes
	conns  []*conn
	holds  func(from, to int) bool // pipes that come are held
	limits []int                   // octets after which connections that come are reset
	delay  bool                    // the next connection that comes is let through after the one after it
	came   int                     // connections
	tolls  map[[2]int]*toll
}

// toll is what passed from one node to another, in frames of content.
type toll struct {
	frames, octets   int // that were read from one, the heads of frames aside
	dropped          int // of those, frames that were not passed on whole
	resets           int // of the connection
	reordered, storm int
}

// newProxy returns a proxy in front of so many nodes.
func newProxy(ctx context.Context, nodes int) (*proxy, error) {
	p := &proxy{ctx: ctx, pids: make([]int, nodes), tolls: map[[2]int]*toll{}, holds: func(int, int) bool { return false }}
	p.change.L = &p.mu
	for to := range nodes {
		f := &front{proxy: p, to: to}
		if err := f.open(); err != nil {
			p.close()
			return nil, err
		}
		p.fronts = append(p.fronts, f)
		for from := range nodes {
			if from != to {
				p.tolls[[2]int{from, to}] = new(toll)
			}
		}
	}
	return p, nil
}

// runs says which process a node is.
func (p *proxy) runs(number, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pids[number] = pid
}

// waitLocked waits until something is so, at most so long. It tells whether it is.
func (p *proxy) waitLocked(most time.Duration, is func() bool) bool {
	late := false
	timer := time.AfterFunc(most, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		late = true
		p.change.Broadcast()
	})
	defer timer.Stop()
	for !is() && !late && p.ctx.Err() == nil {
		p.change.Wait()
	}
	return is()
}

// hold has those pipes held, now and later, for which a function says so, and others not.
func (p *proxy) hold(holds func(from, to int) bool) {
	p.mu.Lock()
	p.holds = holds
	conns := slices.Clone(p.conns)
	p.mu.Unlock()
	for _, c := range conns {
		for _, pipe := range c.pipes {
			pipe.hold(holds(pipe.from, pipe.to))
		}
	}
}

func all(int, int) bool  { return true }
func none(int, int) bool { return false }

// live returns the connections that there are.
func (p *proxy) live() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.conns)
}

// ready returns connections over which both sides have said something that is held, so many
// if that many come to be.
func (p *proxy) ready(wants int) (ready []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waitLocked(time.Second, func() bool {
		ready = ready[:0]
		for _, c := range p.conns {
			if c.pipes[0].waits() && c.pipes[1].waits() {
				ready = append(ready, c)
			}
		}
		return len(ready) >= wants
	})
	return ready
}

// sum returns the toll of all.
func (p *proxy) sum() (sum toll) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tolls {
		sum.frames += t.frames
		sum.octets += t.octets
		sum.dropped += t.dropped
		sum.resets += t.resets
		sum.reordered += t.reordered
		sum.storm += t.storm
	}
	return sum
}

// clear begins to count anew.
func (p *proxy) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tolls {
		*t = toll{}
	}
}

// close ends all, and waits for that. Its context has ended.
func (p *proxy) close() {
	for _, f := range p.fronts {
		f.shut()
	}
	for _, c := range p.live() {
		c.reset()
	}
	p.mu.Lock()
	p.change.Broadcast()
	p.mu.Unlock()
	p.work.Wait()
}
