package link

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

var errEnough = errors.New("enough")

func TestMessagesArrive(t *testing.T) {
	messages := [][][]byte{
		{[]byte("one frame")},
		{{}},
		{[]byte("three"), {}, []byte("frames")},
		{bytes.Repeat([]byte("s"), 255), bytes.Repeat([]byte("l"), 256)},
		{bytes.Repeat([]byte("m"), 1<<20), bytes.Repeat([]byte("n"), 3<<20)},
		{[]byte("last")},
	}
	onEach(t, dealer, router, func(t *testing.T, near, far *Link) {
		var both sync.WaitGroup
		for _, way := range []struct{ from, to *Link }{{near, far}, {far, near}} {
			got, all := 0, make(chan struct{})
			serve(way.to, each(func(m [][]byte) error {
				if !bytes.Equal(frames(m...), frames(messages[got]...)) {
					t.Errorf("message %d is not what was sent", got)
				}
				if got++; got == len(messages) {
					close(all)
				}
				return nil
			}))
			both.Go(func() {
				for _, m := range messages {
					if err := send(t.Context(), way.from, frames(m...)); err != nil {
						t.Error(err)
					}
				}
				<-all
			})
		}
		both.Wait()
	})
}

func TestLinkKnowsFarSide(t *testing.T) {
	near, far := openPair(t, dealer, router)
	if string(near.RemoteIdentity()) != "router" || near.RemoteType() != zmtp.Router {
		t.Errorf("near: %q, %s", near.RemoteIdentity(), near.RemoteType())
	}
	if string(far.RemoteIdentity()) != "dealer" || far.RemoteType() != zmtp.Dealer {
		t.Errorf("far: %q, %s", far.RemoteIdentity(), far.RemoteType())
	}
	if near.LocalAddr().String() != far.RemoteAddr().String() || far.LocalAddr().String() != near.RemoteAddr().String() {
		t.Error("addresses do not match")
	}
}

