package node

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/gossip"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// listenForGossip prepares gossip, if the settings want it.
func (n *Node) listenForGossip() (err error) {
	if s := &n.settings; s.gossips() {
		n.gossip, err = gossip.Listen(n.ctx, gossip.Config{
			Bind: s.gossip, Seeds: s.servers, Linger: s.linger,
			Transport: n.transport, Log: s.log, Count: n.count,
		})
	}
	return err
}

// GossipUnpublish has the node tell no more of a peer, until the peer publishes
// itself anew.
func (n *Node) GossipUnpublish(peer uuid.UUID) error {
	err := n.running()
	if err == nil && n.gossip != nil {
		n.gossip.Unpublish(peer)
	}
	return err
}

// sighted tells the loop of whom the sources tell.
func (n *Node) sighted(sightings []sight.Sighting) {
	n.do(func() {
		for _, s := range sightings {
			switch {
			case s.ID == n.guard.ID:
				n.twin(s)
			case s.Gone:
				n.step(zre.Vanished{Peer: s.ID})
			case !s.Endpoint.Dialable():
				n.count("sightings without an endpoint")
			default:
				n.sight(s)
			}
		}
	})
}

// sight tells the core of a node, unless it cannot be talked with.
func (n *Node) sight(s sight.Sighting) {
	if err := n.guard.Suits(s.Endpoint.KeyOf()); err != nil {
		n.refuse(&n.guard.Sightings, s.ID, "", s.Endpoint, err)
		return
	}
	if alone, _ := n.guard.Shuns.Of(s.ID, s.Endpoint); alone && n.table.find(s.ID) == nil {
		return
	}
	n.step(zre.Sighted{Peer: s.ID, Endpoint: s.Endpoint})
}
