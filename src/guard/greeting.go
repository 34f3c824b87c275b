package guard

import (
	"cmp"
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
	HeaderSealing   = zre.ReservedHeader + "SEALING"
	HeaderCard      = zre.ReservedHeader + "CARD"
	HeaderToken     = zre.ReservedHeader + "TOKEN"
	HeaderMoves     = zre.ReservedHeader + "MOVES"
	HeaderChallenge = zre.ReservedHeader + "CHALLENGE"
	HeaderNonce     = zre.ReservedHeader + "NONCE"
	HeaderGreeting  = zre.ReservedHeader + "GREETING"
	HeaderProof     = zre.ReservedHeader + "PROOF"
)

const helloPurpose = "once_hello 1"

// ChallengeSize is how many octets a challenge has.
const ChallengeSize = NonceSize

// Present completes a HELLO to a peer with what the node shows of itself, and wants
// answered with each session that the peer opens. Its proof binds the greeting to who
// sends it, to whom, and to the connection that has the nonces. It returns the card that
// is shown, or nil; shown is the one in the latest HELLO over the connection. The sealing
// key that the card names is brought if it is of use, as it always is beyond the LAN, and was
// not brought with that.
func (g *Guard) Present(hello *zremsg.Hello, to uuid.UUID, on *Nonces, challenge []byte, shown *identity.Card, beyond bool) *identity.Card {
	say := func(header, value string) {
		hello.Headers = append(hello.Headers, wire.Pair{Key: header, Value: value})
	}
	hello.Sequence = 1
	if g.members {
		hello.Name = g.Name() // which the token has
	}
	if key := g.PublicKey(); key != nil {
		say(zre.HeaderPublicKey, z85.Encode(key[:]))
	}
	if g.Identity == nil {
		return nil
	}
	card, text, sealing := g.Identity.CardText()
	if !identity.Owned(to) {
		return card
	}
	say(HeaderCard, text)
	if (!g.Secure || beyond) && (shown == nil || shown.Sealing.Digest() != card.Sealing.Digest()) {
		say(HeaderSealing, sealing)
	}
	say(HeaderChallenge, identity.Base64(challenge))
	if token, roll := g.Identity.Membership(); token != nil {
		say(HeaderToken, identity.Base64(token.Octets()))
		if len(roll.Moves) > 0 {
			say(HeaderMoves, identity.Base64(roll.Moves))
		}
	}
	if on.Own != noNonce {
		say(HeaderNonce, identity.Base64(on.Own[:]))
	}
	say(HeaderGreeting, strconv.FormatUint(g.Serial(), 10))
	var nonce [NonceSize]byte
	if on.Fresh() {
		nonce = on.Far
	}
	say(HeaderProof, Prove(g.Identity, hello, to, nonce))
	return card
}

// Prove returns the value of a HELLO's last header: that an identity says it to a peer.
func Prove(by *identity.Identity, hello *zremsg.Hello, to uuid.UUID, nonce [NonceSize]byte) string {
	return identity.Base64(by.Sign(helloPurpose, transcript(hello, to, nonce)))
}

// NewChallenge returns what a peer has to answer with each session that it opens.
func NewChallenge() []byte { return NewNonce() }

// transcript returns what the proof of a HELLO is over: the receiver's nonce, if each side
// was shown the other's, else zeros; the receiver's id; and all that is said before the
// proof. It is nothing for a HELLO that is over a limit, which is not sent either.
func transcript(hello *zremsg.Hello, to uuid.UUID, nonce [NonceSize]byte) identity.Words {
	return func(b []byte) []byte {
		b = slices.Grow(b, NonceSize+len(to)+hello.Size())
		said, err := hello.AppendTo(append(append(b, nonce[:]...), to[:]...))
		if err != nil {
			return b
		}
		return said
	}
}

// shown is what a HELLO shows of its sender.
type shown struct {
	claim       identity.Claim
	sealing     []byte // nil if the HELLO does not bring it
	challenge   []byte
	nonce       [NonceSize]byte // that the sender has shown in the handshake, zeros for none
	greeting    uint64
	incarnation string
	proof       []byte
}

