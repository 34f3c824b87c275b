package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/zeromq/goczmq"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// TestRouterReadsOneOfTwo has two connections with one identity, as those of a node
// that takes a peer for two: a ROUTER reads the first, with handover, which Zyre
// sets, the second, and the other one not even when the one that it reads is gone.
func TestRouterReadsOneOfTwo(t *testing.T) {
	for handover, reads := range []int{0, 1} {
		t.Run(fmt.Sprint("handover-", handover), func(t *testing.T) {
			router := newSock(t, goczmq.Router)
			router.SetRouterHandover(handover)
			endpoint := router.bind()
			var two [2]czmqSock
			for i := range two {
				two[i] = newSock(t, goczmq.Dealer)
				two[i].SetIdentity("\x01same")
				two[i].connect(endpoint)
				two[i].send([]byte{byte(i)})
				if i == 0 || reads == 1 {
					if got := router.receive()[1][0]; got != byte(i) {
						t.Fatalf("it hears %d, not %d", got, i)
					}
				}
			}
			two[1-reads].send([]byte("unread"))
			two[reads].send([]byte("read"))
			if got := string(router.receive()[1]); got != "read" {
				t.Errorf("it hears %q", got)
			}
			router.SetRcvtimeo(1000) // ample for the other one to be heard, if it were
			quiet := func() {
				t.Helper()
				if frames, err := router.RecvMessage(); err == nil {
					t.Errorf("it hears %q", frames)
				}
			}
			quiet()
			two[reads].Destroy()
			two[1-reads].send([]byte("still unread"))
			quiet()
		})
	}
}

// ferry is a way to an endpoint that can be cut.
type ferry struct {
	endpoint string
	leads    chan string // takes the endpoint, once
	mu       sync.Mutex
	conns    []net.Conn
	crossed  int // connections so far
}

// newFerry opens a way to the endpoint that leads is told.
func newFerry(t *testing.T) *ferry {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	f := &ferry{endpoint: "tcp://" + l.Addr().String(), leads: make(chan string, 1)}
	var running sync.WaitGroup
	running.Go(func() {
		for to := <-f.leads; ; {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp4", strings.TrimPrefix(to, "tcp://"))
			if err != nil {
				near.Close()
				continue
			}
			f.mu.Lock()
			f.conns, f.crossed = append(f.conns, near, far), f.crossed+1
			f.mu.Unlock()
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				running.Go(func() {
					_, _ = io.Copy(pair[0], pair[1]) // until one is cut
					pair[0].Close()
					pair[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() { close(f.leads); l.Close(); f.cut(); running.Wait() })
	return f
}

// cut breaks all connections, and the next can be made.
func (f *ferry) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.conns {
		conn.Close()
	}
	f.conns = nil
}

// reach waits until there were so many connections.
func (f *ferry) reach(t *testing.T, crossed int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		done := f.crossed >= crossed
		f.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("there is no connection %d", crossed)
		}
	}
}

// alongside starts a Zyre and a node of ours that reach each other by ferries, without
// beacons.
func alongside(t *testing.T) (ours *ourNode, z *plainNode, toUs, toZyre *ferry) {
	t.Helper()
	toZyre, toUs = newFerry(t), newFerry(t)
	z = startZyre(t, zyreConfig{Name: "zyre", Address: netip.MustParsePrefix("127.0.0.1/8"), Advertise: toZyre.endpoint})
	ours = startOurs(t, once.Config{Name: "ours", Endpoint: "tcp://127.0.0.1:*", BeaconPort: once.NoBeacon, Advertise: toUs.endpoint, Outbox: mebibyte})
	toZyre.leads <- z.endpoint
	toUs.leads <- ours.Endpoint()
	must(t, ours.Connect(uuid.MustParse(z.uuid), toZyre.endpoint))
	ours.sees("enter zyre zyre")
	z.sees("enter ours " + toUs.endpoint)
	return ours, z, toUs, toZyre
}

// TestConnectionIsCut cuts the connections between a Zyre and us while nothing is
// under way. libzmq makes Zyre's anew and says no HELLO: nobody enters or leaves, and
// all goes on in order. On ours we greet anew, since what was under way may be lost:
// to Zyre we leave and enter, and all goes on in order after that; we see nothing.
func TestConnectionIsCut(t *testing.T) {
	for _, test := range []struct {
		name        string
		zyres, ours bool
	}{{"Zyre's", true, false}, {"ours", false, true}, {"both", true, true}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ours, z, toUs, toZyre := alongside(t)
			said := 0
			talk := func() {
				t.Helper()
				for range 5 {
					text := strconv.Itoa(said)
					said++
					z.do("whisper", hex(ours.UUID()), text)
					must(t, ours.Whisper(ours.ctx, uuid.MustParse(z.uuid), []byte(text)))
					if event, err := ours.Next(ours.ctx); err != nil || tell(event) != "whisper zyre "+text {
						t.Fatalf("we see %v, %v, not %s", event, err, text)
					}
					if e := z.next(); e.String() != "whisper ours "+text {
						t.Fatalf("Zyre sees %s, not %s", e, text)
					}
				}
			}
			talk()
			for cut := 2; cut < 5; cut++ {
				if test.zyres {
					toUs.cut()
					toUs.reach(t, cut)
				}
				if test.ours {
					toZyre.cut()
					for _, want := range []string{"exit ours", "enter ours " + toUs.endpoint} {
						if e := z.next(); e.String() != want {
							t.Fatalf("Zyre sees %s, not %s", e, want)
						}
					}
				}
				talk()
			}
			t.Logf("we counted %v", ours.Counts())
		})
	}
}

