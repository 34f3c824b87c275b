package node

import (
	"maps"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zre"
)

// Join joins a group. Joining a group twice changes nothing. What is joined
// before Start is part of the first greeting.
func (n *Node) Join(group string) error {
	if early, err := n.early(func(groups map[string]struct{}) error {
		if _, in := groups[group]; !in && len(groups) >= zre.MaxGroups {
			return api.ErrGroups
		}
		groups[group] = struct{}{}
		return nil
	}); early {
		return err
	}
	var full bool
	err := n.while(func() {
		core := n.loop.core
		if full = !core.In(group) && core.Groups() >= zre.MaxGroups; !full {
			n.step(zre.Join{Group: group})
		}
	})
	if full {
		return api.ErrGroups
	}
	return err
}

// Leave leaves a group. Leaving a group that the node is not in changes nothing.
func (n *Node) Leave(group string) error {
	if early, err := n.early(func(groups map[string]struct{}) error {
		delete(groups, group)
		return nil
	}); early {
		return err
	}
	return n.while(func() { n.step(zre.Leave{Group: group}) })
}

// OwnGroups returns the groups that the node is in, sorted.
func (n *Node) OwnGroups() []string {
	var own []string
	if early, _ := n.early(func(groups map[string]struct{}) error {
		own = slices.Sorted(maps.Keys(groups))
		return nil
	}); early {
		return own
	}
	_ = n.while(func() { own = n.loop.core.OwnGroups() }) // none once it has stopped
	return own
}

// early acts on the groups of a node that has not started, and tells whether
// that is so.
func (n *Node) early(act func(map[string]struct{}) error) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != fresh {
		return false, nil
	}
	return true, act(n.settings.groups)
}
