package node

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestGreetedWhileStopping greets a node that stops before it has taken the connection
// in: it stops all the same.
func TestGreetedWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		busy := make(chan struct{})
		ana.loop.calls <- func() { <-busy }
		stopped := make(chan struct{})
		go func() {
			ana.Stop()
			close(stopped)
		}()
		synctest.Wait()
		conn, err := l.memory.Host("10.0.0.99").Dial(t.Context(), ana.Endpoint())
		ana.must(err)
		defer conn.Close()
		h := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Dealer, Identity: routingID(uuid.New())})
		_, err = h.Run(conn)
		ana.must(err)
		_, err = conn.Write(frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://10.0.0.99:9", Name: "late"}))
		ana.must(err)
		time.Sleep(time.Second) // virtual
		synctest.Wait()
		close(busy)
		select {
		case <-stopped:
		case <-time.After(time.Minute):
			t.Fatal("it does not stop")
		}
	})
}

// TestWhisperWhileStopping stops a node that waits to say something: it is told so, and
// not that there is no such peer.
func TestWhisperWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana", func(n *Node) { n.settings.Outbox = 4 << 10 }), l.node("ben", tight)
		defer ben.Stop()
		ana.wants("enter ben")
		time.AfterFunc(time.Minute, func() { ana.Stop() })
		var err error
		for err == nil {
			err = ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1000)})
		}
		if !errors.Is(err, api.ErrStopped) {
			t.Errorf("whisper ended with %v", err)
		}
		if _, err := ana.Shout(t.Context(), "room", text("x")); !errors.Is(err, api.ErrStopped) {
			t.Errorf("shout ended with %v", err)
		}
	})
}

// TestShoutWhileStopping stops a node whose shout waits for room: it is told so, and not
// that nobody is in the group.
func TestShoutWhileStopping(t *testing.T) {
	for _, sec := range []api.NodeSecurity{api.NodeSecurityPlain, api.NodeSecurityAuto} {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana := l.node("ana", func(n *Node) { n.settings.Outbox, n.settings.Security = 4<<10, sec })
			ben := l.node("ben", tight, func(n *Node) { n.settings.Security = sec })
			defer ben.Stop()
			ben.must(ben.Join("room"))
			ana.wants("enter ben", "join ben room")
			time.AfterFunc(time.Second, func() { ana.Stop() })
			var err error
			for err == nil {
				_, err = ana.Shout(t.Context(), "room", [][]byte{make([]byte, 1000)})
				if n := len(ana.table.members("room")); n == 0 && err == nil {
					t.Error("a shout that waited while the node stopped says nothing")
				}
			}
			if !errors.Is(err, api.ErrStopped) {
				t.Errorf("shout ended with %v", err)
			}
		})
	}
}

// TestShoutToTwoWhileStopping has a shout wait for one of two while the node stops: that it
// did not get to both is said.
func TestShoutToTwoWhileStopping(t *testing.T) {
	for _, sec := range []api.NodeSecurity{api.NodeSecurityPlain, api.NodeSecurityAuto} {
		t.Run(sec.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana := l.node("ana", func(n *Node) { n.settings.Outbox = 4 << 10 }, with(sec))
				ben := l.node("ben", with(sec), in("room"))
				cat := l.node("cat", tight, with(sec), in("room"))
				defer ben.Stop()
				defer cat.Stop()
				for range 4 {
					ana.next(time.Minute)
				}
				var stop error
				done := make(chan struct{})
				time.AfterFunc(time.Second, func() { stop = ana.Stop(); close(done) })
				var err error
				var sent uint32
				whole, part := 0, 0
				for err == nil {
					sent, err = ana.Shout(t.Context(), "room", [][]byte{make([]byte, 1000)})
					if err == nil && sent == 1 {
						part++
					} else if err == nil {
						whole++
					} else if sent == 1 {
						t.Logf("the last: %d, %v", sent, err)
					}
				}
				<-done
				t.Logf("%d whole, %d in part without an error; then %v; Stop: %v", whole, part, err, stop)
				if part > 0 {
					t.Errorf("a shout that the stop kept from one of two says nothing")
				}
			})
		})
	}
}

// TestFlushesWhileStopping has several wait in Flush while the node stops.
func TestFlushesWhileStopping(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.node("ana", func(n *Node) { n.settings.Outbox = 64 << 10; n.settings.Linger = time.Second }), l.node("ben", tight)
			defer ben.Stop()
			ana.wants("enter ben")
			for range 30 {
				ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1000)}))
			}
			var work sync.WaitGroup
			for range 8 {
				work.Go(func() { _ = ana.Flush(t.Context()) })
			}
			time.Sleep(time.Second)
			work.Go(func() { _ = ana.Stop() })
			work.Wait()
		})
	}
}

// TestOverflowAfterStop finds out that a peer takes nothing when the node has stopped.
func TestOverflowAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ana := newLAN(t).node("ana")
		ana.must(ana.Stop())
		ana.loop.full(link.Ended())
		if got := ana.Counts()["control overflows"]; got != 1 {
			t.Errorf("%d overflows", got)
		}
	})
}

// TestStopTogether stops nodes at the same moment that owe each other nothing: none waits for
// the other to acknowledge its goodbye. One that goes on is told of it.
func TestStopTogether(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				all := []*actor{l.node("ana", with(security)), l.node("ben", with(security)), l.node("cleo", with(security))}
				cleo := all[2]
				l.rest()
				for _, a := range all[:2] {
					a.must(a.Whisper(t.Context(), cleo.UUID(), text("bye")))
					a.must(a.Flush(t.Context()))
				}
				start := time.Now()
				var work sync.WaitGroup
				for _, a := range all[:2] {
					work.Go(func() { a.must(a.Stop()) })
				}
				work.Wait()
				if took := time.Since(start); took > 100*time.Millisecond {
					t.Errorf("it took %v", took)
				}
				cleo.has("exit", time.Second)
				cleo.has("exit", time.Second)
				start = time.Now()
				cleo.must(cleo.Stop())
				if took := time.Since(start); took > 0 {
					t.Errorf("to stop alone takes %v", took)
				}
			})
		})
	}
}

// TestStopAfterJoin stops a node that has just joined a group, which a peer may not have heard:
// that is waited for.
func TestStopAfterJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ben.Stop()
		ben.wants("enter ana")
		l.memory.Partition(ana.host, ben.host, true)
		ana.must(ana.Join("room"))
		start := time.Now()
		ana.must(ana.Stop())
		if took := time.Since(start); took != ana.settings.Linger {
			t.Errorf("it took %v", took)
		}
	})
}
