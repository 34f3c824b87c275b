//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// runs says which process a node is.
func (p *proxy) runs(number, pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pids[number] = pid
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

// pipe is one direction of a connection.
type pipe struct {
	*conn
	src, dst *net.TCPConn
	from, to int

	mu      sync.Mutex // guards what follows
	change  sync.Cond
	parser  parser
	frames  []frame // that were read in part at least, and not passed on whole
	b       []byte  // that was read, and is to be passed on
	sent    uint64
	content int // frames of content that were passed on whole
	held    bool
	slow    bool
	writing bool
	eof     bool
	ended   bool
}

// most is how many octets wait in a pipe.
const most = 1 << 20

func newPipe(c *conn, src, dst *net.TCPConn, from, to int) *pipe {
	p := &pipe{conn: c, src: src, dst: dst, from: from, to: to}
	p.change.L = &p.mu
	return p
}

// read reads on, until the connection ends.
func (p *pipe) read() {
	b := make([]byte, 64<<10)
	for {
		n, err := p.src.Read(b)
		if n > 0 {
			p.bring(b[:n])
		}
		p.mu.Lock()
		for len(p.b) > most && !p.ended {
			p.change.Wait()
		}
		ended := p.ended
		if err != nil {
			p.eof = true
			p.change.Broadcast()
		}
		p.mu.Unlock()
		if err != nil || ended {
			if !ended && !errors.Is(err, errEnd) { // that is passed on too
				p.conn.reset()
			}
			return
		}
	}
}

// bring takes in what was read.
func (p *pipe) bring(b []byte) {
	var came toll
	p.mu.Lock()
	before := len(p.frames)
	if before > 0 && p.frames[before-1].end > p.parser.at {
		before--
	}
	p.parser.feed(b, func(f frame) { p.frames = append(p.frames, f) })
	for _, f := range p.frames[before:] {
		if f.content && f.end <= p.parser.at {
			came.frames++
			came.octets += f.octets
		}
	}
	p.b = append(p.b, b...)
	p.change.Broadcast()
	p.mu.Unlock()
	p.proxy.mu.Lock()
	t := p.tolls[[2]int{p.from, p.to}]
	t.frames += came.frames
	t.octets += came.octets
	p.proxy.change.Broadcast()
	p.proxy.mu.Unlock()
}

// slowest is how a slow pipe passes on: so many octets at a time.
const (
	slowest  = 4 << 10
	slowTime = 10 * time.Millisecond
)

// write passes on what was read, unless it is held.
func (p *pipe) write() {
	for {
		p.mu.Lock()
		for !p.ended && (p.held || len(p.b) == 0 && !p.eof) {
			p.change.Wait()
		}
		n := min(len(p.b), 64<<10)
		if p.slow {
			n = min(n, slowest)
		}
		b, slow := p.b[:n], p.slow
		p.writing = !p.ended && n > 0
		eof, ended := len(p.b) == 0, p.ended
		p.mu.Unlock()
		switch {
		case ended:
			return
		case eof:
			_ = p.dst.CloseWrite() // it may have ended
			return
		}
		may := p.conn.passes(n)
		_, err := p.dst.Write(b[:may])
		p.gone(may)
		if p.spent() {
			p.resets()
			return
		}
		if err != nil {
			p.conn.reset()
			return
		}
		if slow {
			time.Sleep(slowTime)
		}
	}
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

// gone notes that octets were passed on.
func (p *pipe) gone(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.b = p.b[n:]
	p.sent += uint64(n)
	done := 0
	for done < len(p.frames) && p.frames[done].end <= p.sent {
		if p.frames[done].content {
			p.content++
		}
		done++
	}
	p.frames = slices.Delete(p.frames, 0, done)
	p.writing = false
	p.change.Broadcast()
}

// hold holds the pipe or lets it go. One that is held passes nothing on when this returns.
func (p *pipe) hold(held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = held
	p.change.Broadcast()
	for held && p.writing && !p.ended {
		p.change.Wait()
	}
}

func (p *pipe) slowly(slow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slow = slow
}

func (p *pipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.change.Broadcast()
}

// waits tells whether content was read that was not passed on whole.
func (p *pipe) waits() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.ended && slices.ContainsFunc(p.frames, func(f frame) bool { return f.content })
}

// progress returns how many frames of content were passed on.
func (p *pipe) progress() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.content
}

// waste returns how many frames of content were read whole, and never passed on so.
func (p *pipe) waste() (frames int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.frames {
		if f.content && f.end <= p.parser.at {
			frames++
		}
	}
	return frames
}

// upTo passes on what is held up to a place: inside a frame of content, or behind one. It
// tells whether there was one.
func (p *pipe) upTo(inside bool, chance func(int) int) bool {
	p.mu.Lock()
	var places []uint64
	for i, f := range p.frames {
		switch {
		case !f.content:
		case inside: // behind the head, and before the end
			if from, to := max(f.end-uint64(f.octets)+1, p.sent), min(f.end-1, p.parser.at); from <= to {
				places = append(places, from+uint64(chance(int(to-from)+1)))
			}
		case i < len(p.frames)-1 && f.end <= p.parser.at:
			places = append(places, f.end)
		}
	}
	if len(places) == 0 || p.ended || !p.held {
		p.mu.Unlock()
		return false
	}
	n := int(places[chance(len(places))] - p.sent)
	b := p.b[:n]
	p.mu.Unlock()
	_ = p.dst.SetWriteDeadline(time.Now().Add(time.Second)) // then it takes nothing
	_, err := p.dst.Write(b)
	p.gone(n)
	return err == nil && drained(p.dst)
}
