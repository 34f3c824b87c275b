package client

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/zmtp"
)

// What a server may say, and what waits to be said to it.
const (
	maxFrames = 1 + oncemsg.MaxDeltaEntries
	outbox    = 256 << 10
)

// converse speaks with the server until that ends or ctx does, and returns why.
func (c *Client) converse(ctx context.Context, conn net.Conn, at *rendezvous.Address, key [32]byte, dial func(context.Context) (net.Conn, error)) error {
	public, err := ecdh.X25519().NewPublicKey(key[:])
	if err != nil {
		_ = conn.Close()
		return err
	}
	// A server that has greeted is there, and may have the node wait for its turn.
	greeted := func() error {
		return link.Prolong(ctx, conn, oncemsg.MaxTurn*time.Millisecond+waits[machine.TimeoutAnswer])
	}
	l, err := link.Open(ctx, conn, link.Config{
		Type: zmtp.Dealer, MaxMessage: oncemsg.MaxMessage, MaxFrames: maxFrames, Outbox: outbox, Reserve: outbox,
		Handshake: waits[machine.TimeoutAnswer],
		Curve:     &zmtp.Curve{Key: c.Identity.Transport(), Server: public, Afford: greeted},
	})
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	if err != nil {
		return err
	}
	s := &session{Client: c, link: l, at: at, dial: dial, key: key, ended: make(chan struct{}), calls: map[uint32]chan oncemsg.Message{}, since: time.Now()}
	if over := l.RemoteAddr(); over.Network() == "tcp" {
		s.dial = func(ctx context.Context) (net.Conn, error) { return c.Transport.Dial(ctx, "tcp://"+over.String()) }
	}
	c.mu.Lock()
	c.session = s
	s.timer = time.AfterFunc(waits[machine.TimeoutAnswer], s.due)
	c.mu.Unlock()
	stop := context.AfterFunc(ctx, s.bow)
	err = l.Serve(s.deliver)
	stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.fire(machine.EventLost)
	s.timer.Stop()
	close(s.ended)
	c.session = nil
	if s.fault != nil {
		return s.fault
	}
	return fmt.Errorf("the conversation has ended: %w", err)
}

// bow says goodbye, within the linger time.
func (s *session) bow() {
	s.mu.Lock()
	s.fire(machine.EventLeave)
	s.mu.Unlock()
}

// due fires the time-out of the present state.
func (s *session) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := waits[s.state.Timeout()]
	if rest := wait - time.Since(s.since); wait == 0 || rest > 0 {
		if wait > 0 {
			s.timer.Reset(rest)
		}
		return
	}
	s.fire(machine.EventTimeout)
}

// deliver takes the messages of one read.
func (s *session) deliver(b *link.Batch) error {
	defer b.Release()
	for i := range b.Len() {
		s.hear(b.Message(i))
	}
	if sights := s.sights; len(sights) > 0 {
		s.sights = nil
		s.see(sights)
	}
	return nil
}

// hear takes one message. What it holds is checked before the lock is taken.
func (s *session) hear(frames [][]byte) {
	number, m, err := rendezvous.ParseMessage(frames)
	event := machine.EventViolation
	if err == nil {
		event, err = s.check(number, m)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.Count("words of a server that are not right")
		s.fault = err
		event = machine.EventViolation
	}
	s.message, s.number = m, number
	s.fire(event)
}

// check returns what a message means.
func (s *session) check(number uint32, m oncemsg.Message) (machine.Event, error) {
	switch m := m.(type) {
	case *oncemsg.Challenge:
		return machine.EventChallenge, s.greeted(m)
	case *oncemsg.OK, *oncemsg.Nope:
		s.mu.Lock()
		defer s.mu.Unlock()
		nope, no := m.(*oncemsg.Nope)
		switch {
		case no && number == s.watching && number != 0:
			s.large = true
			s.Log.Info("the server does not tell of all", "server", s.at, "text", nope.Text)
			return machine.EventAnswer, nil
		case number != s.step && number != 0:
			return machine.EventAnswer, nil
		case no && nope.Code == uint8(serving.ReasonTwin) && s.state == machine.StatePublishing:
			return machine.EventTwin, nil
		case no:
			return machine.EventNope, nil
		}
		return machine.EventOK, nil
	case *oncemsg.Stop:
		return machine.EventStop, nil
	case *oncemsg.Delta:
		if s.keys != nil {
			s.entries = s.right(m.Entries)
		}
		return machine.EventDelta, nil
	case *oncemsg.Introduction:
		return machine.EventIntroduction, nil
	case *oncemsg.Ticket:
		if number == 0 {
			return machine.EventTicket, nil
		}
	case *oncemsg.ListEndpoints:
		m.Entries = cloned(m.Entries)
	case *oncemsg.ListPeers:
		m.Entries = cloned(m.Entries)
	}
	return machine.EventAnswer, nil
}

