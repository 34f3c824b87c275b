package node

import (
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestAbortedHandshakes has 500 connections from an address end before they are through
// their handshake, with and without the arithmetic of keys, or show in vain who they are.
// A good node behind the same address comes in soon.
func TestAbortedHandshakes(t *testing.T) {
	const connections, soon = 500, time.Second
	for name, c := range map[string]struct {
		security api.NodeSecurity
		says     func(t *testing.T, l *lan, to *actor, conn net.Conn)
	}{
		"half-open":         {api.NodeSecurityAuto, func(*testing.T, *lan, *actor, net.Conn) {}},
		"half-open, secure": {api.NodeSecuritySecure, func(*testing.T, *lan, *actor, net.Conn) {}},
		"arithmetic": {api.NodeSecuritySecure, func(t *testing.T, _ *lan, to *actor, conn net.Conn) {
			_, _ = conn.Write(curveHello(t, to))
		}},
		"greetings": {api.NodeSecurityAuto, func(t *testing.T, _ *lan, to *actor, conn net.Conn) {
			k, err := link.Open(t.Context(), conn, link.Config{Type: zmtp.Dealer, Identity: routingID(mallory)})
			if err == nil {
				(&stranger{Link: k}).say(frame(&zremsg.Hello{Endpoint: "tcp://10.0.0.66:9", Headers: []wire.Pair{{Key: guard.HeaderCard, Value: "none"}}}))
				_ = k.Flush(t.Context())
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana := l.node("ana", with(c.security))
				defer ana.Stop()
				endpoint := parsed(ana.Endpoint()).Bare()
				var attackers sync.WaitGroup
				for range connections {
					attackers.Go(func() {
						conn, err := l.memory.Host(outside).Dial(t.Context(), endpoint)
						if err != nil {
							t.Error(err)
							return
						}
						defer conn.Close()
						c.says(t, l, ana, conn)
						time.Sleep(100 * time.Millisecond)
					})
				}
				attackers.Wait()
				start := time.Now()
				ben := l.nodeAt(outside, "ben", with(c.security))
				defer ben.Stop()
				for !strings.HasPrefix(ana.next(time.Minute), "enter") {
				}
				took := time.Since(start)
				t.Logf("the good one takes %v; counts %v", took, ana.Counts())
				if took > soon {
					t.Errorf("the good one takes %v", took)
				}
			})
		})
	}
}
