package client

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/wire"
)

// published is what the server has of the node.
type published struct {
	what           Description
	network        rendezvous.Number
	incarnation    uint64
	record, sealed []byte
	challenge      []byte
	former         []byte    // challenge of the record before
	expiry         time.Time // by the server's clock
}

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

// say has the record say what there is to say of a node, if it does not, or not for long: else
// it stays the same, so that nobody is told again. The time is the server's.
func (p *published) say(what Description, own *identity.Identity, card *identity.Card, keys *rendezvous.Keys, now time.Time) error {
	if p.network == keys.Number && p.incarnation == card.Incarnation && !p.old(now) && p.says(what) {
		return nil
	}
	fresh := published{what: what, network: keys.Number, incarnation: card.Incarnation, challenge: draw(oncerecord.MaxInsideChallenge), former: p.challenge, expiry: now.Add(rendezvous.Life)}
	inside := oncerecord.Inside{
		Name: what.Name, Challenge: fresh.challenge, Candidates: candidates(what.Candidates),
		Headers: wire.Pairs(what.Headers), Groups: what.Groups,
	}
	if keys.Members != nil {
		inside.Token = own.Token().Octets()
	}
	var err error
	if fresh.record, fresh.sealed, err = keys.Publish(own, nextSerial(now), fresh.expiry, &inside); err == nil {
		*p = fresh
	}
	return err
}

// challenges returns that of the record that others have, and of the one before, which some
// still have.
func (p *published) challenges() (list [][]byte) {
	for _, challenge := range [][]byte{p.challenge, p.former} {
		if challenge != nil {
			list = append(list, challenge)
		}
	}
	return list
}

// candidates returns candidates as they travel.
func candidates(list []Candidate) (texts []string) {
	for _, c := range list[:min(len(list), oncerecord.MaxInsideCandidates)] {
		texts = append(texts, fmt.Sprintf("%s %d", c.Endpoint, max(0, int(time.Since(c.Since).Seconds()))))
	}
	return texts
}

// draw returns random octets.
func draw(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
