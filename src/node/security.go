package node

import (
	"cmp"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// Headers of HELLO in which nodes show who they are; see api/protocol/zre_msg.xml.
const (
	headerCard      = zre.ReservedHeader + "CARD"
	headerToken     = zre.ReservedHeader + "TOKEN"
	headerChallenge = zre.ReservedHeader + "CHALLENGE"
	headerGreeting  = zre.ReservedHeader + "GREETING"
	headerProof     = zre.ReservedHeader + "PROOF"
)

// Properties of CURVE's INITIATE and READY that do the same (RFC 23).
const (
	propertyCard  = "X-Once-Card"
	propertyToken = "X-Once-Token"
)

const helloPurpose = "once_hello 1"

// challengeSize is how many octets a challenge has.
const challengeSize = 16

// errProof says that a greeting is not by whom its card is of.
var errProof = errors.New("the greeting is not signed by the identity: somebody else may have sent it")

var encoding = base64.RawURLEncoding

// guard is how a node protects itself. It is settled at the start.
type guard struct {
	identity *identity.Identity // nil for none
	trust    *identity.Trust
	secure   bool // CURVE is on each connection
}

// arm settles how the node protects itself, and so who it is.
func (n *Node) arm() (err error) {
	s := &n.settings
	member := s.identity.Token() != nil
	security, trust := s.security, s.trust
	if security == 0 {
		security = api.NodeSecurityAuto
		if member {
			security = api.NodeSecuritySecure
		}
	}
	if trust == 0 {
		trust = api.NodeTrustOpen
		if member && security != api.NodeSecurityPlain {
			trust = api.NodeTrustMembers
		}
	}
	if security == api.NodeSecurityPlain {
		if s.chosen || trust != api.NodeTrustOpen {
			return api.ErrNoIdentity
		}
		return nil
	}
	if trust == api.NodeTrustMembers && !member {
		return api.ErrMembers
	}
	n.identity, n.secure = s.identity, security == api.NodeSecuritySecure
	if n.trust, err = identity.NewTrust(trust, s.identity); err != nil {
		return err
	}
	if trust == api.NodeTrustMembers {
		n.name = s.identity.MemberName()
	}
	return nil
}

// reborn settles who the node is in this life.
func (n *Node) reborn() (incarnation uint64, err error) {
	n.id = n.uuid()
	n.name = cmp.Or(n.name, strings.ToUpper(n.id.String()[:6]))
	now := time.Now()
	if n.identity == nil {
		return uint64(now.UnixNano()), nil
	}
	if incarnation, err = n.identity.Incarnation(now); err != nil {
		return 0, err
	}
	n.sessions.Store(incarnation)
	_, err = n.identity.Issue(incarnation, now)
	return incarnation, err
}

// card returns the octets of the node's card, or nil.
func (n *Node) card() []byte {
	if n.identity == nil {
		return nil
	}
	return n.identity.Card().Octets()
}

// properties returns what the node shows in a CURVE handshake.
func (n *Node) properties() map[string][]byte {
	shown := map[string][]byte{propertyCard: n.card()}
	if token := n.identity.Token(); token != nil {
		shown[propertyToken] = token.Octets()
	}
	return shown
}

// keyed returns an endpoint with a public key of CURVE, if there is one.
func keyed(endpoint string, key *[32]byte) string {
	if key == nil {
		return endpoint
	}
	bare, _, _ := strings.Cut(endpoint, "|")
	return bare + "|" + z85.Encode(key[:])
}

// unkeyed is the inverse of keyed.
func unkeyed(endpoint string) (string, *[32]byte, error) {
	bare, encoded, found := strings.Cut(endpoint, "|")
	if !found {
		return bare, nil, nil
	}
	key, err := z85.Key(encoded)
	if err != nil {
		return bare, nil, fmt.Errorf("%w: its key is not 40 characters of Z85", api.ErrEndpoint)
	}
	return bare, &key, nil
}

// beaconKey is publicKey for announcements, where zeros are none.
func (n *Node) beaconKey() (key [32]byte) {
	if own := n.publicKey(); own != nil {
		key = *own
	}
	return key
}

// publicKey returns the node's public key of CURVE if its connections have that.
func (n *Node) publicKey() *[32]byte {
	if !n.secure {
		return nil
	}
	return new([32]byte(n.identity.Transport().PublicKey().Bytes()))
}

// present completes a HELLO to a peer with what the node shows of itself. Its
// proof binds the greeting to who sends it and to whom.
func (n *Node) present(hello *zremsg.Hello, to uuid.UUID) {
	hello.Sequence = 1
	if key := n.publicKey(); key != nil {
		hello.Headers = append(hello.Headers, wire.Pair{Key: zre.HeaderPublicKey, Value: z85.Encode(key[:])})
	}
	if n.identity == nil || !identity.Owned(to) {
		return
	}
	hello.Headers = append(hello.Headers,
		wire.Pair{Key: headerCard, Value: encoding.EncodeToString(n.card())},
		wire.Pair{Key: headerChallenge, Value: encoding.EncodeToString(n.challenge(to))})
	if token := n.identity.Token(); token != nil {
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerToken, Value: encoding.EncodeToString(token.Octets())})
	}
	if !n.secure {
		number := strconv.FormatUint(n.sessions.Add(1), 10)
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerGreeting, Value: number})
		proof := n.identity.Sign(helloPurpose, transcript(hello, to))
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerProof, Value: encoding.EncodeToString(proof)})
	}
}

