//go:build czmq

package czmq

import (
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
)

// ErrHungUp says that libzmq has ended a connection: the far side broke the protocol,
// refused us, was silent, or sent a frame that is too large.
var ErrHungUp = errors.New("czmq: libzmq has hung up")

// relay carries octets between the far side and libzmq, until both are gone.
func (c *conn) relay() {
	var out sync.WaitGroup
	out.Go(c.outward)
	c.inward()
	out.Wait()
	c.end(nil, true)
}

// inward lets libzmq read to the end before it learns of it. If libzmq is gone, what
// comes is for nobody: it is read so that the far side does not see a reset before it
// has read all.
func (c *conn) inward() {
	err := pour(inlet{c}, c.Conn)
	if errors.Is(err, syscall.EPIPE) {
		err = pour(io.Discard, c.Conn)
	}
	c.end(cmp.Or(err, io.EOF), false)
	_ = c.near.CloseWrite()
}

// outward ends when libzmq closes, or the far side takes no more.
func (c *conn) outward() {
	err := pour(outlet{c}, c.near)
	c.mu.Lock()
	finished := c.socket == nil && !c.over
	c.mu.Unlock()
	if far, ok := c.Conn.(*net.TCPConn); ok && finished && err == nil {
		_ = far.CloseWrite()
	} else {
		c.end(cmp.Or(err, ErrHungUp), false)
		_ = c.Conn.Close()
	}
	_ = c.near.Close()
}

// pour is io.Copy with a buffer of moderate size.
func pour(to io.Writer, from net.Conn) error {
	_, err := io.CopyBuffer(to, struct{ io.Reader }{from}, make([]byte, 16<<10))
	return err
}
