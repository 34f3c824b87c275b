package node

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/z85"
	"github.com/sjohnr/at-once/src/zre"
)

// Headers of HELLO in which nodes show who they are; see api/protocol/zre_msg.xml.
const (
	headerCard      = zre.ReservedHeader + "CARD"
	headerToken     = zre.ReservedHeader + "TOKEN"
	headerChallenge = zre.ReservedHeader + "CHALLENGE"
	headerNonce     = zre.ReservedHeader + "NONCE"
	headerGreeting  = zre.ReservedHeader + "GREETING"
	headerProof     = zre.ReservedHeader + "PROOF"
)

const helloPurpose = "once_hello 1"

// challengeSize is how many octets a challenge has.
const challengeSize = 16

// errProof says that a greeting is not by whom its card is of.
var errProof = errors.New("the greeting is not signed by the identity: somebody else may have sent it")

// present completes a HELLO to a peer with what the node shows of itself. Its
// proof binds the greeting to who sends it, to whom, and to the connection that has
// the nonces.
func (n *Node) present(hello *zremsg.Hello, to uuid.UUID, on *nonces) {
	hello.Sequence = 1
	if key := n.publicKey(); key != nil {
		hello.Headers = append(hello.Headers, wire.Pair{Key: zre.HeaderPublicKey, Value: z85.Encode(key[:])})
	}
	if n.identity == nil || !identity.Owned(to) {
		return
	}
	hello.Headers = append(hello.Headers,
		wire.Pair{Key: headerCard, Value: identity.Base64(n.card())},
		wire.Pair{Key: headerChallenge, Value: identity.Base64(n.challenge(to))})
	if token := n.identity.Token(); token != nil {
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerToken, Value: identity.Base64(token.Octets())})
	}
	if on.own != noNonce {
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerNonce, Value: identity.Base64(on.own[:])})
	}
	number := strconv.FormatUint(n.sessions.Add(1), 10)
	hello.Headers = append(hello.Headers, wire.Pair{Key: headerGreeting, Value: number})
	var nonce [nonceSize]byte
	if on.fresh() {
		nonce = on.far
	}
	proof := n.identity.Sign(helloPurpose, transcript(hello, to, nonce))
	hello.Headers = append(hello.Headers, wire.Pair{Key: headerProof, Value: identity.Base64(proof)})
}

// transcript is what the proof of a HELLO is over: the receiver's nonce, if each side
// was shown the other's, else zeros; the receiver's id; and all that is said before the
// proof.
func transcript(hello *zremsg.Hello, to uuid.UUID, nonce [nonceSize]byte) []byte {
	said, err := hello.AppendTo(slices.Concat(nonce[:], to[:]))
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

// shown is what a HELLO shows of its sender.
type shown struct {
	claim       identity.Claim
	challenge   []byte
	nonce       [nonceSize]byte // that the sender has shown in the handshake, zeros for none
	greeting    uint64
	incarnation string
	proof       []byte
}

// shownIn reads what a peer's HELLO shows. Whether the card is valid now is not asked.
func shownIn(hello *zremsg.Hello, peer uuid.UUID, key *[32]byte) (s shown, err error) {
	s.claim = identity.Claim{ID: peer, Name: hello.Name, Key: key}
	for _, h := range hello.Headers {
		switch h.Key {
		case headerCard:
			var octets []byte
			if octets, err = identity.ParseBase64(h.Value); err == nil {
				s.claim.Card, err = identity.ParseCard(octets, peer, identity.Anytime)
			}
		case headerToken:
			s.claim.Token, err = identity.ParseBase64(h.Value)
		case headerChallenge:
			s.challenge, err = identity.ParseBase64(h.Value)
		case headerNonce:
			var octets []byte
			if octets, err = identity.ParseBase64(h.Value); err == nil && len(octets) != nonceSize {
				err = identity.ErrMalformed
			}
			copy(s.nonce[:], octets)
		case headerGreeting:
			if s.greeting, err = strconv.ParseUint(h.Value, 10, 64); err != nil || strconv.FormatUint(s.greeting, 10) != h.Value {
				err = identity.ErrMalformed // zeros before the number, say
			}
		case headerProof:
			s.proof, err = identity.ParseBase64(h.Value)
		case zre.HeaderIncarnation:
			s.incarnation = h.Value
		}
		if err != nil {
			return s, fmt.Errorf("%s: %w", h.Key, err)
		}
	}
	return s, nil
}

// vet checks what a peer's HELLO shows on a connection that has the nonces. An error
// says why it is turned away.
func (n *Node) vet(peer uuid.UUID, key *[32]byte, hello *zremsg.Hello, on *nonces) (*zre.Badge, error) {
	if n.identity == nil {
		return &zre.Badge{Key: key}, nil
	}
	now := time.Now()
	s, err := shownIn(hello, peer, key)
	if err != nil {
		return nil, err
	}
	badge := &zre.Badge{Card: s.claim.Card, Key: key, Challenge: s.challenge, Greeting: s.greeting}
	switch {
	case badge.Card == nil && !n.sameKey(peer, key):
		err = identity.ErrKey
	case badge.Card != nil && on.fresh():
		badge.Proved = now
		err = n.authentic(&s, hello, on)
	case badge.Card != nil:
		err = cmp.Or(badge.Card.Valid(now), n.authentic(&s, hello, on))
	}
	if err == nil {
		badge.Token, err = n.trust.Check(s.claim, now)
	}
	if err != nil {
		return nil, err
	}
	if badge.Card != nil && n.table.find(peer) == nil {
		n.compareClocks(peer, hello.Name, badge.Card, now)
	}
	return badge, nil
}

// compareClocks tells, once in a while, that the card of a peer that has come cannot
// be of now.
func (n *Node) compareClocks(peer uuid.UUID, name string, card *identity.Card, now time.Time) {
	if card.Valid(now) == nil || !n.meetings.tell(refusal{peer, "clock"}, now) {
		return
	}
	dated := fmt.Sprintf("is dated %v ahead", card.NotBefore.Sub(now).Round(time.Second))
	if card.NotBefore.Before(now) {
		dated = fmt.Sprintf("ran out %v ago", now.Sub(card.Expiry).Round(time.Second))
	}
	n.notice(fmt.Sprintf("the clock of %q, or of this host, is wrong: its card %s", name, dated))
}

// authentic tells whether a HELLO is by whom its card is of, and was said on the
// connection that has the nonces.
func (n *Node) authentic(s *shown, hello *zremsg.Hello, on *nonces) error {
	var nonce [nonceSize]byte
	if on.fresh() {
		nonce = on.own
	}
	switch {
	case s.incarnation != strconv.FormatUint(s.claim.Card.Incarnation, 10):
		return fmt.Errorf("%s: %w", zre.HeaderIncarnation, identity.ErrStranger)
	case len(s.challenge) != challengeSize:
		return fmt.Errorf("%s: %w", headerChallenge, identity.ErrMalformed)
	case on.own != noNonce && s.nonce != on.far:
		return errProof // the handshake was changed on its way
	}
	bare := *hello
	if last := len(bare.Headers) - 1; bare.Headers[last].Key == headerProof {
		bare.Headers = bare.Headers[:last]
	}
	if !s.claim.Card.Verify(helloPurpose, transcript(&bare, n.id, nonce), s.proof) {
		return errProof
	}
	return nil
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
