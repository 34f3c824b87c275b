//go:build czmq

package czmq

import (
	"fmt"
	"sync"

	"github.com/zeromq/goczmq"

	"github.com/sjohnr/at-once/src/z85"
)

const (
	zapEndpoint = "inproc://zeromq.zap.01"
	zapDomain   = "once" // tells our sockets from others of the process
)

// authority is a ZAP handler (RFC 27), of which a process has one. It makes libzmq
// tell who has proved to hold which key, and leaves it to admit to decide.
type authority struct {
	mu     sync.Mutex
	users  int // handshakes under way
	socket *socket
	work   sync.WaitGroup
}

var zap authority

// start has the handler run until stop has been called as often.
func (a *authority) start() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users == 0 {
		s, err := newSocket(goczmq.Rep)
		if err != nil {
			return err
		}
		if err := s.bind(zapEndpoint); err != nil {
			s.close(0)
			return fmt.Errorf("czmq: ZAP handler: %w", err)
		}
		a.socket = s
		a.work.Go(func() { s.watch(s.authenticate) })
	}
	a.users++
	return nil
}

func (a *authority) stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users--; a.users == 0 {
		_ = a.socket.ready.Close()
		a.work.Wait()
		_ = a.socket.Unbind(zapEndpoint) // now, for the next; close takes its time
		a.socket.close(0)
	}
}

// authenticate answers what is asked of a ZAP handler.
func (s *socket) authenticate() {
	for in, _ := s.poll(); in; in, _ = s.poll() {
		request, err := s.RecvMessage() // version, id, domain, address, identity, mechanism, key
		if err != nil {
			continue // a signal: it is still there
		}
		reply := [...]string{"1.0", "", "400", "", "", ""} // version, id, status, its text, user, metadata
		if len(request) == 7 {
			reply[1] = string(request[1])
			if string(request[2]) == zapDomain && string(request[5]) == "CURVE" && len(request[6]) == 32 {
				reply[2], reply[4] = "200", z85.Encode(request[6])
			}
		}
		for i, part := range reply {
			if err := s.send([]byte(part), i < len(reply)-1); err != nil {
				return
			}
		}
	}
}
