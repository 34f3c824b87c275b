package zre

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/z85"
)

// Badge is what a peer has shown of itself and was found to be right. It does not
// change.
type Badge struct {
	Card      *identity.Card  // nil if it has none
	Token     *identity.Token // nil if it is no member of our network
	Key       *[32]byte       // of CURVE, that the connection has proved; nil without
	Challenge []byte          // what sessions to the peer have to answer
	Greeting  uint64          // number of the greeting that showed this, higher with each; 0 if it is not signed
}

// repeats tells whether the greeting that shows a badge is one of before: somebody who
// has overheard it says it again.
func (b *Badge) repeats(last *Badge) bool {
	return b != nil && b.Greeting > 0 && last != nil && b.Greeting <= last.Greeting
}

// Stranger returns a peer that is not present: what is known of one that was
// refused.
func Stranger(id uuid.UUID, name, endpoint string) *Peer {
	return &Peer{id: id, name: name, endpoint: endpoint}
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
	case b.Key != nil:
		return api.PeerProtectionCurve
	case b.Card != nil:
		return api.PeerProtectionSealed
	}
	return api.PeerProtectionPlain
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

// Seals tells whether content between the peer and the node is sealed: the peer
// has a card, and the connection is not encrypted.
func (b *Badge) Seals() bool { return b.Card != nil && b.Key == nil }
