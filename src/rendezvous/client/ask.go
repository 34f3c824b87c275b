package client

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
)

// call asks the server for something, and returns its answer. A server that owes one and
// gives none is lost.
func (c *Client) call(ctx context.Context, m oncemsg.Message) (*session, oncemsg.Message, error) {
	c.mu.Lock()
	s := c.stay.session
	if s == nil || !s.state.IsConversing() {
		defer c.mu.Unlock()
		return nil, nil, fmt.Errorf("%w: %s", ErrAway, cmp.Or(c.stay.standing.trouble, "it has just begun"))
	}
	number, answer := s.call(m)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(s.calls, number)
		c.mu.Unlock()
	}()
	got, err := s.await(ctx, answer, owed(m))
	return s, got, err
}

// owed tells whether a server answers something by itself.
func owed(m oncemsg.Message) bool {
	switch m.(type) {
	case *oncemsg.Introduce, *oncemsg.DialBack: // which wait for others
		return false
	}
	return true
}

// Doubt has the server be asked for something, so that a conversation ends that it is not in
// any more.
func (c *Client) Doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stay.session
	if s == nil || s.doubted {
		return
	}
	s.doubted = true
	own := c.Identity.UUID()
	s.work.Go(func() {
		_, _, err := c.call(context.Background(), &oncemsg.GetEndpoints{Ids: own[:]}) // which ends by itself
		c.Log.Debug("a server was asked for a sign of life", "server", s.at, "error", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		s.doubted = false
	})
}

// DialBack has the server connect to a port at the address that it sees the node at, and
// returns where it has reached the node.
func (c *Client) DialBack(ctx context.Context, port uint16) (string, error) {
	_, m, err := c.call(ctx, &oncemsg.DialBack{Port: port})
	if err != nil {
		return "", err
	}
	if m, ok := m.(*oncemsg.Dialled); !ok {
		return "", ErrUnknown
	} else if m.Reached == 0 {
		return "", fmt.Errorf("the server does not reach %s: %s", m.Observed, m.Text)
	} else {
		return m.Observed, nil
	}
}

// FetchKey has a peer's card have the sealing key that it names, as the server has it.
func (c *Client) FetchKey(ctx context.Context, card *identity.Card) error {
	_, m, err := c.call(ctx, &oncemsg.GetKey{Peer: card.ID})
	if m, ok := m.(*oncemsg.Key); ok {
		return card.Sealing.Take(m.Key)
	}
	return cmp.Or(err, ErrUnknown)
}

// Peer returns what the server has told of a peer, nil if it does not tell of it.
func (c *Client) Peer(peer uuid.UUID) *Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known.peers[peer]
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
	s := c.stay.session
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

// Introduce asks a peer to meet, and returns how. The peer has proved who it is.
func (c *Client) Introduce(ctx context.Context, peer uuid.UUID) (*Meeting, error) {
	p, err := c.Look(ctx, peer)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	s := c.stay.session
	if s == nil || s.keys == nil {
		c.mu.Unlock()
		return nil, ErrAway
	}
	nonce := draw(oncerecord.MaxMeetingNonce)
	sealed, err := s.meeting(nonce, 0, p.Card)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s, m, err := c.call(ctx, &oncemsg.Introduce{Peer: peer, Meeting: sealed})
	if err != nil {
		return nil, err
	}
	answer, ok := m.(*oncemsg.Answered)
	if !ok {
		return nil, ErrUnknown
	}
	heard, card, err := s.keys.OpenMeeting(c.Identity, peer, answer.Meeting)
	if err != nil || heard.Answers != 1 || string(heard.Nonce) != string(nonce) {
		c.Count("answers of peers that are not theirs")
		return nil, ErrUnproved
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return met(heard, Proposal{card.ID, card, s.keys.Lobby()}, answer.Seen, s.observed), nil
}

// Circuit asks for a circuit to a peer, which gets what is sent ahead. Passed are the relays
// on the way so far.
func (c *Client) Circuit(ctx context.Context, peer uuid.UUID, passed, ahead []byte) (*Circuit, error) {
	s, m, err := c.call(ctx, &oncemsg.Circuit{Peer: peer, Passed: passed, Ahead: ahead})
	if err != nil {
		return nil, err
	}
	t, ok := m.(*oncemsg.Ticket)
	if !ok || t.Peer != peer {
		return nil, ErrUnknown
	}
	return &Circuit{t.Peer, t.Passed, nil, t.Ticket, s.dial}, nil
}
