package node

import (
	"cmp"
	"strings"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
)

// self is who a node is.
type self struct {
	*base
	*life
	name  string    // that was asked for
	plain uuid.UUID // the id of a node without identity
}

// UUID returns the id of the node's identity, or a random one if it has none.
func (n *self) UUID() uuid.UUID {
	if g := n.settled(); g != nil {
		return g.ID
	}
	id := n.plain
	_, _ = n.early(func() error {
		if n.Security != api.NodeSecurityPlain {
			id = n.who.UUID()
		}
		return nil
	})
	return id
}

// Name returns the node's public name.
func (n *self) Name() string {
	if g := n.settled(); g != nil {
		return g.Name()
	}
	return cmp.Or(n.name, strings.ToUpper(n.UUID().String()[:6]))
}

// other fails for the UUID of the node itself.
func (n *self) other(peer uuid.UUID) error {
	if g := n.settled(); g != nil && g.ID == peer {
		return api.ErrSelf
	}
	return nil
}

// settled returns who the node is, nil before the start.
func (n *self) settled() *guard.Guard {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.guard
}

// protection is what the guard is told.
func (n *self) protection() guard.Config {
	s := &n.settings
	return guard.Config{
		Identity: s.who, Chosen: s.chosen, Security: s.Security, Trust: s.Trust, Sealed: len(s.sealed) > 0, Curve: s.curve,
		Name: n.name, Plain: n.plain, Strangers: s.MaxStrangers, PerAddress: s.MaxPerAddress, Wall: n.world.Now, Log: s.log, Warn: n.warn,
	}
}
