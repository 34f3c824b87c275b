package node

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/zre"
)

// unreachable tells the application, once in a while, that a node is heard of and
// cannot be met: of the ways to each other one does not work.
func (n *Node) unreachable(out zre.Unreachable) {
	n.count("nodes unreachable")
	p := out.Peer
	endpoint := p.At().Bare()
	why := fmt.Sprintf("it is heard of, but does not accept connections from here at %s: open that TCP port in its firewall", endpoint)
	switch {
	case out.Linked:
		why = fmt.Sprintf("it is heard of and accepts connections, but does not connect back: open the TCP port of %s in this host's firewall, or wait if it is busy with what this node said before it was started again", n.loop.home)
	case out.Greeted:
		why = fmt.Sprintf("it has connected to this node, but does not accept connections from here at %s: open that TCP port in its firewall", endpoint)
	}
	now := time.Now()
	if n.guard.Knows(p.UUID()) || !n.guard.Sightings.Tell(p.UUID(), why, now) {
		return
	}
	n.log(p.UUID()).Warn("node unreachable", "name", p.Name(), "endpoint", p.Endpoint(), "reason", why)
	n.events.Post(events.Facts{Type: api.EventTypeUnreachable, Peer: p, Text: why, At: now})
}
