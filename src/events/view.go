package events

import (
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zre"
)

// View is what a node knew at one moment. It does not change.
type View struct {
	version uint64
	peers   []*zre.Peer
	leaders map[string]*zre.Peer
}

// NewView returns a view of the peers that were present, in the order of their UUIDs, and
// of who led which group, after the event with a version.
func NewView(version uint64, peers []*zre.Peer, leaders map[string]*zre.Peer) *View {
	return &View{version, peers, leaders}
}

func (v *View) Version() uint64    { return v.version }
func (v *View) Peers() []*zre.Peer { return v.peers }

// Leaders returns who led the groups that the node was in, maybe the node itself.
func (v *View) Leaders() map[string]*zre.Peer { return v.leaders }

// Leader returns who led one of them.
func (v *View) Leader(group string) (*zre.Peer, error) {
	if p := v.leaders[group]; p != nil {
		return p, nil
	}
	return nil, api.ErrNoPeer
}
