package zre

import (
	"bytes"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// crowd is all peers that are known.
type crowd map[uuid.UUID]*peer

// with acts on a peer that is known.
func (all crowd) with(id uuid.UUID, do func(*peer)) {
	if p := all[id]; p != nil {
		do(p)
	}
}

// sorted returns the peers in the order of their ids, so that the same inputs
// give the same outputs.
func (all crowd) sorted() []*peer { return slices.SortedFunc(maps.Values(all), byID) }

func byID(a, b *peer) int { return bytes.Compare(a.id[:], b.id[:]) }

// line returns our connection to a peer, nil if the peer is not known.
func (all crowd) line(id uuid.UUID) *line {
	if p := all[id]; p != nil {
		return &p.line
	}
	return nil
}

// members returns our connections to the members of a group, in the order of their ids.
func (all crowd) members(group string) []*line {
	var members []*line
	for _, p := range all.sorted() {
		if p.in(group) {
			members = append(members, &p.line)
		}
	}
	return members
}

// beside returns who else than one peer is said to be at an endpoint, in the order of their ids.
func (all crowd) beside(one *place, endpoint sight.Endpoint) []*peer {
	said := one.said[endpoint]
	if len(said) < 2 {
		return nil
	}
	others := make([]*peer, 0, len(said))
	for _, other := range said {
		if other != one {
			others = append(others, all[other.id])
		}
	}
	slices.SortFunc(others, byID)
	return others
}
