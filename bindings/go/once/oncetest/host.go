package oncetest

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
)

// Host is a computer in a [Network]. Any number of programs and nodes run on it.
type Host struct {
	network *Network
	address string

	// Network.mu guards these.
	line *Line // nil for the network's
	side int   // of a partition, from 1; 0 for none
	life *life
}

// String returns the host's address.
func (h *Host) String() string { return h.address }

// Context returns the context of what runs on the host: a node that is started with it,
// or with one made from it, is one of this host. It ends when the host crashes, and when
// the test ends.
func (h *Host) Context() context.Context {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return h.life.ctx
}

// Go runs a program on the host, with the host's context. It must return when that ends.
// If it returns an error before, the test fails.
func (h *Host) Go(program func(ctx context.Context) error) {
	h.network.t.Helper()
	h.network.mu.Lock()
	l := h.life
	h.network.mu.Unlock()
	what := "a program"
	if _, file, line, ok := runtime.Caller(1); ok {
		what = fmt.Sprintf("the program that %s:%d started", filepath.Base(file), line)
	}
	leave, err := l.enter(what)
	if err != nil {
		h.network.t.Fatalf("oncetest: host %v: %v", h, err)
	}
	go func() {
		defer leave()
		if err := program(l.ctx); err != nil && l.ctx.Err() == nil {
			h.network.t.Errorf("a program on host %v: %v", h, err)
		}
	}()
}

// SetLine sets the line of this host, until Network.SetLine sets all.
func (h *Host) SetLine(line Line) {
	h.network.t.Helper()
	line.check(h.network.t)
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.line = &line
	h.network.common.Store(nil)
}

// Break breaks all connections of the host, on both ends. What is under way on them is
// lost; new ones can be made at once.
func (h *Host) Break() { h.network.memory.Cut(h.address) }

// Crash takes the host off the network as a power cut does: no node on it says goodbye,
// and the others are told nothing. Its context ends, and Crash waits until its programs and
// nodes have ended, whose last words nobody hears: the test fails and tells which has not
// within a minute, of the bubble's time if there is one. What they have kept, in memory that the
// test holds or on disk, is there when they start again; with it, an identity.
func (h *Host) Crash() {
	n := h.network
	n.t.Helper()
	n.mu.Lock()
	l := h.life
	if l.crashed {
		n.mu.Unlock()
		n.t.Fatalf("oncetest: host %v has crashed already", h)
	}
	l.crashed = true
	n.mu.Unlock()
	n.memory.Crash(h.address)
	l.end(errOff)
	n.mu.Lock()
	err := l.wait()
	n.mu.Unlock()
	if err != nil {
		n.t.Fatalf("oncetest: %v", err)
	}
}

// Restart starts a host that has crashed. Nothing runs on it until [Host.Go] or a node
// started with its new context does. Who has kept a connection to what ran there before
// sees it break now; so a restart at once is as if only the programs had been killed.
func (h *Host) Restart() {
	n := h.network
	n.t.Helper()
	n.mu.Lock()
	crashed := h.life.crashed
	n.mu.Unlock()
	if !crashed {
		n.t.Fatalf("oncetest: host %v has not crashed", h)
	}
	n.memory.Restore(h.address)
	n.mu.Lock()
	defer n.mu.Unlock()
	h.beginLocked()
}
