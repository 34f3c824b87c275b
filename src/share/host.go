package share

import (
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/node"
)

// host is a node that runs here, for the programs that share it.
type host struct{ *node.Node }

// welcome lets other programs share the node that runs, if it is to be shared.
func (n *Node) welcome(front node.Front) {
	if !n.Shared || front.Directory == "" || front.Level.Security == api.NodeSecurityPlain {
		return
	}
	listener, err := control.Listen(front.Directory, front.Count)
	if err != nil {
		front.Warn("other programs cannot share this node: " + err.Error())
		return
	}
	n.Open(control.Serve(listener, host{n.Node}, front.Log, front.Count))
}

func (h host) About() *oncecontrol.Welcome {
	return &oncecontrol.Welcome{
		Process: control.Here(), Program: api.Version, Node: h.UUID(), Name: h.Name(), Largest: uint64(h.MaxMessage),
	}
}

func (h host) Look() (control.View, error) {
	view, err := h.Node.Look()
	return control.View{View: view, Endpoint: h.Endpoint()}, err
}

func (h host) Visit(told *events.Queue) (control.Visitor, error) {
	v, err := h.Node.Visit(told)
	if err != nil {
		return nil, err
	}
	return v, nil
}
