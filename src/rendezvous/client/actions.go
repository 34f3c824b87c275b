package client

import (
	"context"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// The actions of the machine of a session.

func (s *session) SendAuthenticate() {
	card := s.Identity.Card()
	m := &oncemsg.Authenticate{
		Speaks: oncemsg.Version, Part: s.keys.Part, Card: card.Octets(),
		Proof: s.Identity.Sign(rendezvous.NodePurpose, rendezvous.NodeWords(s.keys.Server, s.challenge.Challenge, s.keys.Number)),
	}
	if s.keys.Members != nil {
		m.Members, m.Token = s.keys.Members, s.Identity.Token().Bare()
	}
	s.ask(m)
}

// Enter notes what the server says of the connection.
func (s *session) Enter() {
	m := s.message.(*oncemsg.OK)
	s.observed, s.relays, s.trip = m.Observed, m.Relays == 1, time.Since(s.sent)
	if s.Observed != nil {
		s.Observed(s.link.LocalAddr(), m.Observed)
	}
	if roll := s.Identity.Roll(); roll != nil && s.keys.Members != nil && roll.Number > m.Rolls && s.state != machine.StateAuthenticating {
		s.send(s.next(), &oncemsg.Roll{Roll: roll.Bare()})
	}
}

// SendPublish says the same as before if that still holds, so that nobody is told again.
func (s *session) SendPublish() {
	card := s.Identity.Card()
	if err := s.published.say(s.Describe(), s.Identity, card, s.keys, s.now()); err != nil {
		s.fail(fmt.Errorf("cannot publish the node: %w", err))
		return
	}
	s.told = card
	s.ask(&oncemsg.Publish{Card: card.Octets(), Record: s.published.record, Sealed: s.published.sealed, Key: card.Sealing.Key()})
}

// Found notes that others are told of the node, and has the server tell of them.
func (s *session) Found() {
	s.Enter()
	s.standing.stand()
	if s.at == &s.Address {
		s.standing.elsewhere = nil
	}
	s.known.forget(time.Now())
	s.watch()
}

// watch has the server tell of those who have the watched groups, or of all.
func (s *session) watch() {
	if s.keys.Lobby() {
		return
	}
	tags := []rendezvous.Tag{s.keys.Whole()}
	if s.Watched != nil {
		tags = nil
		for _, group := range s.Watched() {
			tags = append(tags, s.keys.Group(group))
		}
	}
	octets := rendezvous.AppendTags(nil, tags)
	octets = octets[:min(len(octets), oncemsg.MaxWatchTags)]
	if string(octets) == s.watched {
		return
	}
	cursor := s.known.since(string(octets), s.keys.Number)
	s.watched, s.watching, s.large = string(octets), s.next(), false
	s.send(s.watching, &oncemsg.Watch{Tags: octets, Cursor: cursor})
}

func (s *session) PutOff() { s.putOff = true }

func (s *session) SendRenew() {
	if s.published.old(s.now()) {
		s.SendPublish()
		return
	}
	m := new(oncemsg.Renew)
	if card := s.Identity.Card(); card != s.told {
		s.told, m.Card, m.Key = card, card.Octets(), card.Sealing.Key()
	}
	s.ask(m)
}

// Settle gives an answer to who waits for it.
func (s *session) Settle() { s.settle(s.number, s.message) }

func (s *session) SendStop() {
	s.send(0, &oncemsg.Stop{Text: "goodbye"})
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.Linger)
		defer cancel()
		_ = s.link.Shutdown(ctx) // a server that does not read is not waited for
	})
}

func (s *session) NoteRefusal() {
	err := refused(s.message.(*oncemsg.Nope))
	if s.fault, s.standing.retry = err, err.Retry; err.Retry == 0 {
		s.standing.retry = maxBackoff / 2
	}
	if err.Reason == serving.ReasonStale {
		*s.published, s.standing.retry = published{}, 0 // say it anew
	}
}

