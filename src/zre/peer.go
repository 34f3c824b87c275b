package zre

import (
	"bytes"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/z85"
)

// Peer is what a node knows of a peer at one moment. It does not change and is
// safe for concurrent use.
type Peer struct {
	id          uuid.UUID
	name        string
	endpoint    sight.Endpoint
	headers     map[string]string
	groups      []string // sorted; copied on each change
	incarnation uint64
	state       peermachine.State // of its life, for the core alone
	suspect     bool
	self        bool        // it is the node itself
	way         api.PeerWay // 0 for the usual one
	badge       *Badge      // nil before the greeting
}

func (p *Peer) UUID() uuid.UUID            { return p.id }
func (p *Peer) Name() string               { return p.name }
func (p *Peer) At() sight.Endpoint         { return p.endpoint }
func (p *Peer) Endpoint() string           { return p.endpoint.String() }
func (p *Peer) Headers() map[string]string { return p.headers }
func (p *Peer) Header(name string) string  { return p.headers[name] }
func (p *Peer) Groups() []string           { return p.groups }
func (p *Peer) Incarnation() uint64        { return p.incarnation }
func (p *Peer) Suspect() bool              { return p.suspect }

// Stranger returns a peer that is not present: what is known of one that was
// refused.
func Stranger(id uuid.UUID, name string, endpoint sight.Endpoint) *Peer {
	return &Peer{id: id, name: name, endpoint: endpoint}
}

// Description is a peer as a process tells of it that runs a node. Its badge says no more
// than what can be asked of a peer.
type Description struct {
	ID          uuid.UUID
	Name        string
	Endpoint    sight.Endpoint
	Headers     map[string]string
	Groups      []string
	Incarnation uint64
	Suspect     bool
	Self        bool // it is the node itself, or nobody that anything is said to
	Way         api.PeerWay
	Badge       *Badge
}

// Described returns the peer that a description is of.
func Described(d Description) *Peer {
	return &Peer{
		id: d.ID, name: d.Name, endpoint: d.Endpoint, headers: d.Headers, groups: d.Groups,
		incarnation: d.Incarnation, suspect: d.Suspect, self: d.Self, way: d.Way, badge: d.Badge,
	}
}

// Badge returns what the peer has shown.
func (p *Peer) Badge() *Badge {
	if p.badge == nil {
		return new(Badge)
	}
	return p.badge
}

// Protection returns what protects content between the peer and the node.
func (p *Peer) Protection() api.PeerProtection {
	switch b := p.Badge(); {
	case p.self, p.badge == nil:
		return api.PeerProtectionNone
	case b.Key != nil:
		return api.PeerProtectionCurve
	case b.Card != nil:
		return api.PeerProtectionSealed
	}
	return api.PeerProtectionPlain
}

// Way returns how what is said gets to the peer.
func (p *Peer) Way() api.PeerWay {
	switch {
	case p.self, p.badge == nil:
		return api.PeerWayNone
	case p.way == 0:
		return api.PeerWayLan
	}
	return p.way
}

// By returns a peer as it is, but for the way to it.
func By(p *Peer, way api.PeerWay) *Peer {
	now := *p
	now.way = way
	return &now
}

// Identity returns the public key of the peer's identity in Z85, or an empty string.
func (p *Peer) Identity() string {
	if card := p.Badge().Card; card != nil {
		return z85.Encode(card.Identity)
	}
	return ""
}

// Roles returns the roles that the peer has in the node's network.
func (p *Peer) Roles() []string {
	if token := p.Badge().Token; token != nil {
		return token.Roles
	}
	return nil
}

// present tells whether the application knows the peer.
func (p *Peer) present() bool { return p.state.IsPresent() }

// plain tells whether the peer is none of our own nodes.
func (p *Peer) plain() bool { return p.incarnation == 0 }

// in tells whether the peer is present and in a group.
func (p *Peer) in(group string) bool {
	return contains(p.groups, group) && p.present()
}

// contains tells whether something is in a sorted list.
func contains(list []string, s string) bool {
	_, found := slices.BinarySearch(list, s)
	return found
}

// less tells whether an id comes before another.
func less(a, b uuid.UUID) bool { return bytes.Compare(a[:], b[:]) < 0 }

// snapshot returns the peer as it is now.
func (p *Peer) snapshot() *Peer {
	now := *p
	return &now
}
