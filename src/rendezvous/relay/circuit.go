package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/circuit"
)

// What is copied is counted after so many octets, and so often in the time for which a
// circuit may be idle.
const (
	chunk  = 256 << 10
	slices = 4
)

// circuit is one circuit, under the lock of its relay.
type circuit struct {
	relay *Relay
	name  name
	ends  [2]End
	rate  int
	idle  time.Duration
	state machine.State
	legs  [2]net.Conn
	timer *time.Timer
	over  chan struct{} // closed when it is, once both legs stand
	moved time.Time     // when octets last passed
}

// fire steps the machine. The caller holds the relay's lock.
func (c *circuit) fire(e machine.Event) {
	last := c.state
	next, ok := machine.Step(last, e, c)
	if !ok || next == last {
		return
	}
	switch c.state = next; next {
	case machine.StateJoined:
		c.timer.Reset(c.idle)
	case machine.StateEnding:
		c.timer.Reset(machine.DefaultEnding)
	}
}

// due fires the time-out of the present state, unless octets have passed of late.
func (c *circuit) due() {
	c.relay.mu.Lock()
	defer c.relay.mu.Unlock()
	if rest := c.idle + c.idle/slices - time.Since(c.moved); c.state == machine.StateJoined && rest > 0 {
		c.timer.Reset(rest)
		return
	}
	c.fire(machine.EventTimeout)
}

// Join has both legs copied into each other.
func (c *circuit) Join() {
	c.over, c.moved = make(chan struct{}), time.Now()
	for leg := range c.legs {
		from, to := c.legs[leg], c.legs[1-leg]
		c.relay.work.Go(func() { c.copy(from, to) })
	}
}

// Cut closes both legs.
func (c *circuit) Cut() {
	c.timer.Stop()
	c.relay.forget(c)
	for _, leg := range c.legs {
		if leg != nil {
			_ = leg.Close()
		}
	}
	if c.over != nil {
		close(c.over)
	}
}

// copy passes on one direction until it ends. On Linux the kernel does it, where both legs
// are TCP.
func (c *circuit) copy(from, to net.Conn) {
	var pace throttle
	pace.set(c.rate)
	size := int64(chunk)
	if c.rate > 0 {
		size = min(size, int64(c.rate/8+1))
	}
	move := c.move
	if _, tcp := from.(*net.TCPConn); !tcp {
		buffer := make([]byte, min(size, 32<<10))
		move = func(from, to net.Conn, _ int64) (int64, error) { return moveBuffer(from, to, buffer) }
	}
	for {
		n, err := move(from, to, size)
		ended := errors.Is(err, io.EOF)
		if ended {
			if half, ok := to.(interface{ CloseWrite() error }); ok {
				err = half.CloseWrite()
			}
		}
		if !c.passed(n, ended, err) || !pause(max(pace.use(n), c.relay.total.use(n)), c.over) {
			return
		}
	}
}

// move passes on so many octets of a connection over TCP, or what comes within a part of
// the time for which a circuit may be idle: else nobody would know that something has.
func (c *circuit) move(from, to net.Conn, size int64) (n int64, err error) {
	if err = from.SetReadDeadline(time.Now().Add(c.idle / slices)); err == nil {
		n, err = io.CopyN(to, from, size)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// moveBuffer passes on what comes next of another connection, which may not outlive a
// deadline.
func moveBuffer(from, to net.Conn, buffer []byte) (int64, error) {
	n, err := from.Read(buffer)
	if n > 0 {
		if _, fault := to.Write(buffer[:n]); fault != nil {
			return 0, fault
		}
	}
	return int64(n), err
}

// passed notes what one direction has passed on, and tells whether it goes on.
func (c *circuit) passed(n int64, ended bool, err error) bool {
	c.relay.mu.Lock()
	defer c.relay.mu.Unlock()
	c.relay.figures.Octets += uint64(n)
	if n > 0 {
		c.moved = time.Now()
		c.fire(machine.EventOctets)
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		c.fire(machine.EventLost)
	case ended:
		c.fire(machine.EventEnd)
	default:
		return !c.state.Final()
	}
	return false
}

// throttle spreads octets over time.
type throttle struct {
	mu   sync.Mutex
	rate int
	free time.Time // when what was used is worked off
}

func (t *throttle) set(rate int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rate = rate
}

// use returns how long to wait after so many octets.
func (t *throttle) use(n int64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rate == 0 {
		return 0
	}
	now := time.Now()
	if t.free.Before(now) {
		t.free = now
	}
	t.free = t.free.Add(time.Duration(n) * time.Second / time.Duration(t.rate))
	return t.free.Sub(now)
}

// pause waits, and tells whether it did so to the end.
func pause(wait time.Duration, over <-chan struct{}) bool {
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-over:
		return false
	}
}
