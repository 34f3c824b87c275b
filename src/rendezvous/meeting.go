package rendezvous

import (
	"crypto/ecdh"
	"crypto/hpke"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
)

const meetingPurpose = "once meeting 1"

// SealMeeting signs a meeting with an identity, and seals it for the card of a receiver.
func (k *Keys) SealMeeting(own *identity.Identity, to *identity.Card, m oncerecord.Meeting) ([]byte, error) {
	card := own.Card()
	m.Card = card.Octets()
	plain, err := own.Prove(meetingPurpose, slices.Concat(k.Server, to.ID[:]), &m, &m.Proof)
	if err != nil {
		return nil, err
	}
	public, err := ecdh.X25519().NewPublicKey(to.Transport[:])
	if err != nil {
		return nil, err
	}
	key, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		return nil, err
	}
	return hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), k.meeting(card.ID, to.ID), plain)
}

func (k *Keys) meeting(from, to uuid.UUID) []byte {
	return slices.Concat([]byte(meetingPurpose+"\x00"), k.Server, from[:], to[:])
}

// OpenMeeting returns what somebody has sealed for an identity, and its card, which is right
// but may have expired by our clock. Whether the time and the nonce are right is for the
// caller to see to.
func (k *Keys) OpenMeeting(own *identity.Identity, from uuid.UUID, sealed []byte) (*oncerecord.Meeting, *identity.Card, error) {
	key, err := hpke.NewDHKEMPrivateKey(own.Transport())
	if err != nil {
		return nil, nil, err
	}
	to := own.UUID()
	plain, err := hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), k.meeting(from, to), sealed)
	if err != nil {
		return nil, nil, ErrSealed
	}
	m := new(oncerecord.Meeting)
	if err := m.Decode(plain, nil); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	card, err := identity.ParseCard(m.Card, from, identity.Anytime)
	if err != nil {
		return nil, nil, err
	}
	if !card.HasProved(meetingPurpose, slices.Concat(k.Server, to[:]), plain) {
		return nil, nil, ErrForged
	}
	return m, card, nil
}
