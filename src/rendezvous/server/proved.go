package server

import (
	"bytes"
	"crypto/ed25519"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// peerKey names a node in a network.
type peerKey struct {
	network rendezvous.Number
	id      uuid.UUID
}

// proved is who a node has proved to be, and in which network. Zero is nobody.
type proved struct {
	peerKey
	token   *identity.Token // nil if the network is an open one
	members ed25519.PublicKey
	lobby   bool
	card    *identity.Card // by which it has proved that; nil once it was asked for again
}

// prove returns who a node has proved to be to a server, over a connection by a key.
func prove(server ed25519.PublicKey, challenge []byte, key [32]byte, m *oncemsg.Authenticate) (who proved, why *refusal) {
	if m.Speaks != oncemsg.Version {
		return who, refuse(machine.ReasonVersion, "this server speaks version %d", oncemsg.Version)
	}
	if len(m.Part)%32 != 0 || len(m.Members)%32 != 0 || len(m.Part) == 0 && len(m.Members) > 0 {
		return who, refuse(machine.ReasonMalformed, "part and members are of 32 octets, or empty")
	}
	card, err := rendezvous.CardOf(m.Card)
	if err != nil {
		return who, refuse(machine.ReasonForged, "%v", err)
	}
	network := rendezvous.NumberOf(server, m.Part, m.Members)
	if card.Transport != key || !card.Verify(rendezvous.NodePurpose, rendezvous.NodeWords(server, challenge, network), m.Proof) {
		return who, refuse(machine.ReasonForged, "the proof is not by the card's identity, or the connection is not by its key")
	}
	who = proved{peerKey{network, card.ID}, nil, bytes.Clone(m.Members), len(m.Part) == 0, card}
	if len(m.Members) > 0 {
		who.token, why = memberOf(m.Token, who.members, card.ID, time.Now())
	}
	return who, why
}

// memberOf returns the token that octets hold, if it makes an id a member of a network.
func memberOf(octets []byte, network ed25519.PublicKey, id uuid.UUID, now time.Time) (*identity.Token, *refusal) {
	token, err := identity.ParseShownToken(octets, now)
	switch {
	case err != nil:
		return nil, refuse(machine.ReasonStranger, "%v", err)
	case token.Member != id || !token.Network.Equal(network):
		return nil, refuse(machine.ReasonStranger, "the token is another's, or of another network")
	}
	return token, nil
}

// published is what a node has said, and was found to be right.
type published struct {
	card           *identity.Card
	record         *rendezvous.Record
	octets, sealed []byte // of the record, and its inside
	key            []byte // for sealing
}

// check returns what a node publishes, if it is right. Only the goroutine that reads calls it.
func (w *proved) check(m *oncemsg.Publish, transport [32]byte) (*published, *refusal) {
	card, why := w.ownCard(m.Card, m.Key, transport)
	if why != nil {
		return nil, why
	}
	record, err := rendezvous.ParseRecord(m.Record, m.Sealed, card, w.network, time.Now())
	switch {
	case err != nil:
		return nil, refuse(machine.ReasonStale, "record: %v", err)
	case w.lobby && (len(record.Tags) > 0 || len(m.Sealed) > 0):
		return nil, refuse(machine.ReasonMalformed, "in the lobby a record has no tags and no inside")
	}
	return &published{card, record, m.Record, m.Sealed, m.Key}, nil
}

// ownCard returns the card that octets hold, if it is the node's, names the key that its
// connection is by, and key is the sealing key that it names, or nothing. Only the goroutine
// that reads calls it.
func (w *proved) ownCard(octets, key []byte, transport [32]byte) (*identity.Card, *refusal) {
	var err error
	card := w.card
	if w.card = nil; card == nil || !bytes.Equal(card.Octets(), octets) {
		card, err = identity.ParseCard(octets, w.id, identity.Anytime)
	}
	if err == nil && card.Transport != transport {
		err = identity.ErrKey
	}
	if err == nil && len(key) > 0 {
		err = card.Sealing.Take(key)
	}
	if err != nil {
		return nil, refuse(machine.ReasonForged, "%v", err)
	}
	return card, nil
}
