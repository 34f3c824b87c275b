package linktest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// acquaintance is what each side knows of the other.
func (p pair) acquaintance(t *testing.T, e ends) {
	if got := e.far.RemoteIdentity(); !bytes.Equal(got, dealer.Identity) {
		t.Errorf("identity %q, want %q", got, dealer.Identity)
	}
	secure := strings.HasSuffix(t.Name(), "/CURVE")
	if got := e.near.RemoteType(); got != zmtp.Router && !(p.near.opaque && secure) {
		t.Errorf("the far side is a %s", got)
	}
	if got := e.near.RemoteIdentity(); !bytes.Equal(got, router.Identity) && !(p.near.opaque && secure) {
		t.Errorf("the far side's identity is %q", got)
	}
	if got := e.far.RemoteType(); got != zmtp.Dealer && !(p.far.opaque && secure) {
		t.Errorf("the near side is a %s", got)
	}
	if e.near.LocalAddr().String() != e.far.RemoteAddr().String() || e.far.LocalAddr().String() != e.near.RemoteAddr().String() {
		t.Error("addresses do not match")
	}
	nearKnows, nearOK := e.near.RemoteKey()
	farKnows, farOK := e.far.RemoteKey()
	if nearOK != secure || farOK != secure {
		t.Errorf("keys are known: %v, %v, want %v", nearOK, farOK, secure)
	} else if secure && (nearKnows != [32]byte(farKey.PublicKey().Bytes()) || farKnows != [32]byte(nearKey.PublicKey().Bytes())) {
		t.Errorf("keys %x, %x", nearKnows, farKnows)
	}
}

// tooLarge sends a message that the far side does not take.
func (p pair) tooLarge(t *testing.T, e ends) {
	wait, noticed := serve(t, e.far, discard), serve(t, e.near, discard)
	if err := send(e.near, make([]byte, router.MaxMessage+1)); err != nil {
		t.Fatal(err)
	}
	if err := wait(); err == nil || !errors.Is(err, zmtp.ErrTooLarge) && !p.far.opaque {
		t.Errorf("far: %v", err)
	}
	if err := noticed(); err == nil {
		t.Errorf("near: %v", err)
	}
}

// twins have one identity, and each its link.
func (p pair) twins(t *testing.T) {
	for i := range 2 {
		e, nearErr, farErr := p.open(t, dealer, router)
		if err := errors.Join(nearErr, farErr); err != nil {
			t.Fatal(err)
		}
		serve(t, e.far, func(m [][]byte) error { return send(e.far, m...) })
		back := make(chan string, 1)
		serve(t, e.near, func(m [][]byte) error { back <- string(m[0]); return nil })
		if err := send(e.near, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if got := <-back; got != string([]byte{byte(i)}) {
			t.Errorf("twin %d hears %q", i, got)
		}
	}
}

// refusals are handshakes of those who do not go together.
func (p pair) refusals(t *testing.T) {
	secureNear, secureFar := secure(dealer, router)
	stranger, otherServer, nobody := *secureNear.Curve, *secureNear.Curve, *secureFar.Curve
	stranger.Key, otherServer.Server, nobody.Admit = newKey(), newKey().PublicKey(), nil
	with := func(c link.Config, curve *zmtp.Curve) link.Config { c.Curve = curve; return c }
	for _, test := range []struct {
		name      string
		near, far link.Config
		farErr    error // where it is known
	}{
		{"NULL to CURVE", dealer, secureFar, zmtp.ErrMechanism},
		{"CURVE to NULL", secureNear, router, zmtp.ErrMechanism},
		{"a stranger", with(secureNear, &stranger), secureFar, zmtp.ErrAdmission},
		{"nobody is admitted", secureNear, with(secureFar, &nobody), zmtp.ErrAdmission},
		{"another server", with(secureNear, &otherServer), secureFar, zmtp.ErrCurve},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, nearErr, farErr := p.open(t, test.near, test.far)
			if farErr == nil || test.farErr == zmtp.ErrAdmission && !errors.Is(farErr, test.farErr) {
				t.Errorf("far: %v, want %v", farErr, test.farErr)
			}
			if !p.far.opaque && !p.near.opaque && !errors.Is(farErr, test.farErr) {
				t.Errorf("far: %v, want %v", farErr, test.farErr)
			}
			if nearErr == nil && p.far.opaque && test.farErr == zmtp.ErrAdmission {
				nearErr = serve(t, e.near, discard)()
			}
			if nearErr == nil {
				t.Error("near does not notice")
			}
		})
	}
}

// impatience gives up on far sides that say nothing, or not what they should.
func (p pair) impatience(t *testing.T) {
	for name, test := range map[string]struct {
		say     string
		timeout time.Duration
		want    error
	}{
		"silent":    {"", 100 * time.Millisecond, os.ErrDeadlineExceeded},
		"cancelled": {"", time.Minute, context.DeadlineExceeded},
		"not ZMTP":  {"GET / HTTP/1.1\r\n\r\n", 100 * time.Millisecond, nil},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := p.far.Listen(t.Context(), "tcp://127.0.0.1:*")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			raw, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			conn, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(raw, test.say); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			c := router
			c.Handshake = test.timeout
			if test.want == nil {
				ctx = t.Context()
			}
			if l, err := link.Open(ctx, conn, c); l != nil || err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, %v, want %v", l, err, test.want)
			}
			if err := raw.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, raw); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is not closed")
			}
		})
	}
}

// heartbeat ends a link whose far side has fallen silent.
func (p pair) heartbeat(t *testing.T) {
	listener, err := link.TCP{}.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := p.near.Dial(t.Context(), "tcp://"+listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	shaken := make(chan error, 1)
	go func() {
		_, err := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Router}).Run(raw)
		shaken <- err
	}()
	asking := dealer
	asking.Heartbeat = 20 * time.Millisecond
	l, err := link.Open(t.Context(), conn, asking)
	if err := errors.Join(err, <-shaken); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := serve(t, l, discard)(); !errors.Is(err, link.ErrSilent) && !p.near.opaque {
		t.Errorf("Serve: %v", err)
	}
}

// nobody dials where nobody listens, or listens any more.
func (p pair) nobody(t *testing.T) {
	listener, err := p.far.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	endpoint := "tcp://" + listener.Addr().String()
	accepted := make(chan error, 1)
	go func() { _, err := listener.Accept(); accepted <- err }()
	if err := listener.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if _, err := p.near.Dial(t.Context(), endpoint); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial: %v", err)
	}
	for _, bad := range []string{"tcp://127.0.0.1:*", "nonsense"} {
		if _, err := p.near.Dial(t.Context(), bad); !errors.Is(err, link.ErrEndpoint) {
			t.Errorf("Dial %s: %v", bad, err)
		}
	}
	if _, err := p.far.Listen(t.Context(), "nonsense"); !errors.Is(err, link.ErrEndpoint) {
		t.Errorf("Listen: %v", err)
	}
}
