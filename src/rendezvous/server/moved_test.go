package server

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// TestMovedWhileItConnects: a node whose network changes while a server takes its connection and
// says nothing begins anew at once, and not when it has waited for long enough.
func TestMovedWhileItConnects(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		const mute = "10.0.0.9"
		at := fmt.Sprintf("%s:%d", mute, rendezvous.Port)
		l := must(s.net.Host(mute).Listen(t.Context(), "tcp://*:"+fmt.Sprint(rendezvous.Port)))
		var mu sync.Mutex
		var came []net.Conn
		accepting := make(chan struct{})
		go func() {
			defer close(accepting)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				mu.Lock()
				came = append(came, conn)
				mu.Unlock()
			}
		}()
		count := func() int { mu.Lock(); defer mu.Unlock(); return len(came) }
		address := s.address()
		address.Hosts = []string{at}
		ana := s.node("10.0.0.2", "ana", someone(), func(c *client.Config) { c.Address = address })
		time.Sleep(time.Second)
		if count() != 1 {
			s.Fatalf("%d connections", count())
		}
		ana.Moved()
		time.Sleep(100 * time.Millisecond)
		if count() != 2 {
			s.Errorf("it has moved, and there are %d connections", count())
		}
		leave(ana)
		_ = l.Close()
		<-accepting
		for _, conn := range came {
			_ = conn.Close()
		}
	})
}