// transcript is what the proof of a HELLO is over: the receiver's id and all that
// is said before the proof.
func transcript(hello *zremsg.Hello, to uuid.UUID) []byte {
	said, err := hello.AppendTo(slices.Clone(to[:]))
	if err != nil {
		return nil // over a limit, so it is not sent either
	}
	return said
}

// challenge returns what a peer has to answer with each session that it opens. It
// stays the same for as long as the peer is known.
func (n *Node) challenge(to uuid.UUID) []byte {
	c := n.loop.challenges[to]
	if c == nil {
		c = make([]byte, challengeSize)
		rand.Read(c)
		n.loop.challenges[to] = c
	}
	return c
}

// vet checks what a peer's HELLO shows. An error says why it is turned away.
func (n *Node) vet(peer uuid.UUID, key *[32]byte, hello *zremsg.Hello) (*zre.Badge, error) {
	badge := &zre.Badge{Key: key}
	if n.identity == nil {
		return badge, nil
	}
	claim := identity.Claim{ID: peer, Name: hello.Name, Key: key}
	now, incarnation := time.Now(), ""
	var proof []byte
	for _, h := range hello.Headers {
		var err error
		switch h.Key {
		case headerCard:
			var octets []byte
			if octets, err = encoding.DecodeString(h.Value); err == nil {
				claim.Card, err = identity.ParseCard(octets, peer, now)
			}
		case headerToken:
			claim.Token, err = encoding.DecodeString(h.Value)
		case headerChallenge:
			badge.Challenge, err = encoding.DecodeString(h.Value)
		case headerGreeting:
			badge.Greeting, err = strconv.ParseUint(h.Value, 10, 64)
		case headerProof:
			proof, err = encoding.DecodeString(h.Value)
		case zre.HeaderIncarnation:
			incarnation = h.Value
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Key, err)
		}
	}
	if claim.Card != nil {
		if err := n.authentic(claim.Card, hello, incarnation, key, proof); err != nil {
			return nil, err
		}
		if len(badge.Challenge) != challengeSize {
			return nil, fmt.Errorf("%s: %w", headerChallenge, identity.ErrMalformed)
		}
	}
	if claim.Card == nil && !n.sameKey(peer, key) {
		return nil, identity.ErrKey
	}
	badge.Card = claim.Card
	var err error
	badge.Token, err = n.trust.Check(claim, now)
	return badge, err
}

// sameKey tells whether a peer without a card, if it is present, has proved the same
// key of CURVE before.
func (n *Node) sameKey(peer uuid.UUID, key *[32]byte) bool {
	r := n.table.find(peer)
	if r == nil {
		return true
	}
	known := r.badge().Key
	return known == nil && key == nil || known != nil && key != nil && *known == *key
}

// authentic tells whether a HELLO is by whom its card is of. Over CURVE the key of
// the connection tells, which the trust compares with the card's.
func (n *Node) authentic(card *identity.Card, hello *zremsg.Hello, incarnation string, key *[32]byte, proof []byte) error {
	if incarnation != strconv.FormatUint(card.Incarnation, 10) {
		return fmt.Errorf("%s: %w", zre.HeaderIncarnation, identity.ErrStranger)
	}
	if key != nil {
		return nil
	}
	bare := *hello
	if last := len(bare.Headers) - 1; bare.Headers[last].Key == headerProof {
		bare.Headers = bare.Headers[:last]
	}
	if !card.Verify(helloPurpose, transcript(&bare, n.id), proof) {
		return errProof
	}
	return nil
}

// screen checks what the far side of a CURVE handshake shows, before anything else
// is said. What a driver does not tell of it is checked with the greeting.
func (n *Node) screen(peer uuid.UUID, key [32]byte, m *zmtp.Metadata) error {
	if m.Partial {
		return nil
	}
	claim := identity.Claim{ID: peer, Key: &key, Token: m.Others[strings.ToLower(propertyToken)]}
	now := time.Now()
	if octets, ok := m.Others[strings.ToLower(propertyCard)]; ok {
		var err error
		if claim.Card, err = identity.ParseCard(octets, peer, now); err != nil {
			return err
		}
	}
	_, err := n.trust.Check(claim, now)
	return err
}

// curve returns our side of the CURVE mechanism for a connection that a peer makes
// to us; nil is no security.
func (n *Node) curve() *zmtp.Curve {
	if !n.secure {
		return nil
	}
	admit := func(key [32]byte, from net.Addr, m *zmtp.Metadata) error {
		peer, err := peerOf(m.Identity)
		if err == nil {
			err = n.screen(peer, key, m)
		}
		if err != nil {
			n.refuse(peer, "", from.String(), err)
		}
		return err
	}
	return &zmtp.Curve{Key: n.identity.Transport(), Admit: admit}
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
			n.refuse(peer, "", at.String(), err)
		}
		return err
	}
	return &zmtp.Curve{Key: n.identity.Transport(), Server: server, Admit: admit}, err
}

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
