//go:build czmq

package czmq

import (
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/sjohnr/at-once/src/link"
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

const (
	maxOutgoing  = 1 << 20 // octets that libzmq may have to send when it is given a message
	sealOverhead = 33      // of a frame that CURVE seals (RFC 26, MESSAGE)
	slack        = 1 << 20 // more than libzmq takes to see what it was given
)

// limits bound the memory that libzmq takes. It counts messages, while octets are what
// matters: of messages that are large, and of those that never end.
type limits struct {
	incoming int       // octets that went in since libzmq was found empty after a message
	most     int       // of these: enough for the largest message
	useful   bool      // a message came out since then
	emptied  sync.Cond // incoming is 0
	outgoing int       // octets of messages that have not come out
	overhead int       // of each frame
}

func (c *conn) limit(config *link.Config) {
	if config.Curve != nil {
		c.overhead = sealOverhead
	}
	const header = 9
	c.most = config.MaxMessage + config.MaxFrames*(header+c.overhead) + slack
}

// drained is called when there is nothing to receive. It tells whether that is so
// though the largest message should have come.
func (c *conn) drained() (never bool) {
	if c.useful {
		c.incoming, c.useful = 0, false
		c.emptied.Broadcast()
	}
	return c.incoming > c.most
}

// inlet is the way into libzmq.
type inlet struct{ *conn }

func (i inlet) Write(b []byte) (int, error) {
	i.mu.Lock()
	i.overhear(b)
	for i.incoming > i.most && i.cause == nil {
		i.readable.Signal() // to see whether anything is in there
		i.emptied.Wait()
	}
	i.incoming += len(b)
	i.mu.Unlock()
	return i.near.Write(b)
}

// outlet is the way out.
type outlet struct{ *conn }

func (o outlet) Write(b []byte) (int, error) {
	n, err := o.Conn.Write(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.outgoing = max(o.outgoing-n, 0)
	o.writable.Signal()
	return n, err
}
