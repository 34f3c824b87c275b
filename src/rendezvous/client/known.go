package client

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

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

// What is remembered of peers at most.
const (
	maxKnown = 65536 // of what was ever told, until it expires
	maxNow   = oncemsg.MaxWatchersTag + oncemsg.MaxWatchTags
	grace    = oncemsg.MaxLease * time.Millisecond // until who is not told of any more is gone
)

// right returns those of entries that are right. What is not is counted.
func (s *session) right(entries [][]byte) (list []*Peer) {
	for _, octets := range entries {
		p, err := s.peerOf(octets)
		if err != nil {
			s.Count("what a server tells of peers that is not right")
			s.Log.Debug("a server tells what is not right", "server", s.at, "error", err)
			continue
		}
		list = append(list, p)
	}
	return list
}

// peerOf returns the node that an ENTRY or a GONE tells of.
func (s *session) peerOf(octets []byte) (*Peer, error) {
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
	s.mu.Lock()
	now, old := s.now(), s.known.peers[id]
	s.mu.Unlock()
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
	if p.Record, err = rendezvous.ParseRecord(entry.Record, entry.Sealed, card, s.keys.Number, now); err != nil || s.keys.Lobby() {
		return p, err
	}
	if p.Inside, err = s.keys.Open(p.Record, entry.Sealed); err != nil || s.keys.Members == nil {
		return p, err
	}
	if p.Token, err = identity.ParseToken(p.Inside.Token, now); err == nil && (p.Token.Member != p.ID || !p.Token.Network.Equal(s.keys.Members)) {
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

// take takes what a server tells of a node, and whether that is new. What is older than what
// was told before is a replay.
func (k *known) take(p *Peer) (fresh, replayed bool) {
	if k.anew != nil {
		k.anew[p.ID] = true
	}
	if p.gone {
		delete(k.peers, p.ID)
		delete(k.missing, p.ID)
		return false, false
	}
	old, now := k.highest[p.ID], k.peers[p.ID]
	if old != nil && old.Newer(p.Record) {
		return false, true
	}
	if now != nil && now.Record.Incarnation == p.Record.Incarnation && p.Card.NotBefore.Before(now.Card.NotBefore) {
		with := *p
		with.Card, p = now.Card, &with
	}
	if now == nil && len(k.peers) >= maxNow || old == nil && len(k.highest) >= maxKnown {
		return false, false
	}
	k.highest[p.ID], k.peers[p.ID] = p.Record, p
	delete(k.missing, p.ID)
	return now == nil || p.Record.Newer(now.Record), false
}

// TakeDelta is an action of the machine.
func (s *session) TakeDelta() {
	m, k := s.message.(*oncemsg.Delta), &s.known
	if s.number != s.watching {
		return // it is about what was watched before
	}
	if m.Anew == 1 {
		k.anew = map[uuid.UUID]bool{}
	}
	for _, p := range s.entries {
		fresh, replayed := k.take(p)
		if replayed {
			s.Count("records that a server replays")
		}
		switch {
		case !fresh:
		case p.ID != s.Identity.UUID():
			s.sights = append(s.sights, p.sightings(s.observed)...)
		case p.Record.Incarnation > s.published.incarnation:
			s.twin(p.Seen)
			s.work.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), machine.DefaultAnswer)
				defer cancel()
				s.tellTwin(ctx)
			})
		}
	}
	if k.cursor = m.Cursor; m.More == 0 && k.anew != nil {
		for id := range k.peers {
			if !k.anew[id] && k.missing[id].IsZero() {
				k.missing[id] = time.Now()
			}
		}
		k.anew = nil
	}
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

// forget forgets who has been missing for a lease, and what has expired.
func (k *known) forget(now time.Time) {
	for id, since := range k.missing {
		if now.Sub(since) >= grace {
			delete(k.missing, id)
			delete(k.peers, id)
		}
	}
	for id, r := range k.highest {
		if now.After(r.Expiry.Add(rendezvous.Life)) {
			delete(k.highest, id)
			delete(k.peers, id)
		}
	}
}

// Peers returns who is known to be there, in the order of their ids.
func (c *Client) Peers() (list []*Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.known.peers {
		if p.ID != c.Identity.UUID() {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *Peer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return list
}

// Peer returns what the server has told of a peer, nil if it does not tell of it.
func (c *Client) Peer(peer uuid.UUID) *Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.peers[peer]
}

// Network returns the number of the network, and false for the lobby, or while it is not
// known who the server is.
func (c *Client) Network() (rendezvous.Number, bool) {
	pin := c.pinned(c.Address.Key)
	if pin.Identity == nil || c.Address.Secret == (rendezvous.Secret{}) {
		return rendezvous.Number{}, false
	}
	return rendezvous.KeysOf(c.Address.Secret, pin.Identity, c.network()).Number, true
}

// Look returns what the server has of a peer, which is known already or looked up.
func (c *Client) Look(ctx context.Context, peer uuid.UUID) (*Peer, error) {
	if p := c.Peer(peer); p != nil {
		return p, nil
	}
	return c.lookUp(ctx, peer)
}

// lookUp returns what the server has of a peer now.
func (c *Client) lookUp(ctx context.Context, peer uuid.UUID) (*Peer, error) {
	s, m, err := c.call(ctx, &oncemsg.GetEndpoints{Ids: peer[:]})
	if err != nil {
		return nil, err
	}
	list, ok := m.(*oncemsg.ListEndpoints)
	if !ok || len(list.Entries) == 0 {
		return nil, ErrUnknown
	}
	p, err := s.peerOf(list.Entries[0])
	if err != nil || p.gone || p.ID != peer {
		return nil, ErrUnknown
	}
	return p, nil
}

// List returns a page of those who are in a group, or in the network if it is nil, from
// where the last page has ended, and whether there are more.
func (c *Client) List(ctx context.Context, group *string, cursor uint64) (list []*Peer, next uint64, more bool, err error) {
	c.mu.Lock()
	s := c.session
	if s == nil || s.keys == nil || s.keys.Lobby() {
		c.mu.Unlock()
		return nil, 0, false, ErrAway
	}
	tag := s.keys.Whole()
	if group != nil {
		tag = s.keys.Group(*group)
	}
	c.mu.Unlock()
	s, m, err := c.call(ctx, &oncemsg.GetPeers{Tag: tag[:], Cursor: cursor})
	if err != nil {
		return nil, 0, false, err
	}
	page, ok := m.(*oncemsg.ListPeers)
	if !ok {
		return nil, 0, false, ErrUnknown
	}
	return s.right(page.Entries), page.Cursor, page.More == 1, nil
}