// cloned returns frames that stay when the batch that they came in has gone.
func cloned(frames [][]byte) (list [][]byte) {
	for _, frame := range frames {
		list = append(list, bytes.Clone(frame))
	}
	return list
}

// greeted checks who the server is, and learns its next KEY.
func (s *session) greeted(m *oncemsg.Challenge) error {
	if s.keys != nil {
		return errors.New("the server greets twice")
	}
	card, err := rendezvous.CardOf(m.Card)
	pin := s.pinned(s.at.Key)
	switch {
	case err != nil:
		return err
	case m.Lowest > oncemsg.Version || m.Highest < oncemsg.Version:
		return fmt.Errorf("the server speaks versions %d to %d of once_msg, and this node %d", m.Lowest, m.Highest, oncemsg.Version)
	case !card.Verify(rendezvous.ServerPurpose, rendezvous.ServerWords(s.key, m.Challenge), m.Proof):
		return rendezvous.ErrForged
	case pin.Identity != nil && (!pin.Identity.Equal(card.Identity) || s.key != pin.Key && card.NotBefore.Before(pin.NotBefore)):
		return ErrServer
	}
	if pin.Identity == nil || card.NotBefore.After(pin.NotBefore) {
		pin = Pin{card.Identity, card.Transport, card.NotBefore}
		s.mu.Lock()
		s.pins[s.at.Key] = pin
		s.mu.Unlock()
		if s.Pins != nil {
			if err := s.Pins.Keep(s.at.Key, pin); err != nil {
				s.Log.Warn("cannot remember a server", "server", s.at, "error", err)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = card.ID
	s.keys = rendezvous.KeysOf(s.Address.Secret, card.Identity, s.network())
	s.challenge, s.offset = m, time.Until(time.UnixMilli(int64(min(m.Time, 1<<50))))
	return nil
}

// network returns the key of the network whose members alone come in, nil if all do.
func (c *Client) network() ed25519.PublicKey {
	if token := c.Identity.Token(); c.Members && token != nil && c.Address.Secret != (rendezvous.Secret{}) {
		return token.Network
	}
	return nil
}

// The actions of the machine.

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
func (s *session) Enter() { s.note() }

func (s *session) note() {
	m := s.message.(*oncemsg.OK)
	s.observed, s.relays, s.trip = m.Observed, m.Relays == 1, time.Since(s.sent)
	if s.Observed != nil {
		s.Observed(s.link.LocalAddr(), m.Observed)
	}
	if roll := s.Identity.Roll(); roll != nil && s.keys.Members != nil && roll.Number > m.Rolls && s.state != machine.StateAuthenticating {
		s.send(s.next(), &oncemsg.Roll{Roll: roll.Bare()})
	}
}

// Found notes that others are told of the node, and has the server tell of them.
func (s *session) Found() {
	s.note()
	if s.trouble != "" {
		s.trouble, s.away, s.refused, s.found = "", false, nil, time.Now()
		s.turn()
	}
	if s.at == &s.Address {
		s.elsewhere = nil
	}
	s.known.forget(time.Now())
	s.watch()
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
func (s *session) Settle() {
	if answer := s.calls[s.number]; answer != nil {
		delete(s.calls, s.number)
		answer <- s.message
	}
}

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
	if s.fault, s.retry = err, err.Retry; err.Retry == 0 {
		s.retry = maxBackoff / 2
	}
	if err.Reason == serving.ReasonStale {
		s.published, s.retry = published{}, 0 // say it anew
	}
}

func (s *session) NoteStop() {
	m := s.message.(*oncemsg.Stop)
	s.retry = time.Duration(m.Retry) * time.Millisecond
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
	s.elsewhere = &to
}
