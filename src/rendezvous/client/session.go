package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// session is a conversation with the server over one connection. It implements the actions
// of its machine, which is stepped under the lock of the client.
type session struct {
	connection
	*Config
	at   *rendezvous.Address
	dial dialer   // to the same address
	key  [32]byte // by which the server is known
	pins *pins
	see  func([]sight.Sighting)

	// Of the goroutine that reads.
	keys    *rendezvous.Keys // from CHALLENGE on
	message oncemsg.Message  // the latest
	number  uint32           // of that
	entries []*Peer          // of a DELTA, that were found to be right
	sights  []sight.Sighting // wait to be handed on

	mu *sync.Mutex // of the client; guards what follows

	// What stays for the next conversation.
	standing  *standing
	published *published
	known     *known
	nonces    nonces
	twins     *twins

	state     machine.State
	timer     *time.Timer
	since     time.Time // of the present state
	watching  uint32    // number of the latest WATCH
	watched   string    // the tags of that
	challenge *oncemsg.Challenge
	putOff    bool
	doubted   bool // it is asked for a sign of life
	told      *identity.Card
	observed  string
	relays    bool
	large     bool
	trip      time.Duration
	offset    time.Duration
}

// waits is how long the machine waits in a state.
var waits = map[machine.Timeout]time.Duration{
	machine.TimeoutAnswer: machine.DefaultAnswer,
	machine.TimeoutRenew:  machine.DefaultRenew,
}

// fire steps the machine. The caller holds the lock of the client.
func (s *session) fire(e machine.Event) {
	last := s.state
	next, ok := machine.Step(last, e, s)
	if !ok || next == last {
		return
	}
	s.state, s.since = next, time.Now()
	if wait := waits[next.Timeout()]; wait > 0 {
		s.timer.Reset(wait)
	}
	if next == machine.StatePresent && s.putOff {
		s.putOff = false
		s.fire(machine.EventRenew)
	}
}

// now returns the server's time.
func (s *session) now() time.Time { return time.Now().Add(s.offset) }

// serve speaks with the server until that ends, or says goodbye when ctx does.
func (s *session) serve(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.fire(machine.EventLeave) // within the linger time
	})()
	return s.link.Serve(s.deliver)
}

// end ends what waits, and returns why there is no conversation any more. The caller holds the
// lock of the client.
func (s *session) end(err error) error {
	s.fire(machine.EventLost)
	s.timer.Stop()
	close(s.ended)
	if s.fault != nil {
		return s.fault
	}
	return fmt.Errorf("the conversation has ended: %w", err)
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
	pin := s.pins.of(s.at.Key)
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
		if err := s.pins.learn(s.at.Key, pin); err != nil {
			s.Log.Warn("cannot remember a server", "server", s.at, "error", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing.server = card.ID
	s.keys = s.keysAt(card.Identity)
	s.challenge, s.offset = m, time.Until(time.UnixMilli(int64(min(m.Time, 1<<50))))
	return nil
}

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

// peerOf returns the node that an ENTRY or a GONE tells of, if that is right.
func (s *session) peerOf(octets []byte) (*Peer, error) {
	return peerOf(octets, s.keys, func(id uuid.UUID) (*Peer, time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.known.peers[id], s.now()
	})
}

// meeting returns a MEETING for a card. The caller holds the lock of the client.
func (s *session) meeting(nonce []byte, answers uint8, to *identity.Card) ([]byte, error) {
	return s.keys.SealMeeting(s.Identity, to, oncerecord.Meeting{
		Nonce: nonce, Time: uint64(s.now().UnixMilli()), Answers: answers,
		Candidates: candidates(s.Describe().Candidates),
	})
}
