package gossip

import (
	"time"

	"github.com/sjohnr/at-once/generated/go/gossipclient"
	"github.com/sjohnr/at-once/generated/go/gossipserver"
	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
)

// How long the machines wait in states that have a time-out.
var (
	serverWaits = map[gossipserver.Timeout]time.Duration{gossipserver.TimeoutGreeting: gossipserver.DefaultGreeting}
	clientWaits = map[gossipclient.Timeout]time.Duration{
		gossipclient.TimeoutQuiet:  gossipclient.DefaultQuiet,
		gossipclient.TimeoutSilent: gossipclient.DefaultSilent,
	}
)

// serverSide is the machine of who accepted the connection.
type serverSide struct {
	*session
	state gossipserver.State
}

func (s *serverSide) fire(e gossipserver.Event) {
	last := s.state
	next, ok := gossipserver.Step(last, e, s.session)
	if !ok {
		s.Count("unexpected " + e.String())
		return
	}
	if s.state = next; next != last {
		s.moved("gossip_server", last, e, next)
	}
}

func (s *serverSide) begin()   { s.entered() }
func (s *serverSide) change()  { s.fire(gossipserver.EventChange) }
func (s *serverSide) timeout() { s.fire(gossipserver.EventTimeout) }
func (s *serverSide) lost()    { s.fire(gossipserver.EventLost) }

func (s *serverSide) heard(id zgossipmsg.ID) {
	switch id {
	case zgossipmsg.IDHello:
		s.fire(gossipserver.EventHello)
	case zgossipmsg.IDPublish:
		s.fire(gossipserver.EventPublish)
	case zgossipmsg.IDPing:
		s.fire(gossipserver.EventPing)
	default:
		s.fire(gossipserver.EventViolation)
	}
}

func (s *serverSide) wait() time.Duration { return serverWaits[s.state.Timeout()] }

// clientSide is the machine of who made the connection.
type clientSide struct {
	*session
	state gossipclient.State
}

func (c *clientSide) fire(e gossipclient.Event) {
	last := c.state
	next, ok := gossipclient.Step(last, e, c.session)
	if !ok {
		c.Count("unexpected " + e.String())
		return
	}
	if c.state = next; next != last {
		c.moved("gossip_client", last, e, next)
	}
}

func (c *clientSide) begin()   { c.fire(gossipclient.EventStart) }
func (c *clientSide) change()  { c.fire(gossipclient.EventChange) }
func (c *clientSide) timeout() { c.fire(gossipclient.EventTimeout) }
func (c *clientSide) lost()    { c.fire(gossipclient.EventLost) }

func (c *clientSide) heard(id zgossipmsg.ID) {
	c.since = time.Now()
	switch id {
	case zgossipmsg.IDPublish:
		c.servers[c.seed] = ""
		c.fire(gossipclient.EventPublish)
	case zgossipmsg.IDPong:
		c.servers[c.seed] = ""
		c.fire(gossipclient.EventPong)
	default:
		c.fire(gossipclient.EventViolation)
	}
}

func (c *clientSide) wait() time.Duration { return clientWaits[c.state.Timeout()] }
