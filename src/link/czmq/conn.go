//go:build czmq

package czmq

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"syscall"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Transport is link.TCP with connections that leave ZMTP to libzmq. They are for
// link.Open only.
type Transport struct{}

// Listen listens on an endpoint.
func (Transport) Listen(ctx context.Context, endpoint string) (net.Listener, error) {
	l, err := link.TCP{}.Listen(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

// Dial connects to an endpoint.
func (Transport) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	return newConn(link.TCP{}.Dial(ctx, endpoint))
}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) { return newConn(l.Listener.Accept()) }

func newConn(far net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: far}
	c.readable.L, c.writable.L, c.emptied.L = &c.mu, &c.mu, &c.mu
	return c, nil
}

// conn is a connection whose octets go through libzmq. It becomes of use with
// Handshake.
type conn struct {
	net.Conn                // to the far side
	near     *net.UnixConn  // to libzmq; nil before Handshake
	work     sync.WaitGroup // all goroutines
	mu       sync.Mutex     // guards the socket and what follows
	readable sync.Cond
	writable sync.Cond
	socket   *socket // nil before Handshake and after CloseWrite
	over     bool    // nothing comes from libzmq any more
	cause    error   // why
	id       []byte  // what a ROUTER calls the far side
	begun    bool    // something was received of the message under way
	header   [9]byte
	frame    [2][]byte     // header and content of the last frame received
	unread   net.Buffers   // what is left of it
	written  zmtp.Messages // for Write
	limits
	overheard
}

// Read reads frames in the form that they have on a connection without security.
func (c *conn) Read(b []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
	for n < len(b) {
		if len(c.unread) == 0 {
			err = c.receive()
			if err == syscall.EAGAIN && n > 0 {
				return n, nil
			} else if err == syscall.EAGAIN {
				err = c.await(&c.readable)
			}
			if err != nil {
				return n, err
			}
		}
		m, _ := c.unread.Read(b[n:])
		n += m
	}
	return n, nil
}

// receive receives a frame of content.
func (c *conn) receive() error {
	if c.id != nil && !c.begun { // its id is before each message of the far side
		if _, _, err := c.socket.receive(); err != nil {
			return err
		}
		c.begun = true
	}
	content, more, err := c.socket.receive()
	if err == nil {
		c.begun, c.useful = more, c.useful || !more
		c.frame = [2][]byte{zmtp.AppendHeader(c.header[:0], len(content), more), content}
		c.unread = c.frame[:]
	}
	return err
}

// Write sends whole messages.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
	defer c.written.Reset()
	parser := zmtp.Parser{MaxMessage: math.MaxInt, MaxFrames: math.MaxInt}
	if err := parser.Parse(b, &c.written); err != nil || parser.Begin() < len(b) {
		return 0, cmp.Or(err, io.ErrShortWrite)
	}
	for i := range c.written.Len() {
		if err := c.send(c.written.Message(i)); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

func (c *conn) send(message [][]byte) (err error) {
	if c.id != nil {
		err = c.put(c.id, true)
	}
	size := 0
	for i := 0; i < len(message) && err == nil; i++ {
		err = c.put(message[i], i < len(message)-1)
		size += zmtp.FrameSize(len(message[i]) + c.overhead)
	}
	c.outgoing += size
	return err
}

// put sends a frame, and waits for room for a message with the first one.
func (c *conn) put(frame []byte, more bool) error {
	for {
		err := error(syscall.EAGAIN)
		if c.outgoing < maxOutgoing {
			err = c.socket.send(frame, more)
		}
		if err != syscall.EAGAIN {
			return err
		} else if err = c.await(&c.writable); err != nil {
			return err
		}
	}
}

// await waits until there is something to receive, or room to send a message.
func (c *conn) await(what *sync.Cond) error {
	for {
		if in, out := c.wake(); in && what == &c.readable || out && what == &c.writable {
			return nil
		} else if c.over {
			return c.cause
		} else if !in && c.drained() {
			return zmtp.ErrTooLarge
		}
		what.Wait()
	}
}

// wake wakes those in await for whom there is something. Who has used the socket calls
// it: what they could see, watch may not see again.
func (c *conn) wake() (in, out bool) {
	in, out = c.socket.poll()
	if in {
		c.readable.Signal()
	}
	if out = out && c.outgoing < maxOutgoing; out {
		c.writable.Signal()
	}
	return in, out
}

// end takes note of why nothing comes from libzmq any more, or soon will not.
func (c *conn) end(cause error, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil || cause == net.ErrClosed {
		c.cause = cause
	}
	c.over = c.over || over
	c.readable.Broadcast()
	c.writable.Broadcast()
	c.emptied.Broadcast()
}

// CloseWrite has libzmq send what it has, and then close. Of what comes, nothing can be
// read any more but the end.
func (c *conn) CloseWrite() error {
	c.release(-1)
	return nil
}

// Close closes the connection at once.
func (c *conn) Close() error {
	c.end(net.ErrClosed, true)
	err := c.Conn.Close()
	if c.near != nil {
		_ = c.near.Close()
	}
	c.release(0)
	c.work.Wait()
	if errors.Is(err, net.ErrClosed) { // by relay
		return nil
	}
	return err
}

// release takes the socket away and closes it.
func (c *conn) release(linger int) {
	c.mu.Lock()
	s := c.socket
	c.socket, c.unread, c.incoming = nil, nil, 0
	c.emptied.Broadcast()
	c.mu.Unlock()
	if s != nil {
		s.close(linger)
	}
}
