package node

import (
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
	headerGreeting  = zre.ReservedHeader + "GREETING"
	headerProof     = zre.ReservedHeader + "PROOF"
)

const helloPurpose = "once_hello 1"

// challengeSize is how many octets a challenge has.
const challengeSize = 16

// errProof says that a greeting is not by whom its card is of.
var errProof = errors.New("the greeting is not signed by the identity: somebody else may have sent it")

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
		wire.Pair{Key: headerCard, Value: identity.Base64(n.card())},
		wire.Pair{Key: headerChallenge, Value: identity.Base64(n.challenge(to))})
	if token := n.identity.Token(); token != nil {
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerToken, Value: identity.Base64(token.Octets())})
	}
	if !n.secure {
		number := strconv.FormatUint(n.sessions.Add(1), 10)
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerGreeting, Value: number})
		proof := n.identity.Sign(helloPurpose, transcript(hello, to))
		hello.Headers = append(hello.Headers, wire.Pair{Key: headerProof, Value: identity.Base64(proof)})
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

// shown is what a HELLO shows of its sender.
type shown struct {
	claim       identity.Claim
	challenge   []byte
	greeting    uint64
	incarnation string
	proof       []byte
}

// shownIn reads what a peer's HELLO shows.
func shownIn(hello *zremsg.Hello, peer uuid.UUID, key *[32]byte, now time.Time) (s shown, err error) {
	s.claim = identity.Claim{ID: peer, Name: hello.Name, Key: key}
	for _, h := range hello.Headers {
		switch h.Key {
		case headerCard:
			var octets []byte
			if octets, err = identity.ParseBase64(h.Value); err == nil {
				s.claim.Card, err = identity.ParseCard(octets, peer, now)
			}
		case headerToken:
			s.claim.Token, err = identity.ParseBase64(h.Value)
		case headerChallenge:
			s.challenge, err = identity.ParseBase64(h.Value)
		case headerGreeting:
			if s.greeting, err = strconv.ParseUint(h.Value, 10, 64); err == nil && strconv.FormatUint(s.greeting, 10) != h.Value {
				err = identity.ErrMalformed // zeros before the number
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

// vet checks what a peer's HELLO shows. An error says why it is turned away.
func (n *Node) vet(peer uuid.UUID, key *[32]byte, hello *zremsg.Hello) (*zre.Badge, error) {
	if n.identity == nil {
		return &zre.Badge{Key: key}, nil
	}
	now := time.Now()
	s, err := shownIn(hello, peer, key, now)
	if err != nil {
		return nil, err
	}
	if s.claim.Card != nil {
		err = n.authentic(&s, hello)
	} else if !n.sameKey(peer, key) {
		err = identity.ErrKey
	}
	if err != nil {
		return nil, err
	}
	token, err := n.trust.Check(s.claim, now)
	return &zre.Badge{Card: s.claim.Card, Token: token, Key: key, Challenge: s.challenge, Greeting: s.greeting}, err
}

// authentic tells whether a HELLO is by whom its card is of. Over CURVE the key of
// the connection tells, which the trust compares with the card's.
func (n *Node) authentic(s *shown, hello *zremsg.Hello) error {
	switch {
	case s.incarnation != strconv.FormatUint(s.claim.Card.Incarnation, 10):
		return fmt.Errorf("%s: %w", zre.HeaderIncarnation, identity.ErrStranger)
	case len(s.challenge) != challengeSize:
		return fmt.Errorf("%s: %w", headerChallenge, identity.ErrMalformed)
	case s.claim.Key != nil:
		return nil
	}
	bare := *hello
	if last := len(bare.Headers) - 1; bare.Headers[last].Key == headerProof {
		bare.Headers = bare.Headers[:last]
	}
	if !s.claim.Card.Verify(helloPurpose, transcript(&bare, n.id), s.proof) {
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
