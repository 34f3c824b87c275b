package zre

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/sight"
)

// A host that loses power and comes back may bring another peer to the endpoint of
// the one that it had, as Zyre's first port is always the same. A connection in the
// name of the one would then lead to the other, and two of them would confuse it:
// libzmq's ROUTER reads one of two connections with one identity. So of all peers
// that are said to be at an endpoint one has our connection there, and what is said
// over one that was made anew to a plain peer waits until that has answered. What
// somebody merely says evicts nobody who answers.

// places are the peers that are said to be at an endpoint.
type places map[sight.Endpoint][]*peer

// try replaces the endpoints that are tried for a peer.
func (p *peer) try(endpoints ...sight.Endpoint) {
	at := p.core.places
	for _, e := range p.endpoints {
		if at[e] = slices.DeleteFunc(at[e], func(q *peer) bool { return q == p }); len(at[e]) == 0 {
			delete(at, e)
		}
	}
	p.endpoints = endpoints
	for _, e := range endpoints {
		at[e] = append(at[e], p)
	}
}

// lead replaces our connection to a peer on the books.
func (p *peer) lead(l line) {
	ends := p.core.ends
	if ends[p.at] == p {
		delete(ends, p.at)
	}
	if p.line = l; p.at != nowhere {
		ends[p.at] = p
	}
}

// others returns who else is said to be at an endpoint, in the order of their ids.
func (p *peer) others(endpoint sight.Endpoint) []*peer {
	if len(p.core.places[endpoint]) < 2 {
		return nil
	}
	others := slices.DeleteFunc(slices.Clone(p.core.places[endpoint]), func(q *peer) bool { return q == p })
	slices.SortFunc(others, func(a, b *peer) int { return bytes.Compare(a.id[:], b.id[:]) })
	return others
}

// settle judges, after a peer has greeted us, who else is said to be where it is.
func (p *peer) settle() {
	for _, q := range p.others(p.endpoint) {
		there := q.at == p.endpoint
		switch {
		case there && q.shown: // it is not so
		case there && q.proven && q.state.IsPresent():
			q.fire(peermachine.EventDoubted)
		case !there && q.state.IsPresent() && q.link != 0: // it has the first try
		default:
			q.yield(p)
		}
	}
}

// rival returns a peer that has greeted us, that we have no connection to, and that
// says to be where this one is tried; nil if there is none.
func (p *peer) rival() *peer {
	for _, e := range p.endpoints {
		for _, q := range p.others(e) {
			if q.link != 0 && q.endpoint == e && q.at == nowhere {
				return q
			}
		}
	}
	return nil
}

// yield leaves the endpoint of another peer to that, together with our connection
// there if nothing was said over it that is for this one alone.
func (p *peer) yield(to *peer) {
	endpoint := to.endpoint
	there := p.at == endpoint
	p.try(slices.DeleteFunc(slices.Clone(p.endpoints), func(e sight.Endpoint) bool { return e == endpoint })...)
	switch {
	case there && !p.proven && to.at == nowhere:
		p.core.emit(Adopt{p.out, to.id})
		ours := p.line
		p.lead(line{})
		to.lead(ours)
		to.greetedAt, to.adopted = p.greetedAt, to.greets
		p.fire(peermachine.EventLinkLost)
		to.fire(peermachine.EventLinked)
	case there:
		p.renew()
	case p.at == nowhere:
		p.hangUp()
		p.Dial()
	}
	if len(p.endpoints) == 0 && (p.link == 0 || !p.state.IsPresent()) {
		p.fire(peermachine.EventDisplaced)
	}
}

// free returns the endpoints of a peer to which nobody else has our connection.
func (p *peer) free() []sight.Endpoint {
	taken := func(e sight.Endpoint) bool {
		q := p.core.ends[e]
		return q != nil && q != p && slices.Contains(q.endpoints, e)
	}
	if !slices.ContainsFunc(p.endpoints, taken) {
		return p.endpoints
	}
	return slices.DeleteFunc(slices.Clone(p.endpoints), taken)
}

// vacate lets others be tried at an endpoint that our connection to a peer led to.
func (c *Core) vacate(endpoint sight.Endpoint, from uuid.UUID) {
	for _, q := range slices.Clone(c.places[endpoint]) {
		if q.id != from && q.at == nowhere && !q.state.Final() {
			q.Dial()
		}
	}
}
