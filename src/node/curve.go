package node

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Properties of INITIATE and READY in which nodes show who they are (RFC 23).
const (
	propertyCard  = "X-Once-Card"
	propertyToken = "X-Once-Token"
)

// suits tells whether the node can talk with who has a key of CURVE, or none.
func (n *Node) suits(key *[32]byte) error {
	switch {
	case n.secure && key == nil:
		return errPlain
	case !n.secure && key != nil:
		return errSecure
	}
	return nil
}

// curve returns our side of the CURVE mechanism for a connection that a peer makes
// to us, on a visit; nil is no security.
func (n *Node) curve(v *visit) *zmtp.Curve {
	if !n.secure {
		return nil
	}
	admit := func(key [32]byte, from net.Addr, m *zmtp.Metadata) error {
		peer, err := peerOf(m.Identity)
		if err == nil {
			err = n.screen(peer, key, m)
		}
		if err != nil {
			n.refuse(&n.meetings, peer, "", sight.Endpoint{Address: from.String()}, notLetIn(err))
			if showsNonce(m) {
				err = fmt.Errorf("%w: %w", err, &zmtp.RefusedError{Reason: refusalOf(err).String()})
			}
		}
		return err
	}
	afford := func() error { return v.afford(time.Now()) }
	return &zmtp.Curve{Key: n.identity.Transport(), Admit: admit, Afford: afford}
}

// curveTo is curve for a connection that we make to a peer that is said to have a
// key.
func (n *Node) curveTo(peer uuid.UUID, key *[32]byte) (*zmtp.Curve, error) {
	if err := n.suits(key); err != nil || key == nil {
		return nil, err
	}
	server, err := ecdh.X25519().NewPublicKey(key[:])
	admit := func(key [32]byte, at net.Addr, m *zmtp.Metadata) error {
		err := n.screen(peer, key, m)
		if err != nil {
			n.refuse(&n.meetings, peer, "", sight.Endpoint{Address: at.String()}, notLetIn(err))
		}
		return err
	}
	return &zmtp.Curve{Key: n.identity.Transport(), Server: server, Admit: admit}, err
}

// screen checks what the far side of a CURVE handshake shows, before anything else
// is said. What a driver does not tell of it is checked with the greeting, and whether
// the card is new too, if both sides show a nonce.
func (n *Node) screen(peer uuid.UUID, key [32]byte, m *zmtp.Metadata) error {
	if m.Partial {
		return nil
	}
	claim := identity.Claim{ID: peer, Key: &key, Token: m.Others[strings.ToLower(propertyToken)]}
	now := time.Now()
	if octets, ok := m.Others[strings.ToLower(propertyCard)]; ok {
		at := now
		if showsNonce(m) {
			at = identity.Anytime // the greeting will prove that it is new
		}
		var err error
		if claim.Card, err = identity.ParseCard(octets, peer, at); err != nil {
			return err
		}
	}
	_, err := n.trust.Check(claim, now)
	return err
}

// errIdentity says that a connection is not that of a peer.
var errIdentity = errors.New("no peer's identity")

// peerOf returns whose ZMTP identity it is (RFC 36, "Interconnection Model").
func peerOf(id []byte) (uuid.UUID, error) {
	if len(id) != 17 || id[0] != 1 {
		return uuid.Nil, errIdentity
	}
	return uuid.UUID(id[1:]), nil
}

// linkKey returns the key that the far side of a connection has proved, or nil.
func linkKey(l *link.Link) *[32]byte {
	if key, ok := l.RemoteKey(); ok {
		return &key
	}
	return nil
}
