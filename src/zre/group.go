package zre

import (
	"bytes"
	"iter"
	"maps"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// Fits tells whether a node may be in a group beside others: its HELLO names them all.
func Fits(group string, others iter.Seq[string]) bool {
	count, octets := 1, len(group)
	for other := range others {
		count++
		octets += len(other)
	}
	return count <= zremsg.MaxHelloGroups && octets <= zremsg.MaxHelloGroupsOctets
}

// OwnGroups returns the node's own groups, sorted.
func (c *Core) OwnGroups() []string { return slices.Sorted(maps.Keys(c.groups)) }

// sorted returns the peers in the order of their ids, so that the same inputs
// give the same outputs.
func (c *Core) sorted() []*peer {
	return slices.SortedFunc(maps.Values(c.peers), func(a, b *peer) int {
		return bytes.Compare(a.id[:], b.id[:])
	})
}

// joins and leaves take in a peer's JOIN and LEAVE. A status that is not the
// next one means that we have missed some; the peer's HELLO makes that good.
func (p *peer) joins(group string, status uint8) {
	p.step(status)
	at, found := slices.BinarySearch(p.groups, group)
	switch {
	case found:
	case !Fits(group, slices.Values(p.groups)), !p.core.room(p, p.weight+entryOctets+len(group)):
		p.core.count("groups over the limit")
	default:
		p.groups = slices.Insert(slices.Clone(p.groups), at, group)
		p.weighs(p.weight + entryOctets + len(group))
		p.member(api.EventTypeJoin, group)
		p.core.arrives(p, group)
	}
}

func (p *peer) leaves(group string, status uint8) {
	p.step(status)
	if at, found := slices.BinarySearch(p.groups, group); found {
		p.groups = slices.Delete(slices.Clone(p.groups), at, at+1)
		p.weighs(p.weight - entryOctets - len(group))
		p.member(api.EventTypeLeave, group)
		p.core.departs(p.id, group)
	}
}

// step adopts the status of a JOIN or LEAVE.
func (p *peer) step(status uint8) {
	if p.status++; p.status != status {
		p.status = status
		p.core.count("status out of step")
		p.asks, p.lacks = true, p.core.now
		p.fire(peermachine.EventOutOfStep)
	}
}

// member tells the application of a join or leave, if it knows the peer.
func (p *peer) member(kind api.EventType, group string) {
	if p.state.IsPresent() {
		p.event(kind, group, 0)
	}
}

// tellGroups tells the application how the latest HELLO changed the groups.
func (p *peer) tellGroups() {
	snapshot := p.Peer
	for _, group := range p.left {
		p.core.emit(Event{api.EventTypeLeave, &snapshot, group, 0, p.core.now})
		p.core.departs(p.id, group)
	}
	for _, group := range p.joined {
		p.core.emit(Event{api.EventTypeJoin, &snapshot, group, 0, p.core.now})
	}
	p.left, p.joined = nil, nil
	p.canvass()
}

// difference returns what is in one sorted list and not in another.
func difference(in, notIn []string) []string {
	var d []string
	for _, s := range in {
		if _, found := slices.BinarySearch(notIn, s); !found {
			d = append(d, s)
		}
	}
	return d
}
