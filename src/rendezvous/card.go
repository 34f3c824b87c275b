package rendezvous

import (
	"fmt"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/identity"
)

// CardOf returns the card that octets hold, whoever's it is, if it is right at some time.
func CardOf(octets []byte) (*identity.Card, error) {
	var m oncecard.Card
	if err := m.Decode(octets, nil); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return identity.ParseCard(octets, identity.IDOf(m.Identity), identity.Anytime)
}
