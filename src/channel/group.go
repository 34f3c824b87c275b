package channel

import (
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/seal"
)

// group is what seals shouts to a group.
type group struct {
	mu      sync.Mutex // held from the sealing of a shout until it is queued, so that they arrive in order
	sender  *seal.GroupSender
	members []*Channel // that the latest shout went to
}

// groups are those that the node has shouted to.
type groups struct {
	mu    sync.Mutex
	named map[string]*group
}

// lock returns what seals shouts of a node to a group, locked.
func (gs *groups) lock(of uuid.UUID, name string) (*group, error) {
	gs.mu.Lock()
	g := gs.named[name]
	if g == nil {
		sender, err := seal.NewGroup(of, name)
		if err != nil {
			gs.mu.Unlock()
			return nil, err
		}
		g = &group{sender: sender}
		gs.named[name] = g
	}
	gs.mu.Unlock()
	g.mu.Lock()
	return g, nil
}

// regroupLocked draws another key if somebody is no longer a member. The caller holds
// the group's lock.
func (g *group) regroupLocked(members []*Channel) {
	same := len(g.members) == len(members) && len(members) > 0 && &g.members[0] == &members[0]
	if same {
		return
	}
	stays := make(map[*Channel]bool, len(members))
	for _, c := range members {
		stays[c] = true
	}
	was := g.members
	g.members = members
	for _, c := range was {
		if !stays[c] {
			g.sender.Redraw()
			return
		}
	}
}
