// Package linktest is the tests that hold for every driver: a link.Transport and the
// ZMTP of its connections.
package linktest

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// driver is what is tested.
type driver struct {
	link.Transport
	// opaque says that libzmq does the handshake, and with CURVE tells little of it: the
	// socket type of the far side and why it fails are not known, and a client that is
	// not admitted may learn so only when the link ends.
	opaque bool
}

// drivers are all that this build has.
var drivers = map[string]driver{"Go": {Transport: link.TCP{}}}

// pair is a driver that connects, as a DEALER and client, and one that accepts, as a
// ROUTER and server.
type pair struct{ near, far driver }

// TestDrivers tests links from each driver to each.
func TestDrivers(t *testing.T) {
	for from, near := range drivers {
		for to, far := range drivers {
			t.Run(from+" to "+to, pair{near, far}.test)
		}
	}
}

func (p pair) test(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"shapes", p.each(once(shapes))},
		{"order", p.each(once(order))},
		{"acquaintance", p.each(once(p.acquaintance))},
		{"back-pressure", p.each(once(backPressure))},
		{"blocked", p.each(bothWays(blocked))},
		{"close", p.each(bothWays(closing))},
		{"shutdown", p.each(bothWays(shutdown))},
		{"too large", p.each(once(p.tooLarge))},
		{"twins", p.twins},
		{"refusals", p.refusals},
		{"impatience", p.impatience},
		{"heartbeat", p.heartbeat},
		{"nobody listens", p.nobody},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) })
			test.run(t)
		})
	}
}

const (
	mebibyte = 1 << 20
	patience = 20 * time.Second // nothing takes as long
)

// ends are two links that make one connection.
type ends struct{ near, far *link.Link }

var (
	dealer = link.Config{Type: zmtp.Dealer, Identity: []byte("\x01de\x00aler"), MaxMessage: 16 * mebibyte}
	router = link.Config{Type: zmtp.Router, Identity: []byte("router"), MaxMessage: 16 * mebibyte}

	nearKey, farKey = newKey(), newKey()
)

func newKey() *ecdh.PrivateKey {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// secure gives both sides CURVE.
func secure(near, far link.Config) (link.Config, link.Config) {
	near.Curve = &zmtp.Curve{Key: nearKey, Server: farKey.PublicKey()}
	far.Curve = &zmtp.Curve{Key: farKey, Admit: func(key [32]byte, _ net.Addr, m *zmtp.Metadata) error {
		if key != [32]byte(nearKey.PublicKey().Bytes()) || !bytes.Equal(m.Identity, dealer.Identity) {
			return errors.New("a stranger")
		}
		return nil
	}}
	return near, far
}

// each runs a test without and with CURVE.
func (p pair) each(test func(t *testing.T, open func(*testing.T) ends)) func(*testing.T) {
	return func(t *testing.T) {
		secureNear, secureFar := secure(dealer, router)
		for mechanism, c := range map[string]struct{ near, far link.Config }{"NULL": {dealer, router}, "CURVE": {secureNear, secureFar}} {
			t.Run(mechanism, func(t *testing.T) {
				test(t, func(t *testing.T) ends {
					e, nearErr, farErr := p.open(t, c.near, c.far)
					if err := errors.Join(nearErr, farErr); err != nil {
						t.Fatal(err)
					}
					return e
				})
			})
		}
	}
}

// once is a test of one link.
func once(test func(*testing.T, ends)) func(*testing.T, func(*testing.T) ends) {
	return func(t *testing.T, open func(*testing.T) ends) { test(t, open(t)) }
}

// bothWays is a test of one link and, with its ends taken for each other, of another.
func bothWays(test func(*testing.T, ends)) func(*testing.T, func(*testing.T) ends) {
	return func(t *testing.T, open func(*testing.T) ends) {
		t.Run("from near", func(t *testing.T) { test(t, open(t)) })
		t.Run("from far", func(t *testing.T) { e := open(t); test(t, ends{e.far, e.near}) })
	}
}

// open opens a link, which is closed with the test. The near side says hello at once,
// as those do who connect in ZRE: there are drivers whose far side waits for it.
func (p pair) open(t testing.TB, near, far link.Config) (e ends, nearErr, farErr error) {
	t.Helper()
	x, y := p.connect(t)
	opened := make(chan error, 1)
	go func() {
		var err error
		e.far, err = link.Open(t.Context(), y, far)
		opened <- err
	}()
	if e.near, nearErr = link.Open(t.Context(), x, near); nearErr == nil {
		t.Cleanup(func() { e.near.Close() })
		nearErr = send(e.near, []byte("hello"))
	}
	if farErr = <-opened; farErr == nil {
		t.Cleanup(func() { e.far.Close() })
	}
	return e, nearErr, farErr
}

func (p pair) connect(t testing.TB) (x, y net.Conn) {
	t.Helper()
	listener, err := p.far.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan error, 1)
	go func() {
		var err error
		y, err = listener.Accept()
		accepted <- err
	}()
	x, err = p.near.Dial(t.Context(), "tcp://"+listener.Addr().String())
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	return x, y
}

// send sends a message.
func send(l *link.Link, frames ...[]byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return sendWithin(ctx, l, frames...)
}

func sendWithin(ctx context.Context, l *link.Link, frames ...[]byte) error {
	size := 0
	for _, frame := range frames {
		size += zmtp.FrameSize(len(frame))
	}
	b, err := l.Reserve(ctx, size)
	if err != nil {
		return err
	}
	b = b[:0]
	for i, frame := range frames {
		b = append(zmtp.AppendHeader(b, len(frame), i < len(frames)-1), frame...)
	}
	l.Commit()
	return nil
}

// serve serves a link in the background. What it returns waits for the end.
func serve(t testing.TB, l *link.Link, take func(message [][]byte) error) (wait func() error) {
	ended := make(chan error, 1)
	go func() {
		ended <- l.Serve(func(b *link.Batch) error {
			defer b.Release()
			for i := range b.Len() {
				if m := b.Message(i); len(m) != 1 || string(m[0]) != "hello" {
					if err := take(m); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}()
	return func() error {
		t.Helper()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			t.Fatal("the link does not end")
			return nil
		}
	}
}

func discard([][]byte) error { return nil }
