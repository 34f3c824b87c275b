package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"fmt"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/identity"
)

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
	if len(m.Encapsulation) != onceseal.MaxOpenEncapsulation || len(m.Proof) != ed25519.SignatureSize {
		return nil, ErrMalformed
	}
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
	s, err := derive(m.Number, exporter.Export)
	return &Receiver{session: s}, err
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
		frames, err = splitContent(plain, frames)
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

// unseal opens a SEALED in place, and returns what is in it.
func (r *Receiver) unseal(frame []byte) ([]byte, error) {
	var m onceseal.Sealed
	if err := m.Decode(frame, nil); err != nil {
		return nil, fmt.Errorf("open a message: %w: %w", ErrMalformed, err)
	}
	if m.Session != r.number {
		return nil, fmt.Errorf("open a message of session %d in %d: %w", m.Session, r.number, ErrKey)
	}
	if !r.came.fresh(m.Number) {
		return nil, fmt.Errorf("open message %d: %w", m.Number, ErrReplay)
	}
	plain, err := r.aead.Open(m.Sealed[:0], r.at(m.Number), m.Sealed, frame[:headSize])
	if err != nil {
		return nil, fmt.Errorf("open message %d: %w", m.Number, ErrForged)
	}
	r.came.take(m.Number)
	return plain, nil
}

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
