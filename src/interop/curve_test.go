package interop

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/zeromq/goczmq"
)

// identity is a key pair of CURVE, for us and for CZMQ.
type identity struct {
	*ecdh.PrivateKey
	*goczmq.Cert
}

func newIdentity(t testing.TB) identity {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	must(t, err)
	cert, err := goczmq.NewCertFromKeys(key.PublicKey().Bytes(), key.Bytes())
	must(t, err)
	t.Cleanup(cert.Destroy)
	return identity{key, cert}
}

func (i identity) public() [32]byte { return [32]byte(i.PublicKey().Bytes()) }

// authority lets CZMQ's zauth admit those whose certificates are in a directory.
func authority(t testing.TB, admitted ...identity) {
	t.Helper()
	directory := t.TempDir()
	for i, who := range admitted {
		must(t, who.SavePublic(filepath.Join(directory, fmt.Sprintf("%d.cert", i))))
	}
	auth := goczmq.NewAuth()
	t.Cleanup(auth.Destroy)
	must(t, auth.Curve(directory))
}

// curveServer returns where a CURVE server of libzmq listens.
func curveServer(t testing.TB, who identity) (czmqSock, string) {
	t.Helper()
	s := newSock(t, goczmq.Router)
	s.SetZapDomain("global")
	s.SetCurveServer(1)
	who.Apply(s.Sock)
	return s, s.bind()
}

// curveClient is a DEALER of libzmq that connects to a server whose key it knows.
func curveClient(t testing.TB, who, server identity, endpoint string) czmqSock {
	t.Helper()
	s := newSock(t, goczmq.Dealer)
	who.Apply(s.Sock)
	s.SetCurveServerkey(server.PublicText())
	s.SetIdentity("\x01theirs")
	s.connect(endpoint)
	return s
}

// asClient and asServer are our sides.
func asClient(who, server identity) link.Config {
	c := dealer
	c.Curve = &zmtp.Curve{Key: who.PrivateKey, Server: server.PublicKey()}
	return c
}

func asServer(who identity, admitted ...identity) link.Config {
	c := router
	c.Curve = &zmtp.Curve{Key: who.PrivateKey, Admit: func(key [32]byte, _ net.Addr, _ *zmtp.Metadata) error {
		for _, other := range admitted {
			if key == other.public() {
				return nil
			}
		}
		return errors.New("a stranger")
	}}
	return c
}

// TestCurveShapesBothWays sends every shape to libzmq and back: our client with its
// server, which asks zauth, and its client with our server.
func TestCurveShapesBothWays(t *testing.T) {
	server, client := newIdentity(t), newIdentity(t)
	t.Run("our client", func(t *testing.T) {
		authority(t, newIdentity(t), client)
		theirs, endpoint := curveServer(t, server)
		ours := dial(t, endpoint, asClient(client, server))
		if key, ok := ours.RemoteKey(); !ok || key != server.public() || ours.RemoteType() != zmtp.Router {
			t.Errorf("libzmq is a %s with the key %x", ours.RemoteType(), key)
		}
		for i, want := range shapes() {
			ours.send(want...)
			got := theirs.receive()
			if !bytes.Equal(got[0], ourIdentity) || !same(got[1:], want) {
				t.Fatalf("shape %d arrives changed", i)
			}
			theirs.send(got...)
			if !same(ours.receive(), want) {
				t.Fatalf("shape %d comes back changed", i)
			}
		}
	})
	t.Run("our server", func(t *testing.T) {
		listener, endpoint := listen(t)
		theirs := curveClient(t, client, server, endpoint)
		ours := accept(t, listener, asServer(server, client))
		if key, ok := ours.RemoteKey(); !ok || key != client.public() || string(ours.RemoteIdentity()) != "\x01theirs" {
			t.Errorf("libzmq is %q with the key %x", ours.RemoteIdentity(), key)
		}
		for i, want := range shapes() {
			theirs.send(want...)
			if !same(ours.receive(), want) {
				t.Fatalf("shape %d arrives changed", i)
			}
			ours.send(want...)
			if !same(theirs.receive(), want) {
				t.Fatalf("shape %d comes back changed", i)
			}
		}
	})
}