// next returns the node's next event, but for what it makes of a silence: a process that
// was stopped finds others evasive when it goes on, before it reads what they said.
func (g *plainNode) next() Event {
	g.t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case e, alive := <-g.events:
			if !alive {
				g.t.Fatalf("%s has ended", g.name)
			}
			if e.Type != "evasive" {
				return e
			}
		case <-deadline:
			g.t.Fatalf("%s tells nothing more", g.name)
		}
	}
}

// TestZyreStalls has a Zyre take nothing for 8 s, longer than we wait until we ask for
// a sign of life, while we say more than what may wait: the sender waits, and all of
// it arrives in order.
func TestZyreStalls(t *testing.T) {
	const messages, size = 10000, 4096
	for _, how := range []string{"its application is slow", "its process is stopped"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ours, z, _, _ := alongside(t)
			if how == "its application is slow" {
				z.do("stall", "", "8s")
			} else {
				must(t, z.process.Signal(syscall.SIGSTOP))
				time.AfterFunc(8*time.Second, func() { _ = z.process.Signal(syscall.SIGCONT) })
			}
			began := time.Now()
			var all sync.WaitGroup
			var longest time.Duration
			all.Go(func() {
				ctx, cancel := context.WithTimeout(ours.ctx, 40*time.Second)
				defer cancel()
				for i := range messages {
					text := fmt.Appendf(nil, "%d %s", i, bytes.Repeat([]byte("."), size))
					last := time.Now()
					if err := ours.Whisper(ctx, uuid.MustParse(z.uuid), text); err != nil {
						t.Errorf("after %v: whisper %d: %v", time.Since(began), i, err)
						return
					}
					longest = max(longest, time.Since(last))
				}
			})
			for heard := 0; heard < messages; heard++ {
				e := z.next()
				number, _, _ := strings.Cut(string(e.Content), " ")
				if e.Type != "whisper" || number != strconv.Itoa(heard) {
					t.Errorf("after %v Zyre sees %.40q, not whisper %d", time.Since(began), e.String(), heard)
					break
				}
			}
			all.Wait()
			if longest < 4*time.Second {
				t.Errorf("no whisper had to wait longer than %v", longest)
			}
			z.do("whisper", hex(ours.UUID()), "that was much")
			ours.sees("whisper zyre that was much")
			t.Logf("all has arrived after %v; a whisper waited for %v; we counted %v", time.Since(began), longest, ours.Counts())
		})
	}
}
