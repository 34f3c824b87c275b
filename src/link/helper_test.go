package link

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/zmtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	dealer = Config{Type: zmtp.Dealer, Identity: []byte("dealer")}
	router = Config{Type: zmtp.Router, Identity: []byte("router")}
)

// veiled is TCP whose connections hide that they have a descriptor.
type veiled struct{ TCP }

func (v veiled) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	conn, err := v.TCP.Dial(ctx, endpoint)
	return struct{ net.Conn }{conn}, err
}

// networks are those that links are tested on.
var networks = map[string]func() (near, far Transport, endpoint string){
	"TCP":    func() (Transport, Transport, string) { return TCP{}, TCP{}, "tcp://127.0.0.1:*" },
	"veiled": func() (Transport, Transport, string) { return veiled{}, veiled{}, "tcp://127.0.0.1:*" },
	"memory": func() (Transport, Transport, string) {
		m := NewMemory(nil)
		return m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*"
	},
}

// onEach runs a test with a link on each of the networks, without and with CURVE.
func onEach(t *testing.T, near, far Config, test func(t *testing.T, near, far *Link)) {
	for name, network := range networks {
		for _, mechanism := range []string{"NULL", "CURVE"} {
			t.Run(name+" "+mechanism, func(t *testing.T) {
				near, far := near, far
				if mechanism == "CURVE" {
					near, far = secure(near, far)
				}
				from, to, endpoint := network()
				a, b := openOver(t, from, to, endpoint, near, far)
				test(t, a, b)
			})
		}
	}
}

var (
	nearKey, farKey = newKey(), newKey()
	nearCurve       = zmtp.Curve{Key: nearKey, Server: farKey.PublicKey()}
	farCurve        = zmtp.Curve{Key: farKey, Admit: func(key [32]byte, _ net.Addr, _ *zmtp.Metadata) error {
		if key != [32]byte(nearKey.PublicKey().Bytes()) {
			return errors.New("a stranger")
		}
		return nil
	}}
)

func newKey() *ecdh.PrivateKey {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// secure gives both sides CURVE.
func secure(near, far Config) (Config, Config) {
	near.Curve, far.Curve = &nearCurve, &farCurve
	return near, far
}

// openPair opens a link over TCP on loopback: our end and the far one.
func openPair(tb testing.TB, near, far Config) (a, b *Link) {
	tb.Helper()
	return openOver(tb, TCP{}, TCP{}, "tcp://127.0.0.1:*", near, far)
}

// openOver opens a link from one host to another. Both ends are closed with the test.
func openOver(tb testing.TB, from, to Transport, endpoint string, near, far Config) (a, b *Link) {
	tb.Helper()
	x, y := connect(tb, from, to, endpoint)
	opened := make(chan error, 1)
	go func() {
		var err error
		b, err = Open(tb.Context(), y, far)
		opened <- err
	}()
	a, err := Open(tb.Context(), x, near)
	if err := errors.Join(err, <-opened); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// connect makes a connection from one host to another.
func connect(tb testing.TB, from, to Transport, endpoint string) (x, y net.Conn) {
	tb.Helper()
	listener, err := to.Listen(tb.Context(), endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan error, 1)
	go func() {
		var err error
		y, err = listener.Accept()
		accepted <- err
	}()
	x, err = from.Dial(tb.Context(), "tcp://"+listener.Addr().String())
	if err := errors.Join(err, <-accepted); err != nil {
		tb.Fatal(err)
	}
	return x, y
}

// openRaw opens a link to a far side that is but a connection, past its handshake.
func openRaw(tb testing.TB, c Config) (*Link, net.Conn) {
	tb.Helper()
	m := NewMemory(nil)
	x, y := connect(tb, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*")
	shaken := make(chan error, 1)
	go func() {
		_, err := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Router}).Run(y)
		shaken <- err
	}()
	l, err := Open(tb.Context(), x, c)
	if err := errors.Join(err, <-shaken); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close(); y.Close() })
	return l, y
}

// frames encodes a message.
func frames(content ...[]byte) (b []byte) {
	for i, c := range content {
		b = append(zmtp.AppendHeader(b, len(c), i < len(content)-1), c...)
	}
	return b
}

// send sends encoded messages.
func send(ctx context.Context, l *Link, b []byte) error {
	room, err := l.Reserve(ctx, len(b))
	if err != nil {
		return err
	}
	copy(room, b)
	l.Commit()
	return nil
}

// number is a message that carries a number, and as many more octets as asked.
func number(i, more int) []byte {
	return frames(binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, more))
}

// serve runs Serve; the function that it returns waits for it to end and returns
// its error.
func serve(l *Link, deliver func(*Batch) error) (wait func() error) {
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(deliver) }()
	return func() error { return <-ended }
}

// discard is a deliver function.
func discard(b *Batch) error {
	b.Release()
	return nil
}

// each is a deliver function that hands over one message at a time.
func each(do func(message [][]byte) error) func(*Batch) error {
	return func(b *Batch) error {
		defer b.Release()
		for i := range b.Len() {
			if err := do(b.Message(i)); err != nil {
				return err
			}
		}
		return nil
	}
}