// Each sender's messages stay in order, whoever else sends.
func TestManySenders(t *testing.T) {
	const senders, count = 8, 2000
	c := dealer
	c.Outbox = 4 << 10
	onEach(t, c, router, func(t *testing.T, near, far *Link) {
		var sending sync.WaitGroup
		for s := range senders {
			sending.Go(func() {
				for i := range count {
					if err := send(t.Context(), near, number(s*count+i, i%100)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		next, left := [senders]int{}, senders*count
		err := far.Serve(each(func(m [][]byte) error {
			n := int(binary.BigEndian.Uint32(m[0]))
			if s := n / count; n%count != next[s] {
				return fmt.Errorf("sender %d: message %d, want %d", s, n%count, next[s])
			}
			next[n/count]++
			if left--; left == 0 {
				return errEnough
			}
			return nil
		}))
		sending.Wait()
		if !errors.Is(err, errEnough) {
			t.Error(err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"socket type":    {Type: "PUB"},
		"long identity":  {Type: zmtp.Router, Identity: bytes.Repeat([]byte("i"), 256)},
		"zero identity":  {Type: zmtp.Router, Identity: []byte("\x00i")},
		"negative limit": {Type: zmtp.Router, Outbox: -1},
	} {
		near, far := net.Pipe()
		if l, err := Open(t.Context(), near, c); l != nil || err == nil {
			t.Errorf("%s: %v, %v", name, l, err)
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the connection is not closed: %v", name, err)
		}
	}
}

// A far side that says too little, too slowly, or the wrong thing, is not waited
// for longer than the handshake may take, nor after the context has ended.
func TestOpenGivesUp(t *testing.T) {
	cause := errors.New("never mind")
	for name, test := range map[string]struct {
		far   func(conn net.Conn, cancel context.CancelCauseFunc)
		want  error
		after time.Duration
	}{
		"silent":   {func(net.Conn, context.CancelCauseFunc) {}, os.ErrDeadlineExceeded, DialTime},
		"not ZMTP": {func(c net.Conn, _ context.CancelCauseFunc) { io.WriteString(c, "GET / HTTP/1.1") }, zmtp.ErrVersion, 0},
		"gone": {func(c net.Conn, _ context.CancelCauseFunc) {
			io.ReadFull(c, make([]byte, zmtp.GreetingSize))
			c.Close()
		}, io.ErrUnexpectedEOF, 0},
		"cancelled": {func(_ net.Conn, cancel context.CancelCauseFunc) {
			<-time.After(2 * time.Second)
			cancel(cause)
		}, cause, 2 * time.Second},
		"drips": {func(c net.Conn, _ context.CancelCauseFunc) {
			for _, octet := range zmtp.AppendGreeting(nil, zmtp.Null) {
				<-time.After(time.Second)
				if _, err := c.Write([]byte{octet}); err != nil {
					return
				}
			}
		}, os.ErrDeadlineExceeded, DialTime},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				m := NewMemory(nil)
				x, y := connect(t, m.Host("10.0.0.1"), m.Host("10.0.0.2"), "tcp://*:*")
				defer y.Close()
				var far sync.WaitGroup
				defer far.Wait()
				far.Go(func() { test.far(y, cancel) })
				start := time.Now()
				if l, err := Open(ctx, x, router); l != nil || !errors.Is(err, test.want) {
					t.Errorf("%v, %v, want %v", l, err, test.want)
				}
				if took := time.Since(start); took != test.after {
					t.Errorf("gave up after %v, want %v", took, test.after)
				}
				if _, err := x.Read(nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("the connection is not closed: %v", err)
				}
			})
		})
	}
}

// Serve says why the link ended, after it has delivered what came before.
func TestServeEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(near *Link, far net.Conn)
		want error
	}{
		"far side closes":      {func(_ *Link, far net.Conn) { far.Close() }, io.EOF},
		"far side breaks off":  {func(_ *Link, far net.Conn) { far.Write([]byte("\x00\x05abc")); far.Close() }, io.ErrUnexpectedEOF},
		"reserved flag":        {func(_ *Link, far net.Conn) { far.Write([]byte("\x80")) }, zmtp.ErrProtocol},
		"too large":            {func(_ *Link, far net.Conn) { far.Write([]byte("\x02\x00\x00\x00\x01\x00\x00\x00\x00")) }, zmtp.ErrTooLarge},
		"malformed PING":       {func(_ *Link, far net.Conn) { far.Write([]byte("\x04\x05\x04PING")) }, zmtp.ErrProtocol},
		"command without name": {func(_ *Link, far net.Conn) { far.Write([]byte("\x04\x00")) }, zmtp.ErrProtocol},
		"network fails":        {func(_ *Link, far net.Conn) { far.(*memoryConn).net.Cut("10.0.0.2") }, syscall.ECONNRESET},
		"we close":             {func(near *Link, _ net.Conn) { near.Close() }, ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := openRaw(t, dealer)
			first := make(chan struct{})
			wait := serve(near, each(func([][]byte) error { close(first); return nil }))
			if _, err := far.Write(number(1, 0)); err != nil {
				t.Fatal(err)
			}
			<-first
			test.end(near, far)
			if err := wait(); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if _, err := near.TryReserve(1); !errors.Is(err, net.ErrClosed) || !errors.Is(err, test.want) {
				t.Errorf("afterwards sending fails with %v", err)
			}
			if err := near.Serve(discard); !errors.Is(err, ErrClosed) {
				t.Errorf("a second Serve: %v", err)
			}
		})
	}
}

// What came whole is delivered before what is wrong ends the link.
func TestServeDeliversBeforeError(t *testing.T) {
	near, far := openRaw(t, dealer)
	if _, err := far.Write(append(number(1, 0), 0xff)); err != nil {
		t.Fatal(err)
	}
	got := 0
	err := near.Serve(each(func([][]byte) error { got++; return nil }))
	if got != 1 || !errors.Is(err, zmtp.ErrProtocol) {
		t.Errorf("%d messages, then %v", got, err)
	}
}

func TestRefusalEndsLink(t *testing.T) {
	near, far := openRaw(t, dealer)
	if _, err := far.Write(zmtp.AppendCommand(nil, zmtp.Error, []byte("\x06go off"))); err != nil {
		t.Fatal(err)
	}
	var refused *zmtp.RefusedError
	if err := near.Serve(discard); !errors.As(err, &refused) || refused.Reason != "go off" {
		t.Errorf("ended with %v", err)
	}
}

// TestRefusalIsTold: who wants to know what is refused goes on with the link.
func TestRefusalIsTold(t *testing.T) {
	onEach(t, dealer, router, func(t *testing.T, near, far *Link) {
		told, got := make(chan string, 2), make(chan struct{}, 1)
		near.config.Refused = func(reason string) { told <- reason }
		wait := serve(near, func(b *Batch) error { b.Release(); got <- struct{}{}; return nil })
		far.Refuse("no")
		far.Refuse(strings.Repeat("x", 300))
		if first, second := <-told, <-told; first != "no" || second != strings.Repeat("x", 255) {
			t.Errorf("told %q and %q", first, second)
		}
		if err := send(t.Context(), far, frames([]byte("still here"))); err != nil {
			t.Error(err)
		}
		<-got
		far.Close()
		if err := wait(); !errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestCloseIsIdempotent(t *testing.T) {
	onEach(t, dealer, router, func(t *testing.T, near, far *Link) {
		wait := serve(near, discard)
		var closing sync.WaitGroup
		for range 4 {
			closing.Go(func() {
				if err := near.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		closing.Wait()
		if err := wait(); !errors.Is(err, ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
		if err := near.Shutdown(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("Shutdown after Close: %v", err)
		}
		if err := far.Serve(discard); err == nil {
			t.Error("the far side did not notice")
		}
	})
}

// A link may be closed from within deliver.
func TestCloseFromDeliver(t *testing.T) {
	near, far := openPair(t, dealer, router)
	if err := send(t.Context(), near, number(1, 0)); err != nil {
		t.Fatal(err)
	}
	err := far.Serve(func(b *Batch) error {
		b.Release()
		return far.Close()
	})
	if !errors.Is(err, ErrClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// After Shutdown the far side has read everything, even what was queued when the
// outbox was full, and sees an orderly end.
func TestShutdownLosesNothing(t *testing.T) {
	const count = 500
	onEach(t, dealer, router, func(t *testing.T, near, far *Link) {
		got := 0
		wait := serve(far, each(func(m [][]byte) error {
			if n := int(binary.BigEndian.Uint32(m[0])); n != got {
				return fmt.Errorf("message %d, want %d", n, got)
			}
			got++
			return nil
		}))
		serve(near, discard)
		for i := range count {
			if err := send(t.Context(), near, number(i, 10_000)); err != nil {
				t.Fatal(err)
			}
		}
		if err := near.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := wait(); err != io.EOF || got != count {
			t.Errorf("far side: %v after %d messages of %d", err, got, count)
		}
	})
}

// Shutdown ends with its context, whatever the far side does.
func TestShutdownIsBounded(t *testing.T) {
	for name, fill := range map[string]int{"far side does not read": 512 << 10, "far side does not close": 0} {
		t.Run(name, func(t *testing.T) {
			near, far := openRaw(t, dealer)
			serving := make(chan struct{})
			wait := serve(near, each(func([][]byte) error { close(serving); return nil }))
			if _, err := far.Write(number(1, 0)); err != nil {
				t.Fatal(err)
			}
			<-serving
			if err := send(t.Context(), near, number(1, fill)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := near.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v", err)
			}
			if err := wait(); !errors.Is(err, ErrClosed) {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}

// Thousands of links come, talk and go at once, and leave nothing behind.
func TestThousandsOfLinks(t *testing.T) {
	const links = 2000
	m := NewMemory(nil)
	listener, err := m.Host("10.0.0.2").Listen(t.Context(), "tcp://*:5000")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var all sync.WaitGroup
	for range links {
		all.Go(func() {
			conn, err := listener.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			l, err := Open(t.Context(), conn, router)
			if err != nil {
				t.Error(err)
				return
			}
			err = l.Serve(each(func(m [][]byte) error { return send(t.Context(), l, frames(m...)) }))
			if err != io.EOF {
				t.Error(err)
			}
		})
		all.Go(func() {
			conn, err := m.Host("10.0.0.1").Dial(t.Context(), "tcp://10.0.0.2:5000")
			if err != nil {
				t.Error(err)
				return
			}
			l, err := Open(t.Context(), conn, dealer)
			if err != nil {
				t.Error(err)
				return
			}
			if err := send(t.Context(), l, number(1, 100)); err != nil {
				t.Error(err)
			}
			if err := l.Serve(each(func([][]byte) error { return errEnough })); !errors.Is(err, errEnough) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(m.conns) != 0 {
		t.Errorf("%d connections are left", len(m.conns))
	}
}
