//go:build czmq

package czmq

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listen returns a listener and the links that it accepts.
func listen(t *testing.T, c link.Config) (net.Listener, <-chan *link.Link) {
	listener, err := Transport{}.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	links := make(chan *link.Link)
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepting.Go(func() {
				if l, err := link.Open(t.Context(), conn, c); err != nil {
					t.Error(err)
				} else {
					links <- l
				}
			})
		}
	})
	t.Cleanup(func() { listener.Close(); accepting.Wait() })
	return listener, links
}

// Whoever never ends a message is not listened to for ever, though each frame is small
// and libzmq has no limit to their number.
func TestEndlessMessage(t *testing.T) {
	const mebibyte = 1 << 20
	listener, links := listen(t, link.Config{Type: zmtp.Router, MaxMessage: 4 * mebibyte})
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Dealer}).Run(raw); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(raw, "\x00\x05hello"); err != nil {
		t.Fatal(err)
	}
	l := <-links
	defer l.Close()
	ended := make(chan error, 1)
	go func() { ended <- l.Serve(func(b *link.Batch) error { b.Release(); return nil }) }()
	frames := bytes.Repeat([]byte("\x01\xff"+strings.Repeat("x", 255)), mebibyte/257)
	sent := 0
	for ; err == nil && sent < 64*mebibyte; sent += len(frames) {
		_, err = raw.Write(frames)
	}
	if err == nil {
		t.Errorf("%d octets are taken in", sent)
	}
	if err := <-ended; !errors.Is(err, zmtp.ErrTooLarge) {
		t.Errorf("Serve: %v", err)
	}
}

// Many links at once, the first that the process has among them, leave nothing behind.
func TestManyLinks(t *testing.T) {
	const count = 100
	t.Setenv("TMPDIR", t.TempDir())
	listener, links := listen(t, link.Config{Type: zmtp.Router})
	for range 3 {
		var near sync.WaitGroup
		for range count {
			near.Go(func() {
				if err := visit(t.Context(), listener.Addr()); err != io.EOF {
					t.Error(err)
				}
			})
		}
		for range count {
			if err := (<-links).Close(); err != nil {
				t.Error(err)
			}
		}
		near.Wait()
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for deadline := time.Now().Add(10 * time.Second); ; <-again.C { // libzmq closes when it likes
			open, err := os.ReadDir("/proc/self/fd")
			if err != nil || len(open) < count {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d descriptors are left of %d links", len(open), count)
			}
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// visit opens a link, says something, and waits for the end.
func visit(ctx context.Context, to net.Addr) error {
	conn, err := Transport{}.Dial(ctx, "tcp://"+to.String())
	if err != nil {
		return err
	}
	l, err := link.Open(ctx, conn, link.Config{Type: zmtp.Dealer})
	if err != nil {
		return err
	}
	defer l.Close()
	b, err := l.Reserve(ctx, 2)
	if err != nil {
		return err
	}
	copy(b, "\x00\x00")
	l.Commit()
	return l.Serve(func(b *link.Batch) error { b.Release(); return nil })
}

// CZMQ leaves signals to us.
func TestSignals(t *testing.T) {
	s, err := newSocket(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(0)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := <-signals; got != os.Interrupt {
		t.Error(got)
	}
}
