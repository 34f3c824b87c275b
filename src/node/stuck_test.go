package node

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/link"
)

// stalling is a transport of whose first connection nothing arrives after so many
// writes, as where packets are lost and TCP waits ever longer.
type stalling struct {
	link.Transport
	writes int
	dialed atomic.Bool
}

func (s *stalling) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	conn, err := s.Transport.Dial(ctx, endpoint)
	if err != nil || s.dialed.Swap(true) {
		return conn, err
	}
	return &stalled{conn, s.writes}, nil
}

type stalled struct {
	net.Conn
	writes int
}

func (s *stalled) Write(b []byte) (int, error) {
	if s.writes--; s.writes < 0 {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

// TestStuckGreeting checks that nodes meet in the time that greeting may take although
// the first connection is stuck, wherever in the handshake or after it.
func TestStuckGreeting(t *testing.T) {
	for writes := range 3 {
		t.Run(fmt.Sprint(writes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, start := newLAN(t), time.Now()
				ana := l.node("ana")
				defer ana.Stop()
				ben := l.node("ben", func(n *Node) { n.world.Transport = &stalling{Transport: n.world.Transport, writes: writes} })
				defer ben.Stop()
				ana.wants("enter ben")
				ben.wants("enter ana")
				if took := time.Since(start); took > ana.settings.Greeting {
					t.Errorf("it took %v", took)
				}
				ana.idle(time.Minute)
				ben.idle(time.Minute)
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text("here?")))
				ben.wants(`whisper ana "here?"`)
				ben.must(ben.Whisper(t.Context(), ana.UUID(), text("here")))
				ana.wants(`whisper ben "here"`)
			})
		})
	}
}
