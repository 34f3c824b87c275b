package seal

import (
	"crypto/hpke"
	"fmt"
	"slices"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/identity"
)

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
	s, err := derive(number, exporter.Export)
	if err != nil {
		return nil, nil, fmt.Errorf("open a session: %w", err)
	}
	m := onceseal.Open{
		Number: number, Card: to.Short(), Encapsulation: encapsulation,
		Proof: own.Sign(purpose, func(b []byte) []byte { return append(append(b, agreed...), encapsulation...) }),
	}
	open, err := m.AppendTo(nil)
	return &Sender{session: s}, open, err
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
	size := sizeContent(content)
	return s.seal(appendContent(s.head(b, size), content), size)
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
