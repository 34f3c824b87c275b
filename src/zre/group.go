package zre

import (
	"iter"
	"maps"
	"slices"

	"github.com/sjohnr/at-once/generated/go/api"
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

// fitsAmong tells whether a group is among others or fits there.
func fitsAmong(groups map[string]struct{}, group string) bool {
	_, in := groups[group]
	return in || Fits(group, maps.Keys(groups))
}

// own are the node's own groups.
type own struct {
	groups   map[string]struct{}
	contests map[string]struct{} // those that it wants to lead whenever it is in them
	status   uint8               // of its latest JOIN or LEAVE
}

// in tells whether the node is in a group.
func (o *own) in(group string) bool { _, ok := o.groups[group]; return ok }

// OwnGroups returns the node's own groups, sorted.
func (o *own) OwnGroups() []string { return slices.Sorted(maps.Keys(o.groups)) }

// membership is which groups a peer is in, as its messages tell of them, and what the peer
// weighs with them. It brings the application and the elections into step with that.
type membership struct {
	*stage
	of        *Peer
	ours      *line // to it
	elections *elections
	room      *room
	weight    int      // of what the peer has said of itself
	status    uint8    // of the latest HELLO, JOIN or LEAVE
	told      []string // the groups that the application knows of
}

// weighs notes what the peer weighs.
func (m *membership) weighs(weight int) {
	m.room.weight += weight - m.weight
	m.weight = weight
}

// follows takes in the status of a JOIN or LEAVE, and tells whether it is the next one: else
// we have missed some.
func (m *membership) follows(status uint8) bool {
	last := m.status
	m.status = status
	return status == last+1
}

// joins adds a group, if the peer was not in it before and may be.
func (m *membership) joins(group string) {
	at, found := slices.BinarySearch(m.of.groups, group)
	weight := m.weight + entryOctets + len(group)
	switch {
	case found:
	case !Fits(group, slices.Values(m.of.groups)) || !m.room.fits(m.weight, weight):
		m.count("groups over the limit")
	default:
		m.of.groups = slices.Insert(slices.Clone(m.of.groups), at, group)
		m.weighs(weight)
		if m.of.present() {
			m.tell()
		}
		m.elections.arrives(m.ours, group)
	}
}

// leaves takes a group away, if the peer was in it.
func (m *membership) leaves(group string) {
	at, found := slices.BinarySearch(m.of.groups, group)
	if !found {
		return
	}
	m.of.groups = slices.Delete(slices.Clone(m.of.groups), at, at+1)
	m.weighs(m.weight - entryOctets - len(group))
	if m.of.present() {
		m.tell()
	} else {
		m.elections.departs(m.of.id, group)
	}
}

// greets takes the groups of a HELLO for those of the peer.
func (m *membership) greets(hello *zremsg.Hello) {
	m.weighs(weigh(hello))
	groups := slices.Clone(hello.Groups)
	slices.Sort(groups)
	m.of.groups, m.status = slices.Compact(groups), hello.Status
}

// tell tells the application which groups the peer has left and joined.
func (m *membership) tell() {
	snapshot, groups := m.of.snapshot(), m.of.groups
	for _, group := range m.told {
		if !contains(groups, group) {
			m.emit(Event{api.EventTypeLeave, snapshot, group, 0, m.now})
			m.elections.departs(m.of.id, group)
		}
	}
	for _, group := range groups {
		if !contains(m.told, group) {
			m.emit(Event{api.EventTypeJoin, snapshot, group, 0, m.now})
		}
	}
	m.told = groups
}

// end has a peer that is gone be in no group any more, and weigh nothing.
func (m *membership) end() {
	m.weighs(0)
	for _, group := range m.of.groups {
		m.elections.departs(m.of.id, group)
	}
}
