package node

import (
	"maps"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/zre"
)

// Join joins a group. Joining a group twice changes nothing. What is joined
// before Start is part of the first greeting.
func (n *Node) Join(group string) error {
	if _, there, err := elsewhere(n, done(func(far *control.Client) error { return far.Join(group) })); there {
		return err
	}
	return n.enlist(group, zre.Join{Group: group}, n.groups)
}

// SetContestInGroup has the node contest for the leadership of a group whenever
// it is in it.
func (n *Node) SetContestInGroup(group string) error {
	return n.enlist(group, zre.Contest{Group: group}, n.contests)
}

// enlist puts a group into one of the sets of them, unless that is full: into
// that of the settings before Start, into the core's after it.
func (n *Node) enlist(group string, in zre.Input, groups map[string]struct{}) error {
	if early, err := n.early(func() error {
		if _, in := groups[group]; !in && !zre.Fits(group, maps.Keys(groups)) {
			return api.ErrGroups
		}
		groups[group] = struct{}{}
		return nil
	}); early {
		return err
	}
	var full error
	if err := n.while(func(l *loop) {
		full = l.enlist(in)
		if _, joins := in.(zre.Join); joins {
			delete(l.lent.only, group)
		}
	}); err != nil {
		return err
	}
	return full
}

// Leave leaves a group. Leaving a group that the node is not in changes nothing.
func (n *Node) Leave(group string) error {
	if _, there, err := elsewhere(n, done(func(far *control.Client) error { return far.Leave(group) })); there {
		return err
	}
	if early, err := n.early(func() error {
		delete(n.groups, group)
		return nil
	}); early {
		return err
	}
	return n.while(func(l *loop) { l.depart(group) })
}

// OwnGroups returns the groups that the node is in, sorted.
func (n *Node) OwnGroups() []string {
	if far := n.far.Load(); far != nil {
		return far.OwnGroups()
	}
	var own []string
	if early, _ := n.early(func() error {
		own = slices.Sorted(maps.Keys(n.groups))
		return nil
	}); early {
		return own
	}
	_ = n.while(func(l *loop) { // none once it has stopped
		own = slices.DeleteFunc(l.core.OwnGroups(), func(group string) bool {
			_, only := l.lent.only[group]
			return only
		})
	})
	return own
}
