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
	return n.enlist(group, zre.Join{Group: group}, func(s *settings) map[string]struct{} { return s.groups })
}

// SetContestInGroup has the node contest for the leadership of a group whenever
// it is in it.
func (n *Node) SetContestInGroup(group string) error {
	return n.enlist(group, zre.Contest{Group: group}, func(s *settings) map[string]struct{} { return s.contests })
}

// enlist puts a group into one of the sets of them, unless that is full: into
// that of the settings before Start, into the core's after it.
func (n *Node) enlist(group string, in zre.Input, set func(*settings) map[string]struct{}) error {
	if early, err := n.early(func(s *settings) error {
		groups := set(s)
		if _, in := groups[group]; !in && !zre.Fits(group, maps.Keys(groups)) {
			return api.ErrGroups
		}
		groups[group] = struct{}{}
		return nil
	}); early {
		return err
	}
	var full bool
	err := n.while(func() {
		if full = n.loop.core.Full(in); !full {
			n.loop.step(in)
		}
	})
	if full {
		return api.ErrGroups
	}
	return err
}

// Leave leaves a group. Leaving a group that the node is not in changes nothing.
func (n *Node) Leave(group string) error {
	if early, err := n.early(func(s *settings) error {
		delete(s.groups, group)
		return nil
	}); early {
		return err
	}
	return n.while(func() { n.loop.step(zre.Leave{Group: group}) })
}

// OwnGroups returns the groups that the node is in, sorted.
func (n *Node) OwnGroups() []string {
	var own []string
	if early, _ := n.early(func(s *settings) error {
		own = slices.Sorted(maps.Keys(s.groups))
		return nil
	}); early {
		return own
	}
	_ = n.while(func() { own = n.loop.core.OwnGroups() }) // none once it has stopped
	return own
}

// early acts on the settings of a node that has not started, and tells whether
// that is so.
func (n *Node) early(act func(*settings) error) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != fresh {
		return false, nil
	}
	return true, act(&n.settings)
}
