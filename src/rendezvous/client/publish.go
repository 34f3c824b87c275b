package client

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/wire"
)

// old tells whether a record is to be replaced before it expires.
func (p *published) old(now time.Time) bool { return p.expiry.Sub(now) < rendezvous.Life/2 }

// says tells whether a record still says what there is to say.
func (p *published) says(what Description) bool {
	return p.what.Name == what.Name && maps.Equal(p.what.Headers, what.Headers) &&
		slices.Equal(p.what.Groups, what.Groups) && slices.Equal(p.what.Candidates, what.Candidates)
}

// serial is that of the latest record of this process. No two have one: what is inside is
// sealed under a key that comes from it, even if a node has several clients of a server.
var serial atomic.Uint64

// nextSerial returns a serial that is higher than all before.
func nextSerial(now time.Time) uint64 {
	for {
		last := serial.Load()
		if next := max(last+1, uint64(now.UnixMicro())); serial.CompareAndSwap(last, next) {
			return next
		}
	}
}

// SendPublish is an action of the machine. It says the same as before if that still holds,
// so that nobody is told again.
func (s *session) SendPublish() {
	p := &s.published
	what, card, now := s.Describe(), s.Identity.Card(), s.now()
	if p.network != s.keys.Number || p.incarnation != card.Incarnation || p.old(now) || !p.says(what) {
		fresh := published{what: what, network: s.keys.Number, incarnation: card.Incarnation, challenge: draw(oncerecord.MaxInsideChallenge), former: p.challenge, expiry: now.Add(rendezvous.Life)}
		inside := oncerecord.Inside{
			Name: what.Name, Challenge: fresh.challenge, Candidates: candidates(what.Candidates),
			Headers: wire.Pairs(what.Headers), Groups: what.Groups,
		}
		if s.keys.Members != nil {
			inside.Token = s.Identity.Token().Octets()
		}
		var err error
		if fresh.record, fresh.sealed, err = s.keys.Publish(s.Identity, nextSerial(now), fresh.expiry, &inside); err != nil {
			s.fault = fmt.Errorf("cannot publish the node: %w", err)
			s.HangUp()
			return
		}
		*p = fresh
	}
	s.told = card
	s.ask(&oncemsg.Publish{Card: card.Octets(), Record: p.record, Sealed: p.sealed, Key: card.Sealing.Key()})
}

// candidates returns candidates as they travel.
func candidates(list []Candidate) (texts []string) {
	for _, c := range list[:min(len(list), oncerecord.MaxInsideCandidates)] {
		texts = append(texts, fmt.Sprintf("%s %d", c.Endpoint, max(0, int(time.Since(c.Since).Seconds()))))
	}
	return texts
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
	cursor := s.known.cursor
	if string(octets) != s.known.tags || s.keys.Number != s.known.network {
		cursor = 0
	}
	s.known.tags, s.known.network = string(octets), s.keys.Number
	s.watched, s.watching, s.large = string(octets), s.next(), false
	s.send(s.watching, &oncemsg.Watch{Tags: octets, Cursor: cursor})
}
