package node

import (
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
)

// View is what a node knew at one moment. It does not change.
type View struct {
	version uint64
	peers   []*Peer
	leaders map[string]*Peer
}

func (v *View) Version() uint64 { return v.version }
func (v *View) Peers() []*Peer  { return v.peers }

// Leader returns who led a group that the node was in, maybe the node itself.
func (v *View) Leader(group string) (*Peer, error) {
	if p := v.leaders[group]; p != nil {
		return p, nil
	}
	return nil, api.ErrNoPeer
}

// Snapshot returns all that the node knows now.
func (n *Node) Snapshot() (*View, error) {
	if v, there, err := elsewhere(n, (*control.Client).Look); there {
		if err != nil {
			return nil, err
		}
		n.events.Mark(v.Version)
		return &View{v.Version, v.Peers, v.Leaders}, nil
	}
	v := new(View)
	if err := n.while(func(l *loop) {
		*v = View{l.version, sorted(l.all()), l.core.Leaders()}
		n.events.Mark(v.version)
	}); err != nil {
		return nil, err
	}
	return v, nil
}
