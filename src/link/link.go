package link

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sjohnr/at-once/src/zmtp"
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
