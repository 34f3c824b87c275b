package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/identity"
)

// When a session is to be replaced by another. Its key opens all of it, and may
// outlive the sealing key: age and messages bound what is lost with it. Within 2^36
// octets, which are 2^32 blocks of AES, the advantage of who would tell content from
// noise stays below 2^-64 (draft-irtf-cfrg-aead-limits, AES-GCM; TLS 1.3 stops at
// about 2^38.5 octets, RFC 8446, section 5.5). Nonces do not limit it: each message
// has its own (NIST SP 800-38D, sections 8.2.1 and 8.3).
const (
	MaxAge      = 10 * time.Minute // by the caller's clock
	MaxMessages = 1 << 24          // see [Sender.Spent]
	MaxOctets   = 1 << 36          // likewise
)

// How many octets a challenge has.
const minChallenge, maxChallenge = 16, 64

// purpose begins what a session is made of, and what its opening is signed for.
const purpose = "once_seal 1"

// transcript returns what both sides of a session have to agree on.
func transcript(from, to *identity.Card, challenge []byte, number uint64) ([]byte, error) {
	if len(challenge) < minChallenge || len(challenge) > maxChallenge {
		return nil, fmt.Errorf("%w: a challenge of %d octets", ErrMalformed, len(challenge))
	}
	sender, receiver := from.Digest(), to.Digest()
	return binary.BigEndian.AppendUint64(slices.Concat(sender[:], receiver[:], challenge), number), nil
}

// info returns the info of HPKE (RFC 9180, section 5.1).
func info(transcript []byte) []byte { return slices.Concat([]byte(purpose), []byte{0}, transcript) }

// session is the cipher of one session, with a nonce for each number.
type session struct {
	number uint64
	aead   cipher.AEAD
	nonce  [12]byte
	base   uint64 // what the last octets of the nonce are for number 0

	exchange bool // see Exchange
}

const secretSize = 32 + len(session{}.nonce)

// derive makes the session of a number from what HPKE has agreed on.
func derive(number uint64, export func(context string, octets int) ([]byte, error)) session {
	secret, _ := export("session", secretSize) // only more than 65535 octets are too many
	defer clear(secret)
	block, _ := aes.NewCipher(secret[:32]) // only keys of other sizes are wrong
	aead, _ := cipher.NewGCM(block)        // and other blocks
	s := session{number: number, aead: aead, nonce: [12]byte(secret[32:])}
	s.base = binary.BigEndian.Uint64(s.nonce[4:])
	return s
}

// at returns the nonce of a message, until the next call.
func (s *session) at(number uint64) []byte {
	binary.BigEndian.PutUint64(s.nonce[4:], s.base^number)
	return s.nonce[:]
}

// Sender is the sending end of a session.
type Sender struct {
	session
	next   uint64 // number of the next message
	octets uint64 // that were sealed
}

// Open returns a session to the node whose card is to, and the OPEN that begins it
// there. Card is the one of own that the receiver knows, challenge what the receiver
// chose for own: 16 to 64 octets. Number is higher than that of any earlier session
// under the challenge. The error is ErrKey if the sealing key of to is not known.
func Open(own *identity.Identity, card, to *identity.Card, challenge []byte, number uint64) (*Sender, []byte, error) {
	agreed, err := transcript(card, to, challenge, number)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session: %w", err)
	}
	public := to.Sealing.Key()
	if public == nil {
		return nil, nil, fmt.Errorf("open a session: %w", ErrKey)
	}
	key, err := hpke.MLKEM768X25519().NewPublicKey(public)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session: %w", err)
	}
	encapsulation, exporter, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.ExportOnly(), info(agreed))
	if err != nil {
		return nil, nil, fmt.Errorf("open a session: %w", err)
	}
	m := onceseal.Open{
		Number: number, Card: to.Short(), Encapsulation: encapsulation,
		Proof: own.Sign(purpose, func(b []byte) []byte { return append(append(b, agreed...), encapsulation...) }),
	}
	open, err := m.AppendTo(nil)
	return &Sender{session: derive(number, exporter.Export)}, open, err
}

// Spent tells whether the session has carried [MaxMessages] or [MaxOctets].
func (s *Sender) Spent() bool { return s.next >= MaxMessages || s.octets >= MaxOctets }

