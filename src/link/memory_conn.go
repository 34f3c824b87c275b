package link

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// memoryBuffer is how many octets may be under way in one direction.
const memoryBuffer = 256 << 10

// memoryConn is one end of a connection: a net.Conn. Memory.mu guards all of it.
type memoryConn struct {
	net         *Memory
	peer        *memoryConn
	local       netip.AddrPort
	host        string      // of local
	changed     sync.Cond   // something below did, or Memory.parted
	alarm       *time.Timer // has those look again who wait, when octets arrive or time is up
	rings       time.Time   // when it does, zero for never
	arriving    []segment   // what was written to this end and is not yet read
	octets      int         // in arriving
	free        time.Time   // when all that this end wrote is on its way
	shut        bool        // this end writes no more
	closed      bool        // this end is closed
	broken      bool        // the connection was reset
	vanished    bool        // the host of this end has crashed, and the far end does not know
	abrupt      bool        // Close resets the connection
	readBefore  time.Time   // deadlines; zero is none
	writeBefore time.Time
}

// segment is what one write wrote, or, without octets, the end of it all.
type segment struct {
	due time.Time
	b   []byte
}

// pairLocked returns the two ends of a new connection. The caller holds m.mu.
func (m *Memory) pairLocked(a, b netip.AddrPort) (near, far *memoryConn) {
	near = &memoryConn{net: m, local: a, host: a.Addr().String(), changed: sync.Cond{L: &m.mu}}
	far = &memoryConn{net: m, local: b, host: b.Addr().String(), changed: sync.Cond{L: &m.mu}}
	near.peer, far.peer = far, near
	m.conns[near], m.conns[far] = struct{}{}, struct{}{}
	return near, far
}

// Read reads what has arrived.
func (c *memoryConn) Read(b []byte) (int, error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if err := c.arrival(); err != nil {
		return 0, err
	}
	return c.take(b)
}

// awaitRead waits as Read does, and reads nothing.
func (c *memoryConn) awaitRead() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return c.arrival()
}

// arrival waits until octets have arrived, or the end of them.
func (c *memoryConn) arrival() error {
	for {
		if err := c.unusable(c.readBefore); err != nil {
			return c.fault("read", err)
		}
		due, ok := c.due()
		if ok && !due.After(time.Now()) {
			return nil
		}
		if !ok {
			due = time.Time{}
		}
		c.wait(due, c.readBefore)
	}
}

// due returns when the first octets arrive, if they do.
func (c *memoryConn) due() (time.Time, bool) {
	if len(c.arriving) == 0 {
		return time.Time{}, false
	}
	due := c.arriving[0].due
	since, parted := c.net.parted[pairOf(c.local.Addr(), c.peer.local.Addr())]
	return due, !parted || due.Before(since)
}

// take reads the first segment, which has arrived.
func (c *memoryConn) take(b []byte) (int, error) {
	first := &c.arriving[0]
	switch {
	case len(first.b) > 0:
	case c.peer.closed && c.peer.abrupt:
		return 0, c.fault("read", syscall.ECONNRESET)
	default:
		return 0, io.EOF
	}
	n := copy(b, first.b)
	if c.octets == memoryBuffer { // who writes may wait
		c.peer.changed.Broadcast()
	}
	if first.b = first.b[n:]; len(first.b) == 0 {
		c.arriving = c.arriving[1:]
	}
	c.octets -= n
	return n, nil
}

// Write writes, waiting while the far side does not read.
func (c *memoryConn) Write(b []byte) (written int, err error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	for {
		if err := c.unusable(c.writeBefore); err != nil {
			return written, c.fault("write", err)
		}
		if c.shut || c.peer.closed && !c.peer.vanished && !c.parted() {
			return written, c.fault("write", syscall.EPIPE)
		}
		if n := min(len(b), memoryBuffer-c.peer.octets); n > 0 {
			c.deliver(append([]byte(nil), b[:n]...))
			b, written = b[n:], written+n
		}
		if len(b) == 0 {
			return written, nil
		}
		c.wait(time.Time{}, c.writeBefore)
	}
}

