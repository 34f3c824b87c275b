package interop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/zeromq/goczmq"
)

const mebibyte = 1 << 20

var (
	ourIdentity = []byte("\x01ours")
	dealer      = link.Config{Type: zmtp.Dealer, Identity: ourIdentity, MaxMessage: 64 * mebibyte, Outbox: mebibyte}
	router      = link.Config{Type: zmtp.Router, MaxMessage: 64 * mebibyte, Outbox: mebibyte}
)

// served is a link of ours whose messages are copied into a channel.
type served struct {
	*link.Link
	t        testing.TB
	messages chan [][]byte
	ended    chan error // gets why Serve ended
}

// serve opens a link over conn.
func serve(t testing.TB, conn net.Conn, c link.Config) *served {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	l, err := link.Open(ctx, conn, c)
	must(t, err)
	s := &served{l, t, make(chan [][]byte, 16), make(chan error, 1)}
	closed := make(chan struct{})
	go func() { s.ended <- l.Serve(func(b *link.Batch) error { return s.deliver(b, closed) }) }()
	t.Cleanup(func() { close(closed); l.Close(); s.end() })
	return s
}

func (s *served) deliver(b *link.Batch, closed <-chan struct{}) error {
	defer b.Release()
	for i := range b.Len() {
		var message [][]byte
		for _, frame := range b.Message(i) {
			message = append(message, bytes.Clone(frame))
		}
		select {
		case s.messages <- message:
		case <-closed:
			return net.ErrClosed
		}
	}
	return nil
}

// end returns why Serve has ended.
func (s *served) end() error {
	s.t.Helper()
	select {
	case err := <-s.ended:
		s.ended <- err
		return err
	case <-time.After(patience):
		s.t.Fatal("the link does not end")
		return nil
	}
}

func (s *served) send(frames ...[]byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	size := 0
	for _, frame := range frames {
		size += zmtp.FrameSize(len(frame))
	}
	b, err := s.Reserve(ctx, size)
	must(s.t, err)
	b = b[:0]
	for i, frame := range frames {
		b = append(zmtp.AppendHeader(b, len(frame), i < len(frames)-1), frame...)
	}
	s.Commit()
}

func (s *served) receive() [][]byte {
	s.t.Helper()
	select {
	case m := <-s.messages:
		return m
	case err := <-s.ended:
		s.t.Fatalf("the link has ended: %v", err)
	case <-time.After(patience):
		s.t.Fatal("no message comes")
	}
	return nil
}

// dial opens a link of ours to a socket of libzmq.
func dial(t testing.TB, endpoint string, c link.Config) *served {
	t.Helper()
	conn, err := link.TCP{}.Dial(context.Background(), endpoint)
	must(t, err)
	return serve(t, conn, c)
}

// listen returns where we listen, for sockets of libzmq to connect to.
func listen(t testing.TB) (net.Listener, string) {
	t.Helper()
	l, err := link.TCP{}.Listen(context.Background(), "tcp://127.0.0.1:*")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	return l, "tcp://" + l.Addr().String()
}

