package node

import (
	"maps"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zre"
)

// profile is what peers see of a node that its program may change while the node runs.
type profile struct {
	*base
	*life
}

// Join joins a group. Joining a group twice changes nothing. What is joined
// before Start is part of the first greeting.
func (n *profile) Join(group string) error {
	return n.enlist(group, n.groups, func(l *loop) error { return l.enroll(l.own, group) })
}

// SetContestInGroup has the node contest for the leadership of a group whenever
// it is in it.
func (n *profile) SetContestInGroup(group string) error {
	return n.enlist(group, n.contests, func(l *loop) error { return l.enlist(zre.Contest{Group: group}) })
}

// enlist puts a group into one of the sets of them, unless that is full: into
// that of the settings before Start, by the loop after it.
func (n *profile) enlist(group string, groups map[string]struct{}, enlist func(*loop) error) error {
	if early, err := n.early(func() error {
		if _, in := groups[group]; !in && !zre.Fits(group, maps.Keys(groups)) {
			return api.ErrGroups
		}
		groups[group] = struct{}{}
		return nil
	}); early {
		return err
	}
	return n.try(enlist)
}

// Leave leaves a group. Leaving a group that the node is not in changes nothing.
func (n *profile) Leave(group string) error {
	if early, err := n.early(func() error {
		delete(n.groups, group)
		return nil
	}); early {
		return err
	}
	return n.while(func(l *loop) { l.depart(l.own, group) })
}

// OwnGroups returns the groups that the node is in, sorted.
func (n *profile) OwnGroups() []string {
	var own []string
	if early, _ := n.early(func() error {
		own = slices.Sorted(maps.Keys(n.groups))
		return nil
	}); early {
		return own
	}
	_ = n.while(func(l *loop) { own = slices.Sorted(maps.Keys(l.own.in)) }) // none once it has stopped
	return own
}
