package events

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zre"
)

// View is what a node knew at one moment. It does not change.
type View struct {
	version  uint64
	endpoint string
	peers    []*zre.Peer
	leaders  map[string]*zre.Peer
}

// NewView returns a view of what was known after the event with a version: where the node
// accepts connections, the peers that were present, in the order of their UUIDs, and who led
// which group.
func NewView(version uint64, endpoint string, peers []*zre.Peer, leaders map[string]*zre.Peer) *View {
	return &View{version, endpoint, peers, leaders}
}

func (v *View) Version() uint64    { return v.version }
func (v *View) Endpoint() string   { return v.endpoint }
func (v *View) Peers() []*zre.Peer { return v.peers }

// Peer returns a peer that was present.
func (v *View) Peer(id uuid.UUID) (*zre.Peer, error) {
	for _, p := range v.peers {
		if p.UUID() == id {
			return p, nil
		}
	}
	return nil, api.ErrNoPeer
}

// PeersByGroup returns the peers that were in a group.
func (v *View) PeersByGroup(group string) (in []*zre.Peer) {
	for _, p := range v.peers {
		if slices.Contains(p.Groups(), group) {
			in = append(in, p)
		}
	}
	return in
}

// PeerGroups returns the groups that some peer was in, sorted.
func (v *View) PeerGroups() []string {
	groups := map[string]struct{}{}
	for _, p := range v.peers {
		for _, group := range p.Groups() {
			groups[group] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(groups))
}

// Leaders returns who led the groups that the node was in, maybe the node itself.
func (v *View) Leaders() map[string]*zre.Peer { return v.leaders }

// Leader returns who led one of them.
func (v *View) Leader(group string) (*zre.Peer, error) {
	if p := v.leaders[group]; p != nil {
		return p, nil
	}
	return nil, api.ErrNoPeer
}
