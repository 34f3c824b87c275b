package link

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// openErrors opens both ends of a connection and returns their errors.
func openErrors(t *testing.T, near, far Config) (nearErr, farErr error) {
	t.Helper()
	x, y := connect(t, TCP{}, TCP{}, "tcp://127.0.0.1:*")
	opened := make(chan error, 1)
	end := func(conn net.Conn, c Config) error {
		l, err := Open(t.Context(), conn, c)
		if err == nil {
			l.Close()
		}
		return err
	}
	go func() { opened <- end(y, far) }()
	nearErr = end(x, near)
	return nearErr, <-opened
}

func TestRemoteKey(t *testing.T) {
	near, far := secure(dealer, router)
	asked := make(chan net.Addr, 1)
	curve := farCurve
	curve.Admit = func(_ [32]byte, addr net.Addr, m *zmtp.Metadata) error {
		asked <- addr
		return nil
	}
	far.Curve = &curve
	a, b := openPair(t, near, far)
	if key, ok := a.RemoteKey(); !ok || key != [32]byte(farKey.PublicKey().Bytes()) {
		t.Errorf("near: key %x, %v", key, ok)
	}
	if key, ok := b.RemoteKey(); !ok || key != [32]byte(nearKey.PublicKey().Bytes()) {
		t.Errorf("far: key %x, %v", key, ok)
	}
	if addr := <-asked; addr.String() != a.LocalAddr().String() {
		t.Errorf("Admit was asked about %v, want %v", addr, a.LocalAddr())
	}
	a, _ = openPair(t, dealer, router)
	if key, ok := a.RemoteKey(); ok || key != [32]byte{} {
		t.Errorf("NULL: key %x, %v", key, ok)
	}
}

func TestCurveRefuses(t *testing.T) {
	near, far := secure(dealer, router)
	change := func(c Config, change func(*zmtp.Curve)) Config {
		curve := *c.Curve
		change(&curve)
		c.Curve = &curve
		return c
	}
	other := newKey()
	isRefused := func(err error) bool {
		var refused *zmtp.RefusedError
		return errors.As(err, &refused)
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	fails := func(err error) bool { return err != nil }
	for _, test := range []struct {
		name      string
		near, far Config
		nearErr   func(error) bool
		farErr    func(error) bool
	}{
		{"NULL to CURVE", dealer, far, is(zmtp.ErrMechanism), is(zmtp.ErrMechanism)},
		{"CURVE to NULL", near, router, is(zmtp.ErrMechanism), is(zmtp.ErrMechanism)},
		{"a key that is not admitted", change(near, func(c *zmtp.Curve) { c.Key = other }), far, isRefused, is(zmtp.ErrAdmission)},
		{"nobody is admitted", near, change(far, func(c *zmtp.Curve) { c.Admit = nil }), isRefused, is(zmtp.ErrAdmission)},
		{"another server", change(near, func(c *zmtp.Curve) { c.Server = other.PublicKey() }), far, fails, is(zmtp.ErrCurve)},
		{"no key", change(near, func(c *zmtp.Curve) { c.Key = nil }), far, fails, fails},
	} {
		if nearErr, farErr := openErrors(t, test.near, test.far); !test.nearErr(nearErr) || !test.farErr(farErr) {
			t.Errorf("%s: near %v, far %v", test.name, nearErr, farErr)
		}
	}
}

// relay is a network whose connections pass what is written through a function.
type relay struct {
	TCP
	pass func(n int, b []byte) []byte // n counts the writes
}

type relayed struct {
	net.Conn
	pass func(n int, b []byte) []byte
	n    int
}

func (r relay) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	conn, err := r.TCP.Dial(ctx, endpoint)
	return &relayed{Conn: conn, pass: r.pass}, err
}

func (r *relayed) Write(b []byte) (int, error) {
	_, err := r.Conn.Write(r.pass(r.n, bytes.Clone(b)))
	r.n++
	return len(b), err
}

// What a listener in the middle sees has nothing of what is said, and what he
// changes or says again ends the link, with nothing wrong delivered.
func TestCurveInTheMiddle(t *testing.T) {
	const handshake = 3 // writes: greeting, HELLO, INITIATE
	secret := []byte("nobody else may read this")
	near, far := secure(dealer, router)
	near.Identity = []byte("secret name")
	for name, test := range map[string]struct {
		change func(b []byte) []byte
		got    int
	}{
		"flips a bit": {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, 0},
		"repeats":     {func(b []byte) []byte { return append(b, b...) }, 1},
		"talks plain": {func(b []byte) []byte { return frames(secret) }, 0},
	} {
		r := relay{pass: func(n int, b []byte) []byte {
			if bytes.Contains(b, secret) || bytes.Contains(b, near.Identity) {
				t.Errorf("%s: seen in write %d: %q", name, n, b)
			}
			if n >= handshake {
				return test.change(b)
			}
			return b
		}}
		a, b := openOver(t, r, TCP{}, "tcp://127.0.0.1:*", near, far)
		if err := send(t.Context(), a, frames(secret)); err != nil {
			t.Fatal(err)
		}
		got := 0
		err := b.Serve(each(func(m [][]byte) error {
			if got++; !bytes.Equal(m[0], secret) {
				t.Errorf("%s: delivered %q", name, m)
			}
			return nil
		}))
		if want := map[bool]error{true: zmtp.ErrProtocol, false: zmtp.ErrCurve}[name == "talks plain"]; !errors.Is(err, want) || got != test.got {
			t.Errorf("%s: %d messages, then %v, want %v", name, got, err, want)
		}
	}
}

// A message that the system takes only in part is continued where it broke off, by
// the writer, and what comes after it is encrypted after it.
func TestCurveDirectWriteIsContinued(t *testing.T) {
	near, far := secure(dealer, router)
	a, b := openPair(t, near, far)
	const size = 8 << 20
	sent := make(chan error, 1)
	go func() {
		for range 2 {
			if err := send(t.Context(), a, frames(bytes.Repeat([]byte("x"), size))); err != nil {
				sent <- err
				return
			}
		}
		sent <- a.Flush(t.Context())
	}()
	got := 0
	err := b.Serve(each(func(m [][]byte) error {
		if len(m[0]) != size || bytes.Count(m[0], []byte("x")) != size {
			t.Error("message is damaged")
		}
		if got++; got == 2 {
			return errEnough
		}
		return nil
	}))
	if !errors.Is(err, errEnough) {
		t.Error(err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// PING and PONG are encrypted like everything else; a far side that answers them is
// not silent.
func TestCurveHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := secure(dealer, router)
		near.Heartbeat = time.Second
		m := NewMemory(nil)
		a, b := openOver(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*", near, far)
		serve(b, discard)
		wait := serve(a, discard)
		opened := a.Heard()
		<-time.After(time.Minute)
		synctest.Wait()
		if quiet := time.Since(a.Heard()); !a.Heard().After(opened) || quiet > 2*time.Second {
			t.Errorf("the far side was not heard for %v", quiet)
		}
		a.Close()
		if err := wait(); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}
