//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

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

// String tells how far the pipe is.
func (p *pipe) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("connection of %d with %d: from %d: %d octets read, %d passed on, %d wait; held %v, ended %v", p.dialler, p.server, p.from,
		p.parser.at, p.sent, len(p.b), p.held, p.ended || p.eof)
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
