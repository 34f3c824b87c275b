//go:build linux

package main

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// front is what a node advertises.
type front struct {
	*proxy
	to       int
	endpoint string
	port     int

	mu       sync.Mutex // guards what follows
	listener net.Listener
	backend  string // empty for nowhere: connections are taken, and nothing is said
}

// open has a front take connections, at the same place each time.
func (f *front) open() error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", f.port))
	if err != nil {
		return err
	}
	f.port = l.Addr().(*net.TCPAddr).Port
	f.endpoint = fmt.Sprint("tcp://", l.Addr())
	f.mu.Lock()
	f.listener = l
	f.mu.Unlock()
	f.work.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.work.Go(func() { f.take(c.(*net.TCPConn)) })
		}
	})
	return nil
}

// shut has a front refuse connections, as a host does whose program has ended.
func (f *front) shut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.listener.Close() // it listens no more
}

// leads says where connections lead.
func (f *front) leads(backend string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.backend = backend
}

// take connects a connection on to the node.
func (f *front) take(near *net.TCPConn) {
	f.proxy.mu.Lock()
	pids := slices.Clone(f.pids)
	f.proxy.mu.Unlock()
	from := ownerOf(near.RemoteAddr().(*net.TCPAddr).Port, f.port, pids)
	if from < 0 { // it has given up
		reset(near)
		return
	}
	f.proxy.mu.Lock()
	f.came++
	number := f.came
	if f.delay {
		f.delay = false
		f.change.Broadcast()
		if f.waitLocked(reorderTime, func() bool { return f.came > number }) {
			f.tolls[[2]int{from, f.to}].reordered++
		}
	}
	f.change.Broadcast()
	f.proxy.mu.Unlock()
	f.mu.Lock()
	backend := f.backend
	f.mu.Unlock()
	far, err := net.Dial("tcp", backend)
	if err != nil {
		if backend == "" { // it takes them, and says nothing
			<-f.ctx.Done()
		}
		reset(near)
		return
	}
	c := &conn{proxy: f.proxy, near: near, far: far.(*net.TCPConn), dialler: from, server: f.to}
	c.pipes = [2]*pipe{newPipe(c, c.near, c.far, from, f.to), newPipe(c, c.far, c.near, f.to, from)}
	f.proxy.mu.Lock()
	if len(f.limits) > 0 {
		c.limit, f.limits = f.limits[0], f.limits[1:]
		f.tolls[[2]int{from, f.to}].storm++
	}
	for _, p := range c.pipes {
		p.held = f.holds(p.from, p.to)
	}
	if f.ctx.Err() != nil {
		c.reset()
	}
	f.conns = append(f.conns, c)
	f.change.Broadcast()
	f.proxy.mu.Unlock()
	var pipes sync.WaitGroup
	for _, p := range c.pipes {
		pipes.Go(p.read)
		pipes.Go(p.write)
	}
	pipes.Wait()
	_, _ = near.Close(), far.Close() // if they are not
	f.proxy.mu.Lock()
	f.conns = slices.DeleteFunc(f.conns, func(other *conn) bool { return other == c })
	f.change.Broadcast()
	f.proxy.mu.Unlock()
}

// reorderTime is how long a connection waits for the one after it.
const reorderTime = 300 * time.Millisecond
