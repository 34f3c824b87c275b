package share

import (
	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/node"
)

// host is a node that runs here, for the programs that share it.
type host struct {
	*node.Node
	front *node.Front
}

func (h host) About() *oncecontrol.Welcome {
	return &oncecontrol.Welcome{
		Process: identity.Here(), Program: api.Version, Node: h.UUID(), Name: h.Name(), Largest: uint64(h.MaxMessage),
	}
}

func (h host) Visit(told *events.Queue) (control.Visitor, error) {
	v, err := h.Node.Visit(told)
	if err != nil {
		return nil, err
	}
	return v, nil
}
