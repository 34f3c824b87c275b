package link

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Link is a connection whose handshake is done. All methods may be called at the
// same time, but Serve only once.
//
// It is put together from parts, each of which knows but some of those before it: what
// carries it, what writes, where senders leave messages, signs of life, what reads. What writes
// and where senders leave messages know each other, as an outbox goes from link to link.
type Link struct {
	carrier
	writer
	*Outbox
	pulse
	reader

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
	remote, o, err := shake(ctx, conn, &c)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := newLink(c)
	l.conn, l.raw, l.remote, l.opened = conn, rawConn(conn), remote, time.Now()
	l.pulse.open(&l.carrier, &l.writer)
	l.reader.open(&l.carrier, &l.pulse)
	if o != nil {
		l.early = o.rest()
		l.first, l.held = o.said, c.Held
	}
	return l, nil
}

// Ended returns a link that has ended. It has no connection, and takes no messages.
func Ended() *Link {
	l := newLink(Config{})
	l.dead = ErrClosed
	l.finish(nil)
	return l
}

func newLink(c Config) *Link {
	l := &Link{carrier: carrier{config: c}, Outbox: new(Outbox), served: make(chan struct{})}
	l.Outbox.open(&l.config)
	l.Outbox.writer = &l.writer
	l.writer.open(&l.carrier, l.Outbox)
	return l
}

// Serve reads until the link ends, and closes it. It hands each batch to deliver
// with one reference, which deliver has to release. While deliver runs nothing is
// read; an error that it returns ends the link.
//
// Serve returns why the link ended: io.EOF if the far side closed it in good
// order, ErrClosed if we did, ErrSilent, the error of deliver or of the
// connection, or one of package zmtp.
func (l *Link) Serve(deliver func(*Batch) error) error {
	if l.serving.Swap(true) {
		return ErrClosed
	}
	defer close(l.served)
	return l.over(l.reader.serve(deliver))
}

// ServeIdle is Serve for links over which nothing is said most of the time: one that waits takes
// less memory. It returns at once. In the end, which the caller is to wait for, ended is called
// with what Serve would return.
func (l *Link) ServeIdle(deliver func(*Batch) error, ended func(error)) {
	if l.serving.Swap(true) {
		go ended(ErrClosed)
		return
	}
	l.reader.idle(deliver, func(err error) {
		err = l.over(err)
		close(l.served)
		ended(err)
	})
}

// over ends the link as Serve does, and returns why it has ended.
func (l *Link) over(err error) error {
	if errors.Is(err, net.ErrClosed) {
		err = ErrClosed
	}
	l.stop(err)
	l.hangUp()
	l.writes.Wait()
	l.end = err
	return err
}

// Close ends the link at once. What is queued is dropped; Serve returns soon.
// Close may be called any number of times, but not between a Reserve and its
// Commit in the same goroutine.
func (l *Link) Close() error {
	l.stop(nil)
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
	l.stop(nil)
	l.Release()
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
