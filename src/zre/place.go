package zre

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// Limit of one peer, so that a hostile network costs bounded memory.
const maxEndpoints = 8 // endpoints kept for one peer

// nowhere is the endpoint of who has none.
var nowhere sight.Endpoint

// places tell who is where.
type places struct {
	said map[sight.Endpoint][]*place // who is said to be at an endpoint
	ends map[sight.Endpoint]*place   // to whom our connection there is
}

// place is where a peer is said to be.
type place struct {
	*places
	id        uuid.UUID
	endpoints []sight.Endpoint // to try, the latest first
	strayed   sight.Endpoint   // the endpoint where our connection led to another life
	strayedAt time.Time        // and when
}

// try replaces the endpoints that are tried for the peer.
func (p *place) try(endpoints ...sight.Endpoint) {
	for _, e := range p.endpoints {
		if p.said[e] = slices.DeleteFunc(p.said[e], func(q *place) bool { return q == p }); len(p.said[e]) == 0 {
			delete(p.said, e)
		}
	}
	p.endpoints = endpoints
	for _, e := range endpoints {
		p.said[e] = append(p.said[e], p)
	}
}

// leave leaves an endpoint to another.
func (p *place) leave(endpoint sight.Endpoint) {
	p.try(slices.DeleteFunc(slices.Clone(p.endpoints), func(e sight.Endpoint) bool { return e == endpoint })...)
}

// learn puts an endpoint before the others that are tried, and forgets the last
// of too many: a peer that changed its address is where it was sighted last. One comes
// first in any case. It tells whether something has changed.
func (p *place) learn(endpoint, first sight.Endpoint) bool {
	all := slices.Concat([]sight.Endpoint{first, endpoint}, p.endpoints)
	tried := all[:0]
	for _, other := range all {
		if !slices.Contains(tried, other) && len(tried) < maxEndpoints {
			tried = append(tried, other)
		}
	}
	if slices.Equal(tried, p.endpoints) {
		return false
	}
	p.try(tried...)
	return true
}

// leads notes that our connection to the peer leads no more to one endpoint but to
// another, which may be nowhere.
func (p *place) leads(from, to sight.Endpoint) {
	if p.ends[from] == p {
		delete(p.ends, from)
	}
	if to != nowhere {
		p.ends[to] = p
	}
}

// free returns the endpoints of the peer to which nobody else has our connection.
func (p *place) free() []sight.Endpoint {
	taken := func(e sight.Endpoint) bool {
		q := p.ends[e]
		return q != nil && q != p && slices.Contains(q.endpoints, e)
	}
	if !slices.ContainsFunc(p.endpoints, taken) {
		return p.endpoints
	}
	return slices.DeleteFunc(slices.Clone(p.endpoints), taken)
}
