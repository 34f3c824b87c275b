package gossip

import (
	"fmt"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/gossipclient"
	"github.com/sjohnr/at-once/generated/go/gossipserver"
	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
	"github.com/sjohnr/at-once/src/zmtp"
)

// machine is that of the server or of the client. It is stepped under Gossip.mu.
type machine interface {
	Knows(event string) bool
	Fire(event string) (from, to fmt.Stringer, ok bool)
	Wait() time.Duration // until timeout is due in the present state; 0 is never
}

// begin begins the conversation. The caller holds the lock.
func (s *session) begin(kind string) {
	if kind == zmtp.Router {
		s.machine, s.name = gossipserver.NewMachine(s), "gossip_server"
		s.entered()
		return
	}
	s.machine, s.name = gossipclient.NewMachine(s), "gossip_client"
	s.fire("start")
}

// fire has the machine step.
func (s *session) fire(event string) {
	from, to, ok := s.machine.Fire(event)
	if !ok {
		s.Count("unexpected " + event)
	} else if from != to {
		s.entered()
		s.Log.Debug("machine moves", "machine", s.name, "about", s.link.RemoteAddr(), "state", from, "event", event, "next", to)
	}
}

// heard fires the event that is for a message, 0 for what is none.
func (s *session) heard(id zgossipmsg.ID) {
	event := strings.ToLower(id.String())
	if !s.machine.Knows(event) {
		event = "violation"
	}
	if s.seed != "" {
		s.since = time.Now()
		if event != "violation" {
			s.servers[s.seed] = ""
		}
	}
	s.fire(event)
}

// entered sets the timer for a state that the machine has entered.
func (s *session) entered() {
	s.since = time.Now()
	if wait := s.machine.Wait(); wait > 0 {
		s.timer.Reset(wait)
	}
}

// due fires the time-out of the present state, unless something was heard since.
func (s *session) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.machine.Wait()
	if wait == 0 {
		return
	}
	if rest := wait - time.Since(s.since); rest > 0 {
		s.timer.Reset(rest)
		return
	}
	s.fire("timeout")
}
