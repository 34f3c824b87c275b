package node

import (
	"context"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/zre"
)

// Recv waits for the next event. It is valid until the next Recv or RecvBatch.
// When the node has stopped and no events are left, it returns api.ErrStopped.
func (s *base) Recv(ctx context.Context) (*Event, error) { return s.events.Recv(ctx) }

// RecvBatch waits for a run of events, at least one. It is valid until the next
// Recv or RecvBatch.
func (s *base) RecvBatch(ctx context.Context) (*Batch, error) { return s.events.RecvBatch(ctx) }

// Peers returns the peers that are present, in the order of their UUIDs.
func (n *Node) Peers() []*Peer { return sorted(n.table.all()) }

// PeersByGroup returns the peers in a group, in the order of their UUIDs.
func (n *Node) PeersByGroup(group string) []*Peer { return sorted(n.table.members(group)) }

// Peer returns a peer that is present.
func (n *Node) Peer(id uuid.UUID) (*Peer, error) {
	if c := n.table.find(id); c != nil {
		return c.Peer(), nil
	}
	return nil, n.absent()
}

// PeerGroups returns the groups that some peer is in, sorted.
func (n *Node) PeerGroups() []string { return events.NewView(0, "", n.Peers(), nil).PeerGroups() }

// RequirePeer connects to a peer that no beacon tells of, and stays with it.
func (n *Node) RequirePeer(id uuid.UUID, endpoint string) error {
	if err := check.Given("RequirePeer", "peer", id != uuid.Nil, "the UUID of a node"); err != nil {
		return err
	}
	at, err := reachable("RequirePeer", endpoint)
	if err != nil {
		return err
	}
	if err := n.running(); err != nil {
		return err
	}
	if err := n.other(id); err != nil {
		return err
	}
	switch {
	case n.guard.Suits(at.KeyOf()) == nil:
	case n.guard.Secure:
		return badEndpoint("RequirePeer", endpoint, "a bar and the peer's public key after it, as this node is secure")
	default:
		return badEndpoint("RequirePeer", endpoint, "no key, as this node is not secure")
	}
	return n.while(func(l *loop) { l.step(zre.Required{Peer: id, Endpoint: at}) })
}

// GossipServers returns the servers of gossip that the node connects to, each with what is
// wrong with it: nothing if it answers.
func (n *Node) GossipServers() map[string]string {
	if n.running() != nil || n.ears == nil || n.ears.gossip == nil {
		return map[string]string{}
	}
	return n.ears.gossip.Servers()
}

// Servers returns the rendezvous servers that the node stays with, each with what is wrong
// with it: nothing if it answers.
func (n *Node) Servers() map[string]string {
	list := map[string]string{}
	if n.running() == nil && n.ears != nil && n.ears.wan != nil {
		for address, state := range n.ears.wan.States() {
			list[address] = state.Trouble
		}
	}
	return list
}

// GossipUnpublish has the node tell no more of a peer, until the peer publishes
// itself anew.
func (n *Node) GossipUnpublish(peer uuid.UUID) error {
	err := n.running()
	if err == nil && n.ears.gossip != nil {
		n.ears.gossip.Unpublish(peer)
	}
	return err
}

// Counts returns how often something unusual was seen since the node began, by
// name.
func (n *Node) Counts() map[string]uint64 {
	return n.counters.all()
}
