package client

import (
	"context"
	"net"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
)

// window is how far the time of a meeting may be from the server's.
const window = 2 * time.Minute

// maxNonces is how many meetings are remembered: who asks when there are more is refused.
const maxNonces = 4096

// fresh tells whether a nonce has not come before.
func (n nonces) fresh(nonce [16]byte, now time.Time) bool {
	if _, seen := n[nonce]; seen {
		return false
	}
	if len(n) >= maxNonces {
		for old, until := range n {
			if now.After(until) {
				delete(n, old)
			}
		}
	}
	if len(n) >= maxNonces {
		return false
	}
	n[nonce] = now.Add(2 * window)
	return true
}

// Introduce asks a peer to meet, and returns how. The peer has proved who it is.
func (c *Client) Introduce(ctx context.Context, peer uuid.UUID) (*Meeting, error) {
	p, err := c.Look(ctx, peer)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	s := c.session
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
	return s.met(heard, card, answer.Seen, 0), nil
}

// meeting returns a MEETING for a card. The caller holds the lock.
func (s *session) meeting(nonce []byte, answers uint8, to *identity.Card) ([]byte, error) {
	return s.keys.SealMeeting(s.Identity, to, oncerecord.Meeting{
		Nonce: nonce, Time: uint64(s.now().UnixMilli()), Answers: answers, Trip: uint32(min(s.trip, time.Minute) / time.Microsecond),
		Candidates: candidates(s.Describe().Candidates),
	})
}

// met returns what there is to know of a meeting; both dial after so much of the way from
// one to the other.
func (s *session) met(m *oncerecord.Meeting, card *identity.Card, seen []string, after int) *Meeting {
	s.mu.Lock()
	defer s.mu.Unlock()
	trip := s.trip + min(time.Duration(m.Trip)*time.Microsecond, time.Minute)
	return &Meeting{
		Proposal: Proposal{card.ID, card, s.keys.Lobby()}, Dial: Dialable(m.Candidates, seen, s.observed, card.Transport),
		Seen: seen, Observed: s.observed, Trip: trip, At: time.Now().Add(trip * time.Duration(after) / 2),
	}
}

// Meet is an action of the machine: somebody would meet.
func (s *session) Meet() {
	asks, number := s.message.(*oncemsg.Introduction), s.number
	m, card, err := s.keys.OpenMeeting(s.Identity, asks.Peer, asks.Meeting)
	switch {
	case err != nil || m.Answers != 0 || s.now().Sub(time.UnixMilli(int64(min(m.Time, 1<<50)))).Abs() > window:
		s.Count("introductions that are not right")
	case !s.nonces.fresh([16]byte(m.Nonce), time.Now()):
		s.Count("introductions that came before, or too fast")
	case card.ID == s.Identity.UUID():
		s.twin(asks.Seen)
	case s.Met != nil && s.Willing != nil && s.Willing(Proposal{card.ID, card, s.keys.Lobby()}):
		sealed, err := s.meeting(m.Nonce, 1, card)
		if err != nil {
			s.Log.Warn("cannot answer an introduction", "error", err)
			break
		}
		s.send(number, &oncemsg.Answer{Meeting: sealed})
		seen := asks.Seen
		s.work.Go(func() { s.Met(s.met(m, card, seen, 1)) })
		return
	}
	s.send(number, &oncemsg.Nope{Code: uint8(serving.ReasonUnwilling), Text: "not now"})
}

// Dial returns the connection, at whose other end the peer will be: it is nobody's until
// that has proved who it is.
func (c *Circuit) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(c.ticket); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
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

// TakeTicket is an action of the machine: somebody has asked for a circuit to the node.
func (s *session) TakeTicket() {
	m := s.message.(*oncemsg.Ticket)
	if s.Lent == nil {
		s.Count("circuits that nobody takes")
		return
	}
	lent := &Circuit{m.Peer, m.Passed, m.Ahead, m.Ticket, s.dial}
	s.work.Go(func() { s.Lent(lent) })
}
