//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
)

// ferry passes connections on to a server, and can fail as what lies before a server does.
type ferry struct {
	listener net.Listener
	work     sync.WaitGroup

	mu     sync.Mutex
	change sync.Cond
	to     string // where the server is
	host   int    // 127.0.0.HOST is where it sees its nodes
	trips  map[*trip]struct{}
}

// trip is a connection that a ferry passes on.
type trip struct {
	near, far net.Conn // of the node, and of the server
	leg       bool     // of a circuit
	lost      bool     // nothing passes any more, and nobody is told
	oneWay    bool     // nothing passes to the node
}

// ticket is the first octet of a leg of a circuit, which no other connection begins with.
const ticket = 0xC1

func newFerry() (*ferry, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &ferry{listener: listener, host: 1, trips: map[*trip]struct{}{}}
	f.change.L = &f.mu
	f.work.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.work.Go(func() { f.carry(conn) })
		}
	})
	return f, nil
}

// leads has connections that come from now on be passed on to an address.
func (f *ferry) leads(to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.to = to
}

// carry passes a connection on until either side ends.
func (f *ferry) carry(near net.Conn) {
	defer near.Close()
	f.mu.Lock()
	to, from := f.to, net.IPv4(127, 0, 0, byte(f.host))
	f.mu.Unlock()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	far, err := dialer.DialContext(context.Background(), "tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	t := &trip{near: near, far: far}
	f.mu.Lock()
	f.trips[t] = struct{}{}
	f.mu.Unlock()
	f.work.Go(func() { f.pass(t, near, far, func() bool { return false }) })
	f.pass(t, far, near, func() bool { return t.oneWay })
	f.mu.Lock()
	delete(f.trips, t)
	f.change.Broadcast()
	f.mu.Unlock()
}

// pass passes on what comes, and at the end the end.
func (f *ferry) pass(t *trip, from, to net.Conn, held func() bool) {
	b := make([]byte, 32<<10)
	for first := from == t.near; ; first = false {
		n, err := from.Read(b)
		f.mu.Lock()
		t.leg = t.leg || first && n > 0 && b[0] == ticket
		for _, goes := f.trips[t]; goes && (held() || t.lost); _, goes = f.trips[t] {
			f.change.Wait()
		}
		f.mu.Unlock()
		if n > 0 {
			if _, fault := to.Write(b[:n]); fault != nil {
				break
			}
		}
		if err == io.EOF {
			_ = to.(*net.TCPConn).CloseWrite() // it may have ended
			return
		}
		if err != nil {
			break
		}
	}
	drop(from)
	drop(to)
}

// drop resets a connection.
func drop(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0) // it may have ended
	_ = conn.Close()
}

// each does something with all connections that are passed on, or with those of circuits, and
// returns how many there are.
func (f *ferry) each(legs bool, do func(*trip)) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for t := range f.trips {
		if t.leg || !legs {
			do(t)
			n++
		}
	}
	f.change.Broadcast()
	return n
}

// cuts resets all connections.
func (f *ferry) cuts() int {
	return f.each(false, func(t *trip) {
		delete(f.trips, t)
		drop(t.near)
		drop(t.far)
	})
}

func (f *ferry) close() {
	_ = f.listener.Close()
	f.cuts()
	f.work.Wait()
}

func (f *ferry) String() string { return fmt.Sprint(f.listener.Addr()) }
