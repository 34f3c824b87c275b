package client

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// Peer is a node that a server tells of. It has signed the record, and the network's SECRET
// opens it. It does not change.
type Peer struct {
	ID     uuid.UUID
	Card   *identity.Card
	Record *rendezvous.Record
	Inside *oncerecord.Inside // nil in the lobby
	Token  *identity.Token    // nil if it is in an open network
	Seen   []string           // where the server says that it has seen the node
	gone   bool               // the server says that it is not there
	octets []byte
}

// Name returns the name that the peer goes by: in a network of members that which it has there.
func (p *Peer) Name() string {
	switch {
	case p.Token != nil:
		return p.Token.Name
	case p.Inside != nil:
		return p.Inside.Name
	}
	return ""
}

// Dialable returns where the peer may be dialled: see [Dialable].
func (p *Peer) Dialable(observed string) []sight.Endpoint {
	if p.Inside == nil {
		return nil
	}
	return Dialable(p.Inside.Candidates, p.Seen, observed, p.Card.Transport)
}

// peerOf returns the node that an ENTRY or a GONE tells of. What is known of it already is not
// verified again; now is the server's time.
func peerOf(octets []byte, keys *rendezvous.Keys, known func(uuid.UUID) (old *Peer, now time.Time)) (*Peer, error) {
	var gone oncerecord.Gone
	if gone.Decode(octets, nil) == nil {
		return &Peer{ID: gone.Peer, gone: true}, nil
	}
	var entry oncerecord.Entry
	if err := entry.Decode(octets, nil); err != nil {
		return nil, err
	}
	id, err := rendezvous.IDIn(entry.Card)
	if err != nil {
		return nil, err
	}
	old, now := known(id)
	if old != nil && old.says(&entry) {
		same := *old
		same.Seen, same.octets = entry.Seen, bytes.Clone(octets)
		return &same, nil
	}
	card, err := identity.ParseCard(entry.Card, id, identity.Anytime)
	if err != nil {
		return nil, err
	}
	p := &Peer{ID: card.ID, Card: card, Seen: entry.Seen, octets: bytes.Clone(octets)}
	if p.Record, err = rendezvous.ParseRecord(entry.Record, entry.Sealed, card, keys.Number, now); err != nil || keys.Lobby() {
		return p, err
	}
	if p.Inside, err = keys.Open(p.Record, entry.Sealed); err != nil || keys.Members == nil {
		return p, err
	}
	if p.Token, err = identity.ParseToken(p.Inside.Token, now); err == nil && (p.Token.Member != p.ID || !p.Token.Network.Equal(keys.Members)) {
		err = identity.ErrMember
	}
	return p, err
}

// says tells whether an entry says what is known, but perhaps where the node was seen: then
// nothing is to be verified.
func (p *Peer) says(e *oncerecord.Entry) bool {
	var known oncerecord.Entry
	return known.Decode(p.octets, nil) == nil && bytes.Equal(known.Card, e.Card) && bytes.Equal(known.Record, e.Record) && bytes.Equal(known.Sealed, e.Sealed)
}

// sightings returns where the node may be dialled, and at least that there is one.
func (p *Peer) sightings(observed string) (list []sight.Sighting) {
	for _, e := range p.Dialable(observed) {
		list = append(list, sight.Sighting{ID: p.ID, Endpoint: e})
	}
	if list == nil {
		list = []sight.Sighting{{ID: p.ID}}
	}
	return list
}