// accept opens a link of ours to the next socket that connects.
func accept(t testing.TB, l net.Listener, c link.Config) *served {
	t.Helper()
	must(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	conn, err := l.Accept()
	must(t, err)
	return serve(t, conn, c)
}

// shapes are messages around every limit of ZMTP's framing, and large ones.
func shapes() (messages [][][]byte) {
	for _, sizes := range [][]int{{0}, {1}, {255}, {256}, {0, 0, 0}, {6, 64}, {65535, 65536, 65537}, {mebibyte}, {6, 5*mebibyte + 1}, {mebibyte, 0, mebibyte, 3}} {
		var message [][]byte
		for i, size := range sizes {
			message = append(message, bytes.Repeat([]byte{byte(size), byte(i), 0x5A}, size/3+1)[:size])
		}
		messages = append(messages, message)
	}
	many := make([][]byte, 1000)
	for i := range many {
		many[i] = []byte{byte(i)}
	}
	return append(messages, many)
}

func same(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

// TestShapesBothWays sends every shape to libzmq and back, over one connection:
// our DEALER with its ROUTER, and its DEALER with our ROUTER.
func TestShapesBothWays(t *testing.T) {
	t.Run("our dealer", func(t *testing.T) {
		theirs := newSock(t, goczmq.Router)
		ours := dial(t, theirs.bind(), dealer)
		if ours.RemoteType() != zmtp.Router {
			t.Errorf("libzmq says it is a %s", ours.RemoteType())
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
	t.Run("our router", func(t *testing.T) {
		listener, endpoint := listen(t)
		theirs := newSock(t, goczmq.Dealer)
		theirs.SetIdentity("\x01theirs")
		theirs.connect(endpoint)
		ours := accept(t, listener, router)
		if ours.RemoteType() != zmtp.Dealer || string(ours.RemoteIdentity()) != "\x01theirs" {
			t.Errorf("libzmq says it is a %s, %q", ours.RemoteType(), ours.RemoteIdentity())
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

// TestBurst lets many messages wait on their way, there and back.
func TestBurst(t *testing.T) {
	const count = 20000
	theirs := newSock(t, goczmq.Router)
	theirs.SetRcvhwm(0)
	theirs.SetSndhwm(0)
	roomy := dealer
	roomy.Outbox = 16 * mebibyte
	ours := dial(t, theirs.bind(), roomy)
	number := func(i int) [][]byte { return [][]byte{{byte(i >> 8), byte(i)}, make([]byte, i%500)} }
	for i := range count {
		ours.send(number(i)...)
	}
	for i := range count {
		got := theirs.receive()
		if !same(got[1:], number(i)) {
			t.Fatalf("message %d arrives as %x", i, got)
		}
		theirs.send(got...)
	}
	for i := range count {
		if got := ours.receive(); !same(got, number(i)) {
			t.Fatalf("message %d comes back as %x", i, got)
		}
	}
}

// TestHeartbeats lets each side ask the other for signs of life while nothing
// else is said; libzmq hangs up if it gets no PONG in time.
func TestHeartbeats(t *testing.T) {
	const interval = 20 * time.Millisecond
	theirs := newSock(t, goczmq.Router)
	theirs.SetHeartbeatIvl(int(interval.Milliseconds()))
	theirs.SetHeartbeatTimeout(int(10 * interval.Milliseconds()))
	endpoint := theirs.bind()

	quiet := dial(t, endpoint, dealer)
	quiet.send([]byte("hello"))
	identity := theirs.receive()[0]
	opened := quiet.Heard()
	for n := 0; n < 30; { // at least 600 ms: libzmq has asked, and gone on asking
		if heard := quiet.Heard(); heard.After(opened) {
			opened = heard
			n++
		}
		select {
		case err := <-quiet.ended:
			t.Fatalf("libzmq has hung up: %v", err)
		case <-time.After(interval / 4):
		}
	}
	theirs.send(identity, []byte("still there?"))
	if got := quiet.receive(); !same(got, [][]byte{[]byte("still there?")}) {
		t.Errorf("got %q", got)
	}
}

// TestOurHeartbeats has only us ask; a link whose far side says nothing ends.
func TestOurHeartbeats(t *testing.T) {
	asking := dealer
	asking.Heartbeat = 20 * time.Millisecond
	theirs := newSock(t, goczmq.Router)
	ours := dial(t, theirs.bind(), asking)
	first := ours.Heard()
	for deadline := time.Now().Add(patience); ours.Heard().Sub(first) < 10*asking.Heartbeat; {
		select {
		case err := <-ours.ended:
			t.Fatalf("libzmq answers, but the link has ended: %v", err)
		case <-time.After(asking.Heartbeat):
		}
		if time.Now().After(deadline) {
			t.Fatal("libzmq does not answer")
		}
	}
}

// TestReconnect hangs up on libzmq, which connects again and has lost nothing of
// what it was given meanwhile.
func TestReconnect(t *testing.T) {
	listener, endpoint := listen(t)
	theirs := newSock(t, goczmq.Dealer)
	theirs.SetReconnectIvl(10)
	theirs.connect(endpoint)
	for i := range 5 {
		ours := accept(t, listener, router)
		theirs.send([]byte{byte(i)})
		if got := ours.receive(); !same(got, [][]byte{{byte(i)}}) {
			t.Fatalf("message %d: %v", i, got)
		}
		must(t, ours.Close())
		if err := ours.end(); !errors.Is(err, link.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	}
}

// TestShutdown leaves libzmq all that was committed, however much, and ends when
// libzmq goes.
func TestShutdown(t *testing.T) {
	theirs := newSock(t, goczmq.Router)
	ours := dial(t, theirs.bind(), dealer)
	large := make([]byte, 8*mebibyte)
	ours.send(large)
	ours.send([]byte("last"))
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		done <- ours.Shutdown(ctx)
	}()
	if got := theirs.receive(); len(got) != 2 || len(got[1]) != len(large) {
		t.Fatalf("%d frames", len(got))
	}
	if got := theirs.receive(); string(got[1]) != "last" {
		t.Fatalf("%q", got[1])
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLibzmqCloses(t *testing.T) {
	listener, endpoint := listen(t)
	theirs := newSock(t, goczmq.Dealer)
	theirs.connect(endpoint)
	ours := accept(t, listener, router)
	theirs.Destroy()
	if err := ours.end(); !errors.Is(err, io.EOF) {
		t.Errorf("Serve: %v", err)
	}
}

// TestWrongSocketTypes lets libzmq connect with sockets that a ROUTER must refuse
// (RFC 37, "The NULL Security Mechanism").
func TestWrongSocketTypes(t *testing.T) {
	listener, endpoint := listen(t)
	for _, kind := range []int{goczmq.Push, goczmq.Sub, goczmq.Pub, goczmq.Pair} {
		theirs := newSock(t, kind)
		theirs.connect(endpoint)
		must(t, listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
		conn, err := listener.Accept()
		must(t, err)
		l, err := link.Open(context.Background(), conn, router)
		if !errors.Is(err, zmtp.ErrSocketType) {
			t.Errorf("socket type %d: %v", kind, err)
			if err == nil {
				l.Close()
			}
		}
		theirs.Destroy()
	}
}

// TestZMTP30 talks octets of ZMTP 3.0 (RFC 23), as libzmq 4.0 does, which knows
// no PING.
func TestZMTP30(t *testing.T) {
	const ready = "\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER\x08Identity\x00\x00\x00\x00"
	greeting := func(minor byte) string {
		return "\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03" + string(rune(minor)) + "NULL" + strings.Repeat("\x00", 16+1+31)
	}
	listener, endpoint := listen(t)
	their := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			_, err = conn.Write([]byte(greeting(0) + ready))
		}
		if err != nil {
			t.Error(err)
		}
		their <- conn
	}()
	asking := dealer
	asking.Heartbeat = 10 * time.Millisecond
	ours := dial(t, endpoint, asking)
	conn := <-their
	defer conn.Close()

	expect := func(what, want string) {
		t.Helper()
		must(t, conn.SetReadDeadline(time.Now().Add(patience)))
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Fatalf("%s: %v, got\n%q, want\n%q", what, err, got, want)
		}
	}
	expect("our greeting", greeting(1))
	expect("our READY", "\x04\x2e\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x05"+string(ourIdentity))

	_, err := conn.Write([]byte("\x01\x05Hello\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03abc"))
	must(t, err)
	if got := ours.receive(); !same(got, [][]byte{[]byte("Hello"), {}, []byte("abc")}) {
		t.Errorf("we hear %q", got)
	}
	ours.send([]byte("a"), bytes.Repeat([]byte("x"), 256))
	expect("our message", "\x01\x01a\x02\x00\x00\x00\x00\x00\x00\x01\x00"+strings.Repeat("x", 256))

	must(t, conn.SetReadDeadline(time.Now().Add(20*asking.Heartbeat)))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after 20 heartbeats: %d octets, %v", n, err)
	}
}
