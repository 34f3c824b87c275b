package node

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
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
