package guard

import (
	"crypto/ecdh"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Refused is told of a node that is turned away in a handshake, from where, and why.
type Refused func(peer uuid.UUID, from net.Addr, why error)

// Suits tells whether the node can talk with who has a key of CURVE, or none.
func (g *Guard) Suits(key *[32]byte) error {
	switch {
	case g.Secure && key == nil:
		return ErrPlain
	case !g.Secure && key != nil:
		return ErrSecure
	}
	return nil
}

// Curve returns our side of the CURVE mechanism for a connection that a peer makes
// to us, on a visit; nil is no security. What comes from beyond the LAN always has it, and
// may be a server, which shows no identity, and wants to know that we are reached.
func (g *Guard) Curve(v *Visit, beyond bool, refused Refused) *zmtp.Curve {
	if !g.Secure && !beyond {
		return nil
	}
	admit := func(key [32]byte, from net.Addr, m *zmtp.Metadata) error {
		if beyond && len(m.Identity) == 0 {
			return nil
		}
		peer, err := PeerOf(m.Identity)
		if err == nil {
			err = g.screen(peer, key, m)
		}
		if err != nil {
			refused(peer, from, err)
			if showsNonce(m) {
				err = fmt.Errorf("%w: %w", err, &zmtp.RefusedError{Reason: Refusal(err).String()})
			}
		}
		return err
	}
	afford := func() error { return v.Afford(time.Now()) }
	return &zmtp.Curve{Key: g.Identity.Transport(), Admit: admit, Afford: afford}
}

// CurveTo is Curve for a connection that we make to a peer that is said to have a
// key.
func (g *Guard) CurveTo(peer uuid.UUID, key *[32]byte, refused Refused) (*zmtp.Curve, error) {
	if err := g.Suits(key); err != nil || key == nil {
		return nil, err
	}
	return g.curveTo(peer, key, false, refused)
}

// CurveBeyond is CurveTo for one that leads beyond the LAN, to the peer of a card. With tie
// the peer may have made it too.
func (g *Guard) CurveBeyond(to *identity.Card, tie bool, refused Refused) (*zmtp.Curve, error) {
	c, err := g.curveTo(to.ID, &to.Transport, tie, refused)
	c.Eager = true // nobody else has that key
	return c, err
}

func (g *Guard) curveTo(peer uuid.UUID, key *[32]byte, tie bool, refused Refused) (*zmtp.Curve, error) {
	server, err := ecdh.X25519().NewPublicKey(key[:])
	admit := func(key [32]byte, at net.Addr, m *zmtp.Metadata) error {
		err := g.screen(peer, key, m)
		if err != nil {
			refused(peer, at, err)
		}
		return err
	}
	return &zmtp.Curve{Key: g.Identity.Transport(), Server: server, Admit: admit, Tie: tie}, err
}

// screen notes and checks what the far side of a CURVE handshake shows, before anything else
// is said. What a driver does not tell of it is checked with the greeting, and whether
// the card is new too, if both sides show a nonce.
func (g *Guard) screen(peer uuid.UUID, key [32]byte, m *zmtp.Metadata) error {
	g.Names.note(peer, m)
	if m.Partial {
		return nil
	}
	shown := func(property string) []byte { return m.Others[strings.ToLower(property)] }
	claim := identity.Claim{ID: peer, Key: &key, Token: shown(propertyToken), Moves: shown(propertyMoves)}
	now := time.Now()
	if octets, ok := m.Others[strings.ToLower(PropertyCard)]; ok {
		at := now
		if showsNonce(m) {
			at = identity.Anytime // the greeting will prove that it is new
		}
		var err error
		if claim.Card, err = identity.ParseCard(octets, peer, at); err != nil {
			return err
		}
	}
	_, err := g.trust.Check(claim, now)
	return err
}

// PeerOf returns whose ZMTP identity it is (RFC 36, "Interconnection Model"), or
// ErrIdentity.
func PeerOf(id []byte) (uuid.UUID, error) {
	if len(id) != 17 || id[0] != 1 {
		return uuid.Nil, ErrIdentity
	}
	return uuid.UUID(id[1:]), nil
}

// IdentityOf returns the ZMTP identity of a peer: the octet 1 and its UUID.
func IdentityOf(peer uuid.UUID) []byte { return append([]byte{1}, peer[:]...) }
