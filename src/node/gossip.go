package node

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/gossip"
)

// listenForGossip prepares gossip, if the settings want it.
func (n *Node) listenForGossip() (err error) {
	if s := &n.settings; s.gossips() {
		n.gossip, err = gossip.Listen(n.ctx, gossip.Config{
			Bind: s.gossip, Seeds: s.servers, Linger: s.Linger,
			Transport: n.world.Transport, Random: n.world.Random, Log: s.log, Count: n.count,
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
