package node

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestMovedUnconfirmed has a peer that takes nothing say to be elsewhere: that it has not taken
// what was said is told.
func TestMovedUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto, func(n *Node) { n.settings.Linger = time.Second })
		got := 0
		answer := func(host string, reads bool) string {
			l, err := s.memory.Host(host).Listen(t.Context(), "tcp://*:*")
			s.ana.must(err)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				k, err := link.Open(t.Context(), conn, s.config(zmtp.Router, nil))
				if err != nil || !reads {
					return
				}
				_ = k.Serve(func(b *link.Batch) error {
					for i := range b.Len() {
						if id, _ := zremsg.Peek(b.Message(i)[0]); id == zremsg.IDWhisper {
							got++
						}
					}
					b.Release()
					return nil
				})
			}()
			return fmt.Sprint("tcp://", l.Addr())
		}
		s.home = answer("10.0.0.67", false)
		go s.confront(s.eve.Identity.UUID(), nil, frame(s.signed(s.greeting())))
		s.ana.wants("enter eve")
		time.Sleep(time.Second)
		s.ana.must(s.ana.Whisper(t.Context(), s.eve.Identity.UUID(), text("lost")))
		time.Sleep(time.Second)
		s.home = answer("10.0.0.68", true)
		go s.confront(s.eve.Identity.UUID(), nil, frame(s.signed(s.greeting())))
		time.Sleep(3 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.ana.Peer(s.eve.Identity.UUID())
		t.Logf("present: %v; %d whispers were read", err == nil, got)
		if err := s.ana.Flush(ctx); err == nil {
			t.Error("Flush says that all is confirmed; nobody has even read it")
		}
		time.Sleep(2 * time.Minute)
	})
}
