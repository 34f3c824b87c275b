//go:build unix

package link

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/sjohnr/at-once/src/zmtp"
)

// greets is what the far side says without waiting for us: its whole handshake with NULL.
func greets(tb testing.TB) []byte {
	tb.Helper()
	h := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Dealer})
	h.Receive(zmtp.AppendGreeting(nil, zmtp.Null)[:h.Next()])
	h.Receive(zmtp.AppendGreeting(nil, zmtp.Null)[zmtp.GreetingSize-h.Next():])
	return h.Outgoing()
}

// openHeld opens a link over a connection whose far side has said its whole handshake, and
// more, before.
func openHeld(tb testing.TB, c Config, more ...[]byte) (*Link, net.Conn) {
	tb.Helper()
	x, y := connect(tb, TCP{}, TCP{}, "tcp://127.0.0.1:*")
	tb.Cleanup(func() { y.Close() })
	if _, err := y.Write(slices.Concat(append([][]byte{greets(tb)}, more...)...)); err != nil {
		tb.Fatal(err)
	}
	c.Held = true
	l, err := Open(tb.Context(), x, c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l, y
}

// nothing checks that nothing has come over a connection. What is written on loopback is
// there at once.
func nothing(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := tryReadFrom(t, conn, make([]byte, 1)); n > 0 || !errors.Is(err, syscall.EAGAIN) {
		t.Fatalf("%d octets have come, %v", n, err)
	}
}

func tryReadFrom(t *testing.T, conn net.Conn, b []byte) (n int, err error) {
	t.Helper()
	if fault := rawConn(conn).Read(func(fd uintptr) bool { n, err = tryRead(fd, b); return true }); fault != nil {
		t.Fatal(fault)
	}
	return n, err
}

// TestHeld holds what is said first until it is released, and writes it at once then, with
// the end of the handshake.
func TestHeld(t *testing.T) {
	for name, release := range map[string]func(l *Link) (over func()){
		"Release": func(l *Link) func() { l.Release(); return func() {} },
		"Serve": func(l *Link) func() {
			over := serve(l, discard)
			return func() { l.Close(); _ = over() }
		},
		"Shutdown": func(l *Link) func() {
			if err := l.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, far := openHeld(t, router)
			if err := errors.Join(l.Say(number(1, 0)), send(t.Context(), l, number(2, 0))); err != nil {
				t.Fatal(err)
			}
			nothing(t, far)
			over := release(l)
			ready := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Router, Identity: router.Identity})
			ready.Receive(zmtp.AppendGreeting(nil, zmtp.Null)[:ready.Next()])
			ready.Receive(zmtp.AppendGreeting(nil, zmtp.Null)[zmtp.GreetingSize-ready.Next():])
			want := slices.Concat(ready.Outgoing(), number(1, 0), number(2, 0))
			got := make([]byte, len(want))
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q has come in place of %q, %v", got, want, err)
			}
			over()
		})
	}
}

// TestHeldWithCurve has a link of CURVE say something with the end of the handshake.
func TestHeldWithCurve(t *testing.T) {
	near, far := secure(dealer, router)
	near.Held, far.Held = true, true
	x, y := connect(t, TCP{}, TCP{}, "tcp://127.0.0.1:*")
	said := errors.New("nothing was said")
	done := make(chan struct{})
	go func() {
		defer close(done)
		b, err := Open(t.Context(), y, far)
		if err == nil {
			said = b.Say(number(1, 5000))
			b.Release()
			defer b.Close()
			_ = b.Serve(discard)
		}
	}()
	a, err := Open(t.Context(), x, near)
	if err != nil {
		t.Fatal(err)
	}
	var came []byte
	enough := errors.New("enough")
	if err := a.Serve(each(func(m [][]byte) error {
		came = frames(m...)
		return enough
	})); !errors.Is(err, enough) || !bytes.Equal(came, number(1, 5000)) {
		t.Errorf("%d octets have come, %v", len(came), err)
	}
	if <-done; said != nil {
		t.Error(said)
	}
}

// TestEarly delivers what came with the end of the handshake, also what came in part.
func TestEarly(t *testing.T) {
	two, later := number(2, 100), number(3, 0)
	l, far := openHeld(t, router, number(1, 0), two[:50])
	var came [][]byte
	over := serve(l, each(func(m [][]byte) error {
		came = append(came, frames(m...))
		switch len(came) {
		case 1:
			_, err := far.Write(slices.Concat(two[50:], later))
			return err
		case 3:
			return io.ErrShortBuffer
		}
		return nil
	}))
	if err := over(); err != io.ErrShortBuffer || !slices.EqualFunc(came, [][]byte{number(1, 0), two, later}, bytes.Equal) {
		t.Errorf("%q has come, %v", came, err)
	}
}

// TestTellsWhyItFails has the far side read why a handshake has failed, though nothing else
// was said: what is held is not that.
func TestTellsWhyItFails(t *testing.T) {
	x, y := connect(t, TCP{}, TCP{}, "tcp://127.0.0.1:*")
	defer y.Close()
	sub := zmtp.NewHandshake(zmtp.Metadata{Type: "SUB"})
	sub.Receive(zmtp.AppendGreeting(nil, zmtp.Null)[:sub.Next()])
	sub.Receive(zmtp.AppendGreeting(nil, zmtp.Null)[zmtp.GreetingSize-sub.Next():])
	if _, err := y.Write(sub.Outgoing()); err != nil {
		t.Fatal(err)
	}
	held := router
	held.Held = true
	if _, err := Open(context.Background(), x, held); !errors.Is(err, zmtp.ErrSocketType) {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(y); err != nil || !bytes.Contains(b, []byte("\x05ERROR")) {
		t.Errorf("%q was told, %v", b, err)
	}
}
