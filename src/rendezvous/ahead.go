package rendezvous

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/seal"
)

// Ahead is what a node says to another before there is a link between them; see
// api/protocol/once_record.xml. It does not change.
type Ahead struct {
	From      *identity.Card // which is right, but may have expired by our clock
	Challenge []byte         // in the receiver's record, that it answers
	Nonce     []byte         // which the sender would have shown in the handshake
	Said      []byte         // frames of ZMTP
}

// SealAhead signs what is said with an identity, and seals it for the card of a receiver, whose
// sealing key is known. Number is higher than in all before.
func SealAhead(own *identity.Identity, to *identity.Card, challenge []byte, number uint64, nonce, said []byte) ([]byte, error) {
	card, content := own.Card(), [][]byte{nonce, said}
	session, open, err := seal.Open(own, card, to, challenge, number)
	if err != nil {
		return nil, err
	}
	m := oncerecord.Ahead{Card: card.Octets(), Open: open, Sealed: session.Append(nil, content)}
	return m.AppendTo(nil)
}

// OpenAhead returns what somebody has sealed for an identity in answer to a challenge, and its
// number, which is higher than last. It changes the octets.
func OpenAhead(own *identity.Identity, from uuid.UUID, challenge []byte, last uint64, octets []byte) (*Ahead, uint64, error) {
	var m oncerecord.Ahead
	if err := m.Decode(octets, nil); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	card, err := identity.ParseCard(m.Card, from, identity.Anytime)
	if err != nil {
		return nil, 0, err
	}
	session, number, err := seal.Accept(own, card, challenge, last, m.Open)
	if err != nil {
		return nil, 0, err
	}
	content, _, err := session.Open(m.Sealed, nil)
	if err == nil && (len(content) != 2 || session.Exchange()) {
		err = ErrMalformed
	}
	if err != nil {
		return nil, 0, err
	}
	return &Ahead{From: card, Challenge: challenge, Nonce: content[0], Said: content[1]}, number, nil
}