func (s *session) NoteStop() {
	m := s.message.(*oncemsg.Stop)
	s.standing.retry = time.Duration(m.Retry) * time.Millisecond
	s.fault = fmt.Errorf("the server says %q", m.Text)
	if s.at != &s.Address || m.Elsewhere == "" {
		return
	}
	to, err := rendezvous.ParseAddress(m.Elsewhere)
	if err != nil || to.Key == s.Address.Key {
		s.Count("servers that send elsewhere, and not where one could go")
		return
	}
	to.Secret = s.Address.Secret // which neither server knows
	s.standing.elsewhere = &to
}

// TakeDelta takes what the server tells of others.
func (s *session) TakeDelta() {
	m := s.message.(*oncemsg.Delta)
	if s.number != s.watching {
		return // it is about what was watched before
	}
	if m.Anew == 1 {
		s.known.begin()
	}
	for _, p := range s.entries {
		fresh, replayed := s.known.take(p)
		if replayed {
			s.Count("records that a server replays")
		}
		switch {
		case !fresh:
		case p.ID != s.Identity.UUID():
			s.sights = append(s.sights, p.sightings(s.observed)...)
		case p.Record.Incarnation > s.published.incarnation:
			s.sights = append(s.sights, twinAt(p.ID, p.Seen, s.observed))
			s.work.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), machine.DefaultAnswer)
				defer cancel()
				s.twins.tell(ctx, s.at)
			})
		}
	}
	s.known.reached(m.Cursor, m.More == 1)
}

// TellTwin has a twin that has started later be told.
func (s *session) TellTwin() {
	own, tell := s.published.incarnation, time.Since(s.twins.outshone) > untold
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), machine.DefaultAnswer)
		defer cancel()
		twin := s.twins.find(ctx, s.at, own, tell)
		var at []sight.Sighting
		s.mu.Lock()
		if twin != nil {
			s.twins.outshone = time.Now()
			at = []sight.Sighting{twinAt(twin.ID, twin.Seen, s.observed)}
		}
		s.fire(machine.EventTold)
		s.mu.Unlock()
		if twin != nil {
			s.see(at)
		}
	})
}

// Meet answers somebody who would meet.
func (s *session) Meet() {
	asks, number := s.message.(*oncemsg.Introduction), s.number
	m, card, err := s.keys.OpenMeeting(s.Identity, asks.Peer, asks.Meeting)
	switch {
	case err != nil || m.Answers != 0 || s.now().Sub(time.UnixMilli(int64(min(m.Time, 1<<50)))).Abs() > window:
		s.Count("introductions that are not right")
	case !s.nonces.fresh([16]byte(m.Nonce), time.Now()):
		s.Count("introductions that came before, or too fast")
	case card.ID == s.Identity.UUID():
		s.sights = append(s.sights, twinAt(card.ID, asks.Seen, s.observed))
	case s.Met != nil && s.Willing != nil && s.Willing(Proposal{card.ID, card, s.keys.Lobby()}):
		sealed, err := s.meeting(m.Nonce, 1, card)
		if err != nil {
			s.Log.Warn("cannot answer an introduction", "error", err)
			break
		}
		s.send(number, &oncemsg.Answer{Meeting: sealed})
		with := met(m, Proposal{card.ID, card, s.keys.Lobby()}, asks.Seen, s.observed)
		s.work.Go(func() { s.Met(with) })
		return
	}
	s.send(number, &oncemsg.Nope{Code: uint8(serving.ReasonUnwilling), Text: "not now"})
}

// TakeTicket takes that somebody has asked for a circuit to the node.
func (s *session) TakeTicket() {
	m := s.message.(*oncemsg.Ticket)
	if s.Lent == nil {
		s.Count("circuits that nobody takes")
		return
	}
	lent := &Circuit{m.Peer, m.Passed, m.Ahead, m.Ticket, s.dial}
	s.work.Go(func() { s.Lent(lent) })
}
