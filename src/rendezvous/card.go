package rendezvous

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/identity"
)

// IDIn returns the id that a card would be of, if it is right.
func IDIn(card []byte) (uuid.UUID, error) {
	var m oncecard.Card
	if err := m.Decode(card, nil); err != nil {
		return uuid.UUID{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return identity.IDOf(m.Identity), nil
}

// CardOf returns the card that octets hold, whoever's it is, if it is right at some time.
func CardOf(octets []byte) (*identity.Card, error) {
	id, err := IDIn(octets)
	if err != nil {
		return nil, err
	}
	return identity.ParseCard(octets, id, identity.Anytime)
}