// Size returns how many octets content takes when a [Sender] or a [GroupSender] has
// sealed it.
func Size(content [][]byte) int { return headSize + sizeContent(content) + tag }

// SizeKey is Size for a KEY.
func SizeKey(key *onceseal.Key) int { return headSize + key.Size() + tag }

// Append appends a SEALED with content, of exactly [Size], to b. Content is of 1 to
// 65536 frames, and below 2^30 - 2^19 octets, which the caller has checked. It does
// not allocate if b has room.
func (s *Sender) Append(b []byte, content [][]byte) []byte {
	return s.append(b, onceseal.IDContent, content)
}

// AppendExchange is Append for a SEALED with an EXCHANGE.
func (s *Sender) AppendExchange(b []byte, content [][]byte) []byte {
	return s.append(b, onceseal.IDExchange, content)
}

func (s *Sender) append(b []byte, as onceseal.ID, content [][]byte) []byte {
	size := sizeContent(content)
	return s.seal(appendFrames(s.head(b, size), as, content), size)
}

// AppendKey appends a SEALED with the key of a [GroupSender], of exactly [SizeKey],
// to b.
func (s *Sender) AppendKey(b []byte, key *onceseal.Key) []byte {
	b, err := key.AppendTo(s.head(b, key.Size()))
	if err != nil {
		panic(err) // no GroupSender has such a key
	}
	return s.seal(b, key.Size())
}

// SizeProof is how many octets [Sender.AppendProof] appends.
const SizeProof = headSize + proofSize + tag

// AppendProof appends a SEALED with a PROOF of what a [GroupSender] has sealed, of
// exactly [SizeProof], to b. It does not allocate if b has room.
func (s *Sender) AppendProof(b, digest []byte) []byte {
	return s.seal(appendProof(s.head(b, proofSize), digest), proofSize)
}

// Open opens in place, for who has sealed it, a SEALED with content, and returns frames with
// those of its content appended, which alias frame. One of another session is ErrKey.
func (s *Sender) Open(frame []byte, frames [][]byte) ([][]byte, error) {
	plain, err := s.unseal(frame, nil)
	if err != nil {
		return frames, err
	}
	return s.split(plain, frames)
}

// head makes room, and appends what comes before size octets that are then sealed.
func (s *Sender) head(b []byte, size int) []byte {
	return appendHead(slices.Grow(b, headSize+size+tag), onceseal.IDSealed, s.number, s.next, size)
}

// seal seals the last size octets of b in place.
func (s *Sender) seal(b []byte, size int) []byte {
	from := len(b) - size
	b = s.aead.Seal(b[:from], s.at(s.next), b[from:], b[from-headSize:from])
	s.next++
	s.octets += uint64(size)
	return b
}

// Receiver is the receiving end of a session.
type Receiver struct {
	session
	came window
}

// Accept returns the session that an OPEN begins, and its number. From is the card
// that the sender has shown, challenge what own chose for it, last the number of the
// latest session under that, or 0. Errors are ErrMalformed, ErrReplay, ErrKey and
// ErrForged; what a check costs settles its turn.
func Accept(own *identity.Identity, from *identity.Card, challenge []byte, last uint64, open []byte) (*Receiver, uint64, error) {
	var m onceseal.Open
	if err := m.Decode(open, nil); err != nil {
		return nil, 0, fmt.Errorf("accept a session: %w: %w", ErrMalformed, err)
	}
	if m.Number <= last {
		return nil, 0, fmt.Errorf("accept session %d after %d: %w", m.Number, last, ErrReplay)
	}
	key, card := own.SealingKey(m.Card)
	if key == nil {
		return nil, 0, fmt.Errorf("accept session %d: %w", m.Number, ErrKey)
	}
	r, err := accept(key, card, from, challenge, &m)
	if err != nil {
		return nil, 0, fmt.Errorf("accept session %d: %w", m.Number, err)
	}
	return r, m.Number, nil
}

