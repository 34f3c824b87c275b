package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Config is what a link is opened with. A number that is zero stands for the
// default.
type Config struct {
	Type       string        // our socket type: zmtp.Dealer or zmtp.Router
	Identity   []byte        // at most 255 octets, the first not zero; may be empty
	MaxMessage int           // octets of content in one message, all frames; default 16 MiB
	MaxFrames  int           // frames in one message; default 1024
	Greeting   int           // octets of content in one message, of few frames, until Widen is called; 0 is MaxMessage
	Outbox     int           // octets that may wait to be written; default 1 MiB
	Reserve    int           // further octets, for ReserveControl; default 64 KiB
	Handshake  time.Duration // the longest that Open may take; default as in the model
	Heartbeat  time.Duration // silence after which the far side is asked for a sign of life; 0 is never
	Pool       *Pool         // where buffers come from; default is a pool that all links share
	Curve      *zmtp.Curve   // our side of the CURVE mechanism; nil is NULL, without security
	// Refused is told by Serve what the far side says with ERROR on an open link, where it
	// does not end the link: whoever has said it closes it, or not. With nil it does, and
	// Serve returns a zmtp.RefusedError.
	Refused func(reason string)
	// Properties are what else the far side is told in the handshake. With CURVE they
	// are encrypted, and a server tells them only to a client that has told some too.
	// See [Link.TakeProperties].
	Properties map[string][]byte
}

const (
	defaultMaxMessage = 16 << 20
	defaultMaxFrames  = 1024
	defaultOutbox     = 1 << 20
	defaultReserve    = 64 << 10
)

// Link is a connection whose handshake is done. All methods may be called at the
// same time, but Serve only once.
type Link struct {
	config Config
	conn   net.Conn
	raw    syscall.RawConn // nil if the connection cannot be tried without waiting
	remote *zmtp.Result
	*Outbox
	writer
	inbox

	serving atomic.Bool
	served  chan struct{} // closed when Serve has returned
	end     error         // what it has returned
	closing sync.Once
}

// Open does the handshake over conn, as either side, and returns a link. It gives
// up when ctx ends or c.Handshake has passed. The connection belongs to the link
// from now on; after an error it is closed. Besides the errors of the connection
// there are those of package zmtp.
func Open(ctx context.Context, conn net.Conn, c Config) (*Link, error) {
	if err := c.complete(); err != nil {
		conn.Close()
		return nil, err
	}
	remote, err := shake(ctx, conn, &c)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := &Link{config: c, conn: conn, raw: rawConn(conn), remote: remote, served: make(chan struct{})}
	l.openInbox()
	l.openWriter()
	return l, nil
}

// Ended returns a link that has ended. It has no connection, and takes no messages.
func Ended() *Link {
	l := new(Link)
	l.openWriter()
	l.seal(nil)
	return l
}

// complete puts the defaults in place of zeros.
func (c *Config) complete() error {
	switch {
	case c.Type != zmtp.Dealer && c.Type != zmtp.Router:
		return fmt.Errorf("link: no socket type %q", c.Type)
	case len(c.Identity) > zmtp.MaxIdentity || len(c.Identity) > 0 && c.Identity[0] == 0:
		return errors.New("link: identity is longer than 255 octets or begins with zero")
	case c.MaxMessage < 0 || c.MaxFrames < 0 || c.Greeting < 0 || c.Outbox < 0 || c.Reserve < 0 || c.Handshake < 0 || c.Heartbeat < 0:
		return errors.New("link: negative limit")
	}
	if c.Curve != nil {
		if err := c.Curve.Check(); err != nil {
			return err
		}
	}
	for _, number := range []struct {
		n        *int
		standard int
	}{
		{&c.MaxMessage, defaultMaxMessage}, {&c.MaxFrames, defaultMaxFrames},
		{&c.Outbox, defaultOutbox}, {&c.Reserve, defaultReserve},
	} {
		if *number.n == 0 {
			*number.n = number.standard
		}
	}
	if c.Handshake == 0 {
		c.Handshake = machine.DefaultHandshake
	}
	if c.Pool == nil {
		c.Pool = &shared
	}
	return nil
}

// shake does the handshake within ctx and c.Handshake.
func shake(ctx context.Context, conn net.Conn, c *Config) (*zmtp.Result, error) {
	if own, ok := conn.(Shaker); ok {
		return delegate(ctx, own, c)
	}
	if err := conn.SetDeadline(time.Now().Add(c.Handshake)); err != nil {
		return nil, err
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0))
		close(interrupted)
	})
	local := zmtp.Metadata{Type: c.Type, Identity: c.Identity, Others: c.Properties}
	handshake := zmtp.NewHandshake(local)
	if c.Curve != nil {
		handshake = zmtp.NewCurveHandshake(local, *c.Curve, conn.RemoteAddr())
	}
	remote, err := handshake.Run(conn)
	if !stop() {
		<-interrupted
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return remote, conn.SetDeadline(time.Time{})
}

// RemoteIdentity returns the identity that the far side gave; it may be empty.
func (l *Link) RemoteIdentity() []byte { return l.remote.Remote.Identity }

// RemoteType returns the socket type of the far side.
func (l *Link) RemoteType() string { return l.remote.Remote.Type }

// RemoteKey returns the key that the far side has proved to hold; ok is false if the
// link has no security.
func (l *Link) RemoteKey() (key [32]byte, ok bool) { return l.remote.Key, l.config.Curve != nil }

// TakeProperties returns what else each side has told the other in the handshake: ours
// as Config.Properties names them, theirs by lower-case name. It does so once, because
// idle links are many, and before Serve. Ours are nil with a driver that shows none.
func (l *Link) TakeProperties() (ours, theirs map[string][]byte) {
	ours, theirs = l.config.Properties, l.remote.Remote.Others
	l.config.Properties, l.remote.Remote.Others = nil, nil
	return ours, theirs
}

// LocalAddr returns our address.
func (l *Link) LocalAddr() net.Addr { return l.conn.LocalAddr() }

// RemoteAddr returns the address of the far side.
func (l *Link) RemoteAddr() net.Addr { return l.conn.RemoteAddr() }

// Close ends the link at once. What is queued is dropped; Serve returns soon.
// Close may be called any number of times, but not between a Reserve and its
// Commit in the same goroutine.
func (l *Link) Close() error {
	l.seal(nil)
	err := l.hangUp()
	l.writes.Wait()
	return err
}

// hangUp closes the connection, the first time that it is called.
func (l *Link) hangUp() (err error) {
	l.closing.Do(func() { err = l.conn.Close() })
	return err
}

// Shutdown ends the link in good order: it takes no more messages, writes what is
// queued, tells the far side that nothing more will come, and lets Serve go on
// until the far side has read all and closes too. Then, or when ctx ends, it is
// Close. It returns nil only if all was written and, where Serve runs, read. It
// waits for Serve, so deliver must not call it.
func (l *Link) Shutdown(ctx context.Context) error {
	defer l.Close()
	l.seal(nil)
	if err := l.settle(ctx); err != nil {
		return err
	}
	half, ok := l.conn.(interface{ CloseWrite() error })
	if !ok || !l.serving.Load() {
		return nil
	}
	if err := half.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	select {
	case <-l.served:
		if l.end != io.EOF {
			return l.end
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
