package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/wire"
)

// MaxCard is the most octets that a card, a token or an invite may have.
const MaxCard = 4096

// skew is how far apart the clocks of two nodes may be.
const skew = 2 * time.Minute

// Card is a card that was found to be right. It does not change, but that its sealing key
// may be yet to come.
type Card struct {
	ID          uuid.UUID
	Identity    ed25519.PublicKey
	Transport   [32]byte // public key of CURVE
	Sealing     *Sealing
	Incarnation uint64
	NotBefore   time.Time
	Expiry      time.Time
	octets      []byte
}

// Octets returns the card as it travels. They are not to be changed.
func (c *Card) Octets() []byte { return c.octets }

// Digest returns the SHA-256 of the card.
func (c *Card) Digest() [32]byte { return sha256.Sum256(c.octets) }

// Short returns what names the card in an OPEN: the first 8 octets of its digest.
func (c *Card) Short() uint64 {
	digest := c.Digest()
	return binary.BigEndian.Uint64(digest[:])
}

// IDOf returns the id of an identity.
func IDOf(key ed25519.PublicKey) uuid.UUID {
	digest := sha256.Sum256(key)
	id := uuid.UUID(digest[:16])
	id[6] = id[6]&0x0F | 0x80
	id[8] = id[8]&0x3F | 0x80
	return id
}

// Owned tells whether an id can be that of an identity: who goes by such an id has
// to show a card.
func Owned(id uuid.UUID) bool { return id.Version() == 8 && id.Variant() == uuid.RFC4122 }