// accept is Accept for the sealing key and the card that the OPEN names.
func accept(key hpke.PrivateKey, own, from *identity.Card, challenge []byte, m *onceseal.Open) (*Receiver, error) {
	agreed, err := transcript(from, own, challenge, m.Number)
	if err != nil {
		return nil, err
	}
	if !from.Verify(purpose, func(b []byte) []byte { return append(append(b, agreed...), m.Encapsulation...) }, m.Proof) {
		return nil, ErrForged
	}
	exporter, err := hpke.NewRecipient(m.Encapsulation, key, hpke.HKDFSHA256(), hpke.ExportOnly(), info(agreed))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	return &Receiver{session: derive(m.Number, exporter.Export)}, nil
}

// Open opens a SEALED in place, and returns frames with those of its content
// appended, which alias frame; or the KEY that it holds. A frame of another session
// is ErrKey, and stays as it was; one that is ErrForged is overwritten. What is
// refused changes nothing, but for what was sealed properly and is ErrMalformed
// inside: its number is used.
func (r *Receiver) Open(frame []byte, frames [][]byte) ([][]byte, *onceseal.Key, error) {
	plain, err := r.unseal(frame)
	if err != nil {
		return frames, nil, err
	}
	if id, err := onceseal.Peek(plain); err != nil || id != onceseal.IDKey {
		frames, err = r.split(plain, frames)
		return frames, nil, err
	}
	defer clear(plain)
	key := new(onceseal.Key)
	if err := key.Decode(plain, nil); err != nil {
		return frames, nil, fmt.Errorf("open a key: %w: %w", ErrMalformed, err)
	}
	return frames, key, nil
}

// proved opens a SEALED in place, and returns an error unless it holds a PROOF with a
// digest.
func (r *Receiver) proved(frame, digest []byte) error {
	plain, err := r.unseal(frame)
	if err != nil {
		return err
	}
	var m onceseal.Proof
	if err := m.Decode(plain, nil); err != nil {
		return fmt.Errorf("open a proof: %w: %w", ErrMalformed, err)
	}
	if !bytes.Equal(m.Digest, digest) {
		return fmt.Errorf("open a proof: %w: it is of something else", ErrForged)
	}
	return nil
}

// unseal opens a SEALED in place that has not come before, and returns what is in it.
func (r *Receiver) unseal(frame []byte) ([]byte, error) { return r.session.unseal(frame, &r.came) }

// unseal opens a SEALED in place, and returns what is in it. If came is not nil, its number
// must be a new one there.
func (s *session) unseal(frame []byte, came *window) ([]byte, error) {
	var m onceseal.Sealed
	if err := m.Decode(frame, nil); err != nil {
		return nil, fmt.Errorf("open a message: %w: %w", ErrMalformed, err)
	}
	if m.Session != s.number {
		return nil, fmt.Errorf("open a message of session %d in %d: %w", m.Session, s.number, ErrKey)
	}
	if came != nil && !came.fresh(m.Number) {
		return nil, fmt.Errorf("open message %d: %w", m.Number, ErrReplay)
	}
	plain, err := s.aead.Open(m.Sealed[:0], s.at(m.Number), m.Sealed, frame[:headSize])
	if err != nil {
		return nil, fmt.Errorf("open message %d: %w", m.Number, ErrForged)
	}
	if came != nil {
		came.take(m.Number)
	}
	return plain, nil
}

// split appends the frames of a CONTENT or an EXCHANGE, and notes which of them it is.
func (s *session) split(plain []byte, frames [][]byte) ([][]byte, error) {
	id, err := onceseal.Peek(plain)
	if s.exchange = err == nil && id == onceseal.IDExchange; s.exchange {
		return splitExchange(plain, frames)
	}
	return splitContent(plain, frames)
}

// Exchange tells whether the content that was opened last is a message of once_ask, and not
// what the application has said.
func (s *session) Exchange() bool { return s.exchange }

// window knows which of the last 64 numbers came, and that none before did.
type window struct {
	top  uint64 // the highest that came
	seen uint64 // bit i is for top - i
}

func (w *window) fresh(number uint64) bool {
	return number > w.top || w.top-number < 64 && w.seen>>(w.top-number)&1 == 0
}

func (w *window) take(number uint64) {
	if number > w.top {
		w.seen <<= number - w.top
		w.top = number
	}
	w.seen |= 1 << (w.top - number)
}