// TestCurveBurst lets many messages wait on their way.
func TestCurveBurst(t *testing.T) {
	const count = 5000
	server, client := newIdentity(t), newIdentity(t)
	authority(t, client)
	theirs, endpoint := curveServer(t, server)
	roomy := asClient(client, server)
	roomy.Outbox = 16 * mebibyte
	ours := dial(t, endpoint, roomy)
	number := func(i int) [][]byte { return [][]byte{{byte(i >> 8), byte(i)}, make([]byte, i%500)} }
	for i := range count {
		ours.send(number(i)...)
	}
	for i := range count {
		got := theirs.receive()
		if !same(got[1:], number(i)) {
			t.Fatalf("message %d arrives as %x", i, got)
		}
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

// mechanismsDiffer says whether that is what an error is about. Libzmq may hang up
// before it has told us its mechanism, when it has seen ours.
func mechanismsDiffer(err error) bool {
	return errors.Is(err, zmtp.ErrMechanism) || errors.Is(err, io.ErrUnexpectedEOF)
}

// TestCurveRefusals has libzmq refuse us, with zauth's status, and us refuse
// libzmq, on every ground that there is.
func TestCurveRefusals(t *testing.T) {
	server, client, stranger := newIdentity(t), newIdentity(t), newIdentity(t)
	open := func(t *testing.T, endpoint string, c link.Config) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		conn, err := link.TCP{}.Dial(ctx, endpoint)
		must(t, err)
		l, err := link.Open(ctx, conn, c)
		if err == nil {
			l.Close()
		}
		return err
	}
	t.Run("by libzmq", func(t *testing.T) {
		authority(t, client)
		_, endpoint := curveServer(t, server)
		var refused *zmtp.RefusedError
		if err := open(t, endpoint, asClient(stranger, server)); !errors.As(err, &refused) || refused.Reason != "400" {
			t.Errorf("a stranger: %v, want a refusal with 400", err)
		}
		if err := open(t, endpoint, asClient(client, stranger)); err == nil || errors.As(err, &refused) {
			t.Errorf("another server's key: %v", err)
		}
		if err := open(t, endpoint, dealer); !mechanismsDiffer(err) {
			t.Errorf("NULL: %v", err)
		}
		if err := open(t, endpoint, asClient(client, server)); err != nil {
			t.Errorf("who is admitted, afterwards: %v", err)
		}
	})
	t.Run("by us", func(t *testing.T) {
		listener, endpoint := listen(t)
		refuse := func(c link.Config, as func(error) bool) {
			t.Helper()
			must(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
			conn, err := listener.Accept()
			must(t, err)
			l, err := link.Open(context.Background(), conn, c)
			if !as(err) {
				t.Error(err)
			}
			if err == nil {
				l.Close()
			}
		}
		for _, test := range []struct {
			who, to identity
			ours    link.Config
			as      func(error) bool
		}{
			{stranger, server, asServer(server, client), is(zmtp.ErrAdmission)},
			{client, server, asServer(server), is(zmtp.ErrAdmission)},
			{client, stranger, asServer(server, client), is(zmtp.ErrCurve)},
			{client, server, router, mechanismsDiffer},
		} {
			theirs := curveClient(t, test.who, test.to, endpoint)
			refuse(test.ours, test.as)
			theirs.Destroy()
		}
		theirs := newSock(t, goczmq.Dealer)
		theirs.connect(endpoint)
		refuse(asServer(server, client), mechanismsDiffer)
	})
}

// TestCurveHeartbeats lets both sides ask for signs of life on a sealed link; each
// hangs up on who does not answer.
func TestCurveHeartbeats(t *testing.T) {
	const interval = 20 * time.Millisecond
	server, client := newIdentity(t), newIdentity(t)
	authority(t, client)
	theirs, _ := curveServer(t, server)
	theirs.SetHeartbeatIvl(int(interval.Milliseconds()))
	theirs.SetHeartbeatTimeout(int(10 * interval.Milliseconds()))
	asking := asClient(client, server)
	asking.Heartbeat = interval
	ours := dial(t, theirs.bind(), asking)
	first := ours.Heard()
	for deadline := time.Now().Add(patience); ours.Heard().Sub(first) < 30*interval; {
		select {
		case err := <-ours.ended:
			t.Fatalf("the link has ended: %v", err)
		case <-time.After(interval):
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is heard of libzmq")
		}
	}
	ours.send([]byte("still there"))
	if got := theirs.receive(); !same(got[1:], [][]byte{[]byte("still there")}) {
		t.Errorf("got %q", got)
	}
}
