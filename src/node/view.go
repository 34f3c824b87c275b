package node

import (
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
)

// View is what a node knew at one moment. It does not change.
type View struct{ of control.View }

func (v *View) Version() uint64 { return v.of.Version }
func (v *View) Peers() []*Peer  { return v.of.Peers }

// Leader returns who led a group that the node was in, maybe the node itself.
func (v *View) Leader(group string) (*Peer, error) {
	if p := v.of.Leaders[group]; p != nil {
		return p, nil
	}
	return nil, api.ErrNoPeer
}

// Snapshot returns all that the node knows now.
func (n *Node) Snapshot() (*View, error) {
	of, there, err := elsewhere(n, (*control.Client).Look)
	switch {
	case !there:
		of, err = n.view(n.events.Mark)
	case err == nil:
		n.events.Mark(of.Version)
	}
	if err != nil {
		return nil, err
	}
	return &View{of}, nil
}

// view returns what a node knows that runs here, and calls a function with the version of
// that before it knows more.
func (n *Node) view(mark func(version uint64)) (of control.View, err error) {
	err = n.while(func(l *loop) {
		of = control.View{Version: l.version, Peers: sorted(l.all()), Leaders: l.core.Leaders()}
		mark(l.version)
	})
	return of, err
}