// ParseCard returns the card of id that octets hold, if it is right and valid now; with
// [Anytime], if it is right.
// Errors are ErrMalformed, ErrExpired, ErrStranger or ErrForged.
func ParseCard(octets []byte, id uuid.UUID, now time.Time) (*Card, error) {
	c, err := ReadCard(bytes.Clone(octets[:min(len(octets), MaxCard+1)]), id, now)
	if err == nil {
		err = c.Proved()
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ReadCard is ParseCard but for the proof, for a card that the identity vouches for in
// another way. The octets are the card's from then on.
func ReadCard(octets []byte, id uuid.UUID, now time.Time) (*Card, error) {
	var m oncecard.Card
	err := decode(&m, octets, MaxCard)
	switch {
	case err != nil:
		return nil, fmt.Errorf("card: %w", err)
	case IDOf(m.Identity) != id:
		return nil, fmt.Errorf("card: %w", ErrStranger)
	}
	if err := valid(m.NotBefore, m.Expiry, now); err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	return cardOf(&m, octets), nil
}

// cardOf returns the card that a message is and octets encode.
func cardOf(m *oncecard.Card, octets []byte) *Card {
	return &Card{
		ID: IDOf(m.Identity), Identity: m.Identity, Transport: [32]byte(m.Transport),
		Sealing: &Sealing{digest: [sha256.Size]byte(m.Sealing)}, Incarnation: m.Incarnation,
		NotBefore: unix(m.NotBefore), Expiry: unix(m.Expiry), octets: octets,
	}
}

// Proved returns ErrForged unless the identity has signed the card.
func (c *Card) Proved() error {
	if !c.HasProved(cardPurpose, nil, c.octets) {
		return fmt.Errorf("card: %w", ErrForged)
	}
	return nil
}

// Valid returns ErrExpired unless the card is valid at a time.
func (c *Card) Valid(now time.Time) error {
	return valid(uint64(c.NotBefore.Unix()), uint64(c.Expiry.Unix()), now)
}

// Lifetime returns how long the card is valid by the clock of who has issued it.
func (c *Card) Lifetime() time.Duration { return c.Expiry.Sub(c.NotBefore) }

// HasProved tells whether the identity has made the proof at the end of a message, which was
// decoded, for a purpose and with what binds it; see [Identity.Prove].
func (c *Card) HasProved(purpose string, bound, octets []byte) bool {
	return proved(c.Identity, purpose, bound, octets)
}

// Verify tells whether the identity has signed a message for a purpose; see
// [Identity.Sign].
func (c *Card) Verify(purpose string, message Words, signature []byte) bool {
	return verify(c.Identity, purpose, message, signature)
}

func verify(key ed25519.PublicKey, purpose string, message Words, signature []byte) (ok bool) {
	purposed(purpose, message, func(said []byte) { ok = ed25519.Verify(key, said, signature) })
	return ok
}

func sign(key ed25519.PrivateKey, purpose string, message Words) (signature []byte) {
	purposed(purpose, message, func(said []byte) { signature = ed25519.Sign(key, said) })
	return signature
}

// decode reads a message of once_card that must be all there is.
func decode(m oncecard.Message, octets []byte, most int) error {
	if len(octets) > most {
		return fmt.Errorf("%w: %d octets", ErrMalformed, len(octets))
	}
	if err := m.Decode(octets, nil); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// maxTime is far from where time.Time wraps, in seconds since 1970.
const maxTime = 1 << 40

// Anytime stands for a time when whatever is valid at some time is.
var Anytime = unix(maxTime + 1)

// valid tells whether now is in a time that is given in seconds since 1970.
func valid(notBefore, expiry uint64, now time.Time) error {
	if notBefore >= expiry || expiry > maxTime {
		return fmt.Errorf("%w: times", ErrMalformed)
	}
	if now.Equal(Anytime) {
		return nil
	}
	if now.Add(skew).Before(unix(notBefore)) || !now.Add(-skew).Before(unix(expiry)) {
		return fmt.Errorf("%w: it is from %s to %s", ErrExpired,
			unix(notBefore).UTC().Format(time.RFC3339), unix(expiry).UTC().Format(time.RFC3339))
	}
	return nil
}

func unix(seconds uint64) time.Time { return time.Unix(int64(seconds), 0) }

// purpose of the proofs in messages of once_card.
const cardPurpose = "once_card 1"

// prove signs a message for a purpose, with what binds it. Its last field is the proof.
func prove(key ed25519.PrivateKey, purpose string, bound []byte, m interface{ AppendTo([]byte) ([]byte, error) }, proof *[]byte) ([]byte, error) {
	*proof = make([]byte, ed25519.SignatureSize)
	octets, err := m.AppendTo(nil)
	if err != nil {
		return nil, err
	}
	*proof = sign(key, purpose, unproved(bound, octets))
	return append(octets[:len(octets)-ed25519.SignatureSize], *proof...), nil
}

// proved tells whether the proof at the end of a message is by key.
func proved(key ed25519.PublicKey, purpose string, bound, octets []byte) bool {
	return verify(key, purpose, unproved(bound, octets), octets[len(octets)-ed25519.SignatureSize:])
}

// unproved returns what the proof at the end of a message is over.
func unproved(bound, octets []byte) Words {
	octets = octets[:len(octets)-wire.SizeBytes(make([]byte, ed25519.SignatureSize))]
	return func(b []byte) []byte { return append(append(b, bound...), octets...) }
}

// Words append a message that is signed to what is there.
type Words func(b []byte) []byte

// purposed calls do with a message for a purpose, as it is signed, which do must not keep.
func purposed(purpose string, message Words, do func([]byte)) {
	b := buffers.Get().(*[]byte)
	*b = message(append(append((*b)[:0], purpose...), 0))
	do(*b)
	buffers.Put(b)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// SealingSize is how many octets a sealing key has.
const SealingSize = mlkem.EncapsulationKeySize768 + 32

// Sealing is the sealing key that a card names, a public key of HPKE: it may be known, or
// yet to come. Cards that name the same key may share it. Its methods are safe for
// concurrent use.
type Sealing struct {
	digest [sha256.Size]byte

	mu   sync.Mutex
	key  []byte        // nil until it is known
	came chan struct{} // nil if nobody waits
}

// Digest returns the SHA-256 of the key.
func (s *Sealing) Digest() [sha256.Size]byte { return s.digest }

// Key returns the key, nil if it is not known. It is not to be changed.
func (s *Sealing) Key() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// Take takes in the key, which is the Sealing's from then on. The error is ErrMalformed if
// it is another, or none.
func (s *Sealing) Take(key []byte) error {
	if len(key) != SealingSize {
		return fmt.Errorf("sealing key: %w: %d octets", ErrMalformed, len(key))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case bytes.Equal(key, s.key):
		return nil
	case sha256.Sum256(key) != s.digest:
		return fmt.Errorf("sealing key: %w: it is not the one that the card names", ErrMalformed)
	case !sealable(key):
		return fmt.Errorf("sealing key: %w", ErrMalformed)
	}
	s.key = key
	s.wakeLocked()
	return nil
}

// Came returns what is closed when the key is known, or may count no longer.
func (s *Sealing) Came() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := s.came
	if came == nil {
		came = make(chan struct{})
		if s.came = came; s.key != nil {
			s.wakeLocked()
		}
	}
	return came
}

// Wake has those who wait for the key look again whether it counts.
func (s *Sealing) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked()
}

func (s *Sealing) wakeLocked() {
	if s.came != nil {
		close(s.came)
		s.came = nil
	}
}

// sealable tells whether octets are a public key of MLKEM768-X25519, as package hpke would,
// which also computes what a key is used with, and nobody may ever use it: the 768 numbers
// of 12 bits that a key of ML-KEM-768 begins with are below its modulus (FIPS 203, 7.2), and
// nothing else can be wrong with it or with a key of X25519.
func sealable(key []byte) bool {
	const numbers, modulus = 768, 3329
	if len(key) != SealingSize {
		return false
	}
	for b := key[:numbers*3/2]; len(b) > 0; b = b[3:] {
		low, high := uint(b[0])|uint(b[1]&15)<<8, uint(b[1]>>4)|uint(b[2])<<4
		if low >= modulus || high >= modulus {
			return false
		}
	}
	return true
}
