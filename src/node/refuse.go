package node

import (
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// refuse tells the application, once in a while, that a node is not talked with.
func (n *Node) refuse(among *guard.Refusals, peer uuid.UUID, name string, endpoint sight.Endpoint, why error) {
	n.count("nodes refused")
	text := n.guard.Refuse(among, peer, why)
	if text == "" {
		return
	}
	n.log(peer).Info("node refused", "name", name, "endpoint", endpoint, "reason", why)
	n.events.Post(events.Facts{Type: api.EventTypeRefused, Peer: zre.Stranger(peer, name, endpoint), Text: text, At: time.Now()})
}

// refuseFrom is refuse for who is turned away in a handshake.
func (n *Node) refuseFrom(peer uuid.UUID, from net.Addr, why error) {
	n.refuse(&n.guard.Meetings, peer, "", sight.Endpoint{Address: from.String()}, guard.NotLetIn(why))
}
