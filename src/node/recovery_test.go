package node

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
)

// forgetful is what lies between a host and others: it may forget all connections, and
// nobody is told.
type forgetful struct {
	link.Transport
	mu    sync.Mutex
	conns []*forgotten
}

func (f *forgetful) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	conn, err := f.Transport.Dial(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	c := &forgotten{Conn: conn, closed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, c)
	return c, nil
}

// forget forgets all connections that there are.
func (f *forgetful) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.mu.Lock()
		c.lost = true
		c.mu.Unlock()
	}
}

// forgotten is a connection. What is said over it once it is lost arrives nowhere.
type forgotten struct {
	net.Conn
	mu     sync.Mutex
	lost   bool
	once   sync.Once
	closed chan struct{}
}

func (c *forgotten) isLost() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.lost }

func (c *forgotten) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.isLost() {
		<-c.closed
		return 0, io.ErrClosedPipe
	}
	return n, err
}

func (c *forgotten) Write(b []byte) (int, error) {
	if c.isLost() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *forgotten) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// between has a node's connections go through what may forget them.
func between(f *forgetful) func(*Node) {
	return func(n *Node) { f.Transport, n.world.Transport = n.world.Transport, f }
}

// hears waits for a whisper of another, and returns how long that takes. Nobody exits
// meanwhile.
func (a *actor) hears(t *testing.T, from, word string) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		switch got := a.next(time.Minute); {
		case got == fmt.Sprintf("whisper %s %q", from, word):
			return time.Since(began)
		case got == "suspect "+from, got == "recover "+from, strings.HasPrefix(got, "network "):
		default:
			t.Fatalf("%s got %q, want %q", a.Name(), got, word)
		}
	}
}

// TestForgotten has what lies before two forget all their connections, with each other and
// with their server: that is noticed, and what was said meanwhile arrives over another
// circuit. While they talk it is noticed sooner.
func TestForgotten(t *testing.T) {
	for _, c := range []struct {
		what  string
		talks bool
		most  time.Duration
	}{{"talking", true, 9 * time.Second}, {"silent", false, 15 * time.Second}} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRendezvous(t)
				defer s.server.Close()
				f, g := new(forgetful), new(forgetful)
				ana, ben := s.node("ana", s.found, alone, in("room"), between(f)), s.node("ben", s.found, alone, in("room"), between(g))
				ana.wants("enter ben", "join ben room")
				ben.wants("enter ana", "join ana room")
				time.Sleep(10 * time.Minute) // so that each may be away for a while
				for range 20 {
					if !c.talks {
						break
					}
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text("chat")))
					ben.hears(t, "ana", "chat")
					time.Sleep(time.Second)
				}
				f.forget()
				g.forget()
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text("still here?")))
				if took := ben.hears(t, "ana", "still here?"); took > c.most {
					t.Errorf("it takes %v", took)
				}
				ana.must(ana.Stop())
				ben.must(ben.Stop())
			})
		})
	}
}

// TestRelayDies has the server that lends circuits to two be killed, where another only tells
// of them: they go on as soon as it is back, or at once over another that lends some.
func TestRelayDies(t *testing.T) {
	for _, c := range []struct {
		what  string
		lends bool // the other server
		most  time.Duration
	}{{"another lends circuits", true, time.Second}, {"it comes back", false, 3*time.Second + 500*time.Millisecond}} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRendezvous(t)
				own, err := identity.New()
				if err != nil {
					t.Fatal(err)
				}
				other := &rendezvousScene{lan: s.lan, own: own}
				other.serve("10.0.9.8", c.lends)
				defer func() { s.server.Close(); other.server.Close() }()
				ana := s.node("ana", s.found, other.found, alone, in("room"))
				ben := s.node("ben", s.found, other.found, alone, in("room"))
				ana.wants("enter ben", "join ben room")
				ben.wants("enter ana", "join ana room")
				time.Sleep(10 * time.Minute)
				for i := range 6 {
					dies := s
					if c.lends && i%2 == 1 {
						dies = other
					}
					s.memory.Cut(dies.at)
					dies.server.Close()
					time.AfterFunc(time.Second, func() { dies.serve(dies.at, true) })
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text("on")))
					if took := ben.hears(t, "ana", "on"); took > c.most {
						t.Errorf("it takes %v", took)
					}
					time.Sleep(10 * time.Second)
				}
				ana.must(ana.Stop())
				ben.must(ben.Stop())
			})
		})
	}
}

// TestNotForgotten has a way stay over which the peer's application is slow to take what
// comes, and one over which a large message takes long.
func TestNotForgotten(t *testing.T) {
	for _, c := range []struct {
		name string
		slow int // octets of each message that a slow application does not take
	}{{"slow application", 2000}, {"slow application, large messages", 60_000}, {"slow way", 0}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRendezvous(t)
				defer s.server.Close()
				f := new(forgetful)
				ana, ben := s.node("ana", s.found, alone, in("room"), between(f)), s.node("ben", s.found, alone, in("room"), tight)
				ana.wants("enter ben", "join ben room")
				ben.wants("enter ana", "join ana room")
				time.Sleep(10 * time.Minute)
				before := f.made()
				if c.slow > 0 {
					stop, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
					defer cancel()
					for ana.Whisper(stop, ben.UUID(), [][]byte{make([]byte, c.slow)}) == nil {
					}
				} else {
					s.memory.Rate(func(string, string) int { return 20_000 })
					ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 900_000)})) // takes 45 s
					ana.must(ana.Flush(t.Context()))
				}
				if after := f.made(); after != before {
					t.Errorf("%d connections were made", after-before)
				}
				ana.Stop()
				ben.Stop()
			})
		})
	}
}

// made returns how many connections were made.
func (f *forgetful) made() int { f.mu.Lock(); defer f.mu.Unlock(); return len(f.conns) }
