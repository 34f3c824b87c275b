//go:build linux

package main

import (
	"net"
	"sync"
)

// conn is a connection from one node to another.
type conn struct {
	*proxy
	near, far       *net.TCPConn
	dialler, server int
	pipes           [2]*pipe // from the dialler, and to it
	limit           int      // octets after which it is reset; 0 for none

	mu     sync.Mutex // guards what follows
	passed int        // octets
	ended  bool
}

// reset ends a connection so that both sides see that; it tells whether it was not over.
func (c *conn) reset() (was bool) {
	c.mu.Lock()
	was = !c.ended
	c.ended = true
	c.mu.Unlock()
	for _, p := range c.pipes {
		p.end()
	}
	reset(c.near)
	reset(c.far)
	return was
}

func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0) // fails only if it has ended
	_ = conn.Close()
}

// passes counts octets that are about to pass, and returns how many may.
func (c *conn) passes(octets int) int {
	if c.limit == 0 {
		return octets
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	octets = min(octets, c.limit-c.passed)
	c.passed += octets
	return octets
}

// spent tells whether no more may pass.
func (c *conn) spent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit > 0 && c.passed >= c.limit
}

// resets resets the connection, and counts that.
func (c *conn) resets() {
	if !c.reset() {
		return
	}
	dropped := [2]int{}
	for i, p := range c.pipes {
		dropped[i] = p.waste()
	}
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	for i, p := range c.pipes {
		c.tolls[[2]int{p.from, p.to}].dropped += dropped[i]
	}
	c.tolls[[2]int{c.dialler, c.server}].resets++
}