// deliver sends a segment on its way, behind those before it.
func (c *memoryConn) deliver(b []byte) {
	p, m := c.peer, c.net
	due := time.Now()
	from, to := c.host, p.host
	if rate := m.rate(from, to); rate > 0 {
		if c.free.After(due) {
			due = c.free
		}
		due = due.Add(time.Duration(len(b)) * time.Second / time.Duration(rate))
		c.free = due
	}
	due = due.Add(m.delay(from, to))
	if n := len(p.arriving); n > 0 && due.Before(p.arriving[n-1].due) {
		due = p.arriving[n-1].due
	}
	p.arriving, p.octets = append(p.arriving, segment{due, b}), p.octets+len(b)
	if len(p.arriving) == 1 {
		p.ring(due)
	}
}

// unusable returns why the connection cannot be used, nil if it can.
func (c *memoryConn) unusable(before time.Time) error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.broken:
		return syscall.ECONNRESET
	case !before.IsZero() && !time.Now().Before(before):
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *memoryConn) parted() bool {
	return c.net.apart(c.local.Addr(), c.peer.local.Addr())
}

// wait waits for a change, or until the first of two times, where zero is never. It may
// return earlier.
func (c *memoryConn) wait(a, b time.Time) {
	for _, t := range []time.Time{a, b} {
		if !t.IsZero() {
			c.ring(t)
		}
	}
	c.changed.Wait()
}

// ring has those look again at a time who wait, and at no earlier one less.
func (c *memoryConn) ring(at time.Time) {
	wait := time.Until(at)
	switch {
	case wait <= 0:
		c.changed.Broadcast()
		return
	case !c.rings.IsZero() && !at.Before(c.rings):
		return
	case c.alarm == nil:
		c.alarm = time.AfterFunc(wait, c.rung)
	default:
		c.alarm.Reset(wait)
	}
	c.rings = at
}

// silence stops the alarm of an end that needs none any more.
func (c *memoryConn) silence() {
	if c.alarm != nil {
		c.alarm.Stop()
	}
}

func (c *memoryConn) rung() {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.rings = time.Time{}
	c.changed.Broadcast()
}

// CloseWrite tells the far side that nothing more will come.
func (c *memoryConn) CloseWrite() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fault("close", net.ErrClosed)
	}
	c.finish()
	return nil
}

func (c *memoryConn) finish() {
	if !c.shut {
		c.shut = true
		if !c.vanished {
			c.deliver(nil)
		}
	}
	c.changed.Broadcast()
}

// Close closes this end. The far side can read what is under way, unless there is
// something that this end has not read: then that ends with a reset, as with TCP.
func (c *memoryConn) Close() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fault("close", net.ErrClosed)
	}
	c.abrupt = c.abrupt || c.octets > 0
	c.finish()
	c.closed, c.arriving, c.octets = true, nil, 0
	c.silence()
	c.peer.changed.Broadcast()
	delete(c.net.conns, c)
	return nil
}

// SetLinger has Close reset the connection, or not, as that of a net.TCPConn.
func (c *memoryConn) SetLinger(seconds int) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	c.abrupt = seconds == 0
	return nil
}

// reset breaks this end.
func (c *memoryConn) reset() {
	c.broken, c.arriving, c.octets = true, nil, 0
	c.silence()
	c.changed.Broadcast()
}

func (c *memoryConn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.local) }
func (c *memoryConn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.peer.local) }

func (c *memoryConn) SetDeadline(t time.Time) error      { return c.setDeadlines(&t, &t) }
func (c *memoryConn) SetReadDeadline(t time.Time) error  { return c.setDeadlines(&t, nil) }
func (c *memoryConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(nil, &t) }

func (c *memoryConn) setDeadlines(read, write *time.Time) error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.closed {
		return c.fault("set", net.ErrClosed)
	}
	if read != nil {
		c.readBefore = *read
	}
	if write != nil {
		c.writeBefore = *write
	}
	c.changed.Broadcast()
	return nil
}

func (c *memoryConn) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}