// shownIn reads what a peer's HELLO shows. Whether the card is valid now is not asked.
func shownIn(hello *zremsg.Hello, peer uuid.UUID, key *[32]byte) (s shown, err error) {
	s.claim = identity.Claim{ID: peer, Name: hello.Name, Key: key}
	for _, h := range hello.Headers {
		switch h.Key {
		case HeaderCard:
			var octets []byte
			if octets, err = identity.ParseBase64(h.Value); err == nil {
				s.claim.Card, err = identity.ReadCard(octets, peer, identity.Anytime) // see authentic
			}
		case HeaderSealing:
			s.sealing, err = identity.ParseBase64(h.Value)
		case HeaderToken:
			s.claim.Token, err = identity.ParseBase64(h.Value)
		case HeaderMoves:
			s.claim.Moves, err = identity.ParseBase64(h.Value)
		case HeaderChallenge:
			s.challenge, err = identity.ParseBase64(h.Value)
		case HeaderNonce:
			var octets []byte
			if octets, err = identity.ParseBase64(h.Value); err == nil && len(octets) != NonceSize {
				err = identity.ErrMalformed
			}
			copy(s.nonce[:], octets)
		case HeaderGreeting:
			if s.greeting, err = strconv.ParseUint(h.Value, 10, 64); err != nil || strconv.FormatUint(s.greeting, 10) != h.Value {
				err = identity.ErrMalformed // zeros before the number, say
			}
		case HeaderProof:
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

// Vet checks what a peer's HELLO shows on a connection that has the nonces and has proved
// a key, or none. Known is what the peer has shown before, nil if it is not present. An
// error says why it is turned away.
func (g *Guard) Vet(peer uuid.UUID, key *[32]byte, hello *zremsg.Hello, on *Nonces, known *zre.Badge) (*zre.Badge, error) {
	if g.Identity == nil {
		return &zre.Badge{Key: key}, nil
	}
	now := time.Now()
	s, err := shownIn(hello, peer, key)
	if err != nil {
		return nil, err
	}
	badge := &zre.Badge{Card: s.claim.Card, Key: key, Moves: s.claim.Moves, Challenge: s.challenge, Greeting: s.greeting}
	switch {
	case badge.Card == nil && !SameKey(known, key):
		err = identity.ErrKey
	case badge.Card != nil && on.Fresh():
		badge.Proved = now
		err = g.authentic(&s, hello, on)
	case badge.Card != nil:
		if err = badge.Card.Valid(now); err != nil { // whose clock is wrong is not told of who shows what is not his
			err = cmp.Or(badge.Card.Proved(), err)
		} else {
			err = g.authentic(&s, hello, on)
		}
	}
	if err == nil {
		err = s.bring(known)
	}
	if err == nil {
		if roll := g.Identity.Roll(); roll != nil {
			badge.Roll = roll.Rank()
		}
		badge.Token, err = g.trust.Check(s.claim, now)
	}
	if err != nil {
		return nil, err
	}
	return badge, nil
}

// Befriends tells why a peer would not be let in that goes by a name, and shows a card and a token,
// if so.
func (g *Guard) Befriends(name string, card *identity.Card, token []byte) error {
	_, err := g.trust.Check(identity.Claim{ID: card.ID, Name: name, Card: card, Token: token}, time.Now())
	return err
}

// bring has the card that is shown have the sealing key, if that is brought, or was known
// by the card of before: cards that name the same key share it.
func (s *shown) bring(known *zre.Badge) error {
	card := s.claim.Card
	if card == nil {
		return nil
	}
	if known != nil && known.Card != nil && known.Card.Sealing.Digest() == card.Sealing.Digest() {
		card.Sealing = known.Card.Sealing
	}
	if s.sealing == nil {
		return nil
	}
	if err := card.Sealing.Take(s.sealing); err != nil {
		return fmt.Errorf("%s: %w", HeaderSealing, err)
	}
	return nil
}

// Clocks returns what to tell of the clocks of a peer that has come and of this host, once
// in a while: the card of a badge cannot be of now. It is empty if there is nothing to tell.
func (g *Guard) Clocks(peer uuid.UUID, name string, badge *zre.Badge) string {
	card, now := badge.Card, time.Now()
	if card == nil || card.Valid(now) == nil || !g.Meetings.Tell(peer, "clock", now) {
		return ""
	}
	dated := fmt.Sprintf("is dated %v ahead", card.NotBefore.Sub(now).Round(time.Second))
	if card.NotBefore.Before(now) {
		dated = fmt.Sprintf("ran out %v ago", now.Sub(card.Expiry).Round(time.Second))
	}
	return fmt.Sprintf("the clock of %q, or of this host, is wrong: its card %s", name, dated)
}

// authentic tells whether a HELLO is by whom its card is of, and was said on the
// connection that has the nonces. Whoever has signed all of a HELLO vouches for the card in
// it, so that the card's own proof tells no more than whose fault it is.
func (g *Guard) authentic(s *shown, hello *zremsg.Hello, on *Nonces) error {
	var nonce [NonceSize]byte
	if on.Fresh() {
		nonce = on.Own
	}
	switch {
	case s.incarnation != strconv.FormatUint(s.claim.Card.Incarnation, 10):
		return fmt.Errorf("%s: %w", zre.HeaderIncarnation, identity.ErrStranger)
	case len(s.challenge) != ChallengeSize:
		return fmt.Errorf("%s: %w", HeaderChallenge, identity.ErrMalformed)
	}
	bare := *hello
	if last := len(bare.Headers) - 1; bare.Headers[last].Key == HeaderProof {
		bare.Headers = bare.Headers[:last]
	}
	changed := on.Own != noNonce && s.nonce != on.Far // the handshake was, on its way
	if !changed && s.claim.Card.Verify(helloPurpose, transcript(&bare, g.ID, nonce), s.proof) {
		return nil
	}
	if err := s.claim.Card.Proved(); err != nil {
		return fmt.Errorf("%s: %w", HeaderCard, err)
	}
	return ErrProof
}

// SameKey tells whether a peer without a card has proved the same key of CURVE as before;
// known is what it has shown then, nil if it is not present.
func SameKey(known *zre.Badge, key *[32]byte) bool {
	return known == nil || known.Key == key || known.Key != nil && key != nil && *known.Key == *key
}
