package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zre"
)

// How members pass the network's roll on; api/protocol/zre_msg.xml has the rules. A peer
// that was asked for a roll has so long to bring it, and of a peer so many ASKs are
// answered and ROLLs taken in a second.
const (
	askedLife    = time.Minute
	answeredRate = 1. / 60
	rollsRate    = 1. / 10
)

// rolls are what is known of the network's roll. They are the loop's.
type rolls struct {
	*base
	*table
	turns *turns
	send  func(over zre.LinkID, m zremsg.Message)

	roll       *identity.Roll // that counts here; nil if the node is in no network
	token      *identity.Token
	other      *identity.Roll // that a member has shown, and that contradicts it
	asked      map[uuid.UUID]time.Time
	hasServers bool          // we have the addresses of servers that the roll vouches for
	lacks      bool          // we have not, and may
	turned     chan struct{} // closed, and made anew, when a member has said what it has
	stirred    chan struct{} // has one when the roll may have changed
}

func newRolls(s *base, at *table, t *turns, send func(zre.LinkID, zremsg.Message)) rolls {
	r := rolls{base: s, table: at, turns: t, send: send, asked: map[uuid.UUID]time.Time{}, turned: make(chan struct{}), stirred: make(chan struct{}, 1)}
	if r.roll = s.guard.Roll(); r.roll != nil {
		r.token = s.guard.Identity.Token()
		r.hasServers, r.lacks = r.listed()
	}
	return r
}

// listed tells whether the node has the addresses that its roll vouches for, and if not,
// whether it lacks them. Others than the loop may call it.
func (r *rolls) listed() (served, lacks bool) {
	list, lacks, err := r.guard.Identity.Listed()
	if err != nil {
		r.settings.log.Error("the addresses of the network's servers cannot be read", "error", err)
	}
	return list != nil, lacks
}

// stir has the watch follow the roll.
func (r *rolls) stir() {
	select {
	case r.stirred <- struct{}{}:
	default: // it is about to
	}
}

func (r *rolls) turn() {
	close(r.turned)
	r.turned = make(chan struct{})
}

// member returns what a peer that is present, and has shown to be a member of our network,
// has of the roll. It is nil for others.
func (l *rolls) member(id uuid.UUID) (h *holding) {
	if badge := l.badge(id); badge == nil || badge.Token == nil || l.roll == nil {
		return nil
	}
	l.with(id, func(p *peer) {
		if p.holds == nil {
			p.holds = new(holding)
		}
		h = p.holds
	})
	return h
}

// say says something to a member, if our connection to it carries content.
func (l *rolls) say(to uuid.UUID, m zremsg.Message) {
	c, out := l.find(to), l.of(to).ours
	if c != nil && out != nil && c.Path() == out.Path {
		l.send(out.id, m)
	}
}

// tellHolds tells a peer, if it is a member, which roll we have.
func (l *rolls) tellHolds(to uuid.UUID) {
	if l.member(to) != nil {
		rank := l.roll.Rank()
		m := &zremsg.Holds{Moves: rank.Moves, Number: rank.Number, Digest: rank.Digest[:]}
		if l.hasServers {
			m.Servers = 1
		}
		l.say(to, m)
	}
}

// hears takes in which roll a member has, and whether it has the addresses that this vouches
// for.
func (l *rolls) hears(h *holding, rank identity.Rank, served bool) {
	h.rank, h.offers, h.hasServers = rank, rank.Compare(l.roll.Rank()) > 0, served
	l.turn()
	if h.offers {
		l.fetch()
	}
}

// fetch asks those who offer a later roll for it, not too many at once.
func (l *rolls) fetch() {
	for id := range l.asked {
		if l.find(id) == nil {
			delete(l.asked, id)
		}
	}
	if l.roll == nil || len(l.asked) >= zremsg.MaxAsked {
		return
	}
	for id, p := range l.peers {
		if _, asked := l.asked[id]; asked || p.holds == nil || !p.holds.offers || p.holds.rank.Compare(l.roll.Rank()) <= 0 {
			continue
		}
		l.asked[id] = time.Now()
		if l.say(id, &zremsg.Ask{}); len(l.asked) == zremsg.MaxAsked {
			return
		}
	}
}

// tire waits no longer for those who have not brought a roll in time.
func (l *rolls) tire(now time.Time) {
	for id, at := range l.asked {
		if now.Sub(at) >= askedLife {
			l.count("rolls that were not brought")
			l.declined(id)
		}
	}
	l.fetch()
}

// declined notes that a peer offers us nothing, until it says anew what it has.
func (l *rolls) declined(id uuid.UUID) {
	delete(l.asked, id)
	if h := l.of(id).holds; h != nil {
		h.offers = false
	}
}

// give brings a member our roll, unless it has asked too often for the same one. Each that
// is new to it is brought, however many there were of late: a revocation does not wait.
func (l *rolls) give(to uuid.UUID) {
	h := l.member(to)
	if h == nil || l.roll.Number == 0 {
		return
	}
	if !h.answered.Use(1, time.Now(), zremsg.MaxAnswered, answeredRate) && h.given == l.roll.Rank() {
		l.count("rolls asked for too often")
		return
	}
	h.given = l.roll.Rank()
	l.say(to, &zremsg.Roll{Roll: l.roll.Octets()})
}

// ofRoll takes what a member says of the network's roll. Others than the loop call it.
func (l *rolls) ofRoll(from uuid.UUID, message zremsg.Message) {
	if m, brings := message.(*zremsg.Roll); brings {
		l.brings(from, m)
		return
	}
	l.turns.do(func() {
		h := l.member(from)
		m, holds := message.(*zremsg.Holds)
		switch {
		case holds && len(m.Digest) != sha256.Size:
			l.count("messages that are malformed")
		case h == nil:
			l.count("words about a roll that mean nothing")
		case holds:
			l.hears(h, identity.Rank{Moves: m.Moves, Number: m.Number, Digest: [sha256.Size]byte(m.Digest)}, m.Servers == 1)
		default:
			l.give(from)
		}
	})
}

// brings takes in a roll. Only what the network's key has signed is kept, and that the peer
// was asked for it does not matter.
func (l *rolls) brings(from uuid.UUID, m *zremsg.Roll) {
	wanted := false
	l.turns.do(func() {
		h := l.member(from)
		if wanted = h != nil && h.brought.Use(1, time.Now(), zremsg.MaxRolls, rollsRate); !wanted {
			l.declined(from)
			l.fetch()
		}
	})
	if !wanted {
		l.count("rolls that nobody wants")
		return
	}
	taken := false
	roll, err := identity.ParseRoll(m.Roll)
	if err == nil {
		taken, err = l.guard.Identity.Take(roll)
	}
	l.turns.do(func() { l.brought(from, roll, taken, err) })
}

// brought notes what came of a roll that a member has brought, which is nil if it was not
// right.
func (l *rolls) brought(from uuid.UUID, roll *identity.Roll, taken bool, err error) {
	_, asked := l.asked[from]
	l.declined(from)
	if h := l.member(from); h != nil && roll != nil {
		if err == nil && (taken || asked && roll.Rank().Compare(h.rank) >= 0) {
			h.brought.Refund(1) // it is what we asked for: only what is of no use is limited
		}
		if h.rank != roll.Rank() {
			h.rank, h.hasServers = roll.Rank(), false
		}
	}
	switch {
	case taken:
		if err != nil {
			l.warn("the network's roll counts until this node stops, and cannot be kept: " + err.Error())
		}
		l.stir()
	case errors.Is(err, identity.ErrForgets):
		l.other = roll
		if roll.Rank().Compare(l.roll.Rank()) > 0 {
			l.give(from) // so that who has made the other roll learns of it
		}
		fallthrough
	case err != nil:
		l.count("rolls that are not right")
		if l.guard.Meetings.Tell(from, err.Error(), time.Now()) {
			l.warn(fmt.Sprintf("the roll that %s has shown does not count: %v", from, err))
		}
	}
	l.turn()
	l.fetch()
}

// remind tells the members that have another roll than this one, if it is ours, that we have
// it: they may have given up to ask for it.
func (l *rolls) remind(roll *identity.Roll) {
	if l.roll.Rank() != roll.Rank() {
		return // they are told when it is
	}
	for id := range roll.Tokens {
		if h := l.of(id).holds; h != nil && h.rank != roll.Rank() {
			l.tellHolds(id)
		}
	}
}

// holders returns which members that a roll names are known to have it, and the addresses that
// it vouches for, if the node can bring them those.
func (l *rolls) holders(roll *identity.Roll) (holders []string) {
	for id := range roll.Tokens {
		h := l.of(id).holds
		if id == l.guard.ID && l.roll.Rank() == roll.Rank() || h != nil && h.rank == roll.Rank() && (h.hasServers || !l.hasServers) {
			holders = append(holders, id.String())
		}
	}
	slices.Sort(holders)
	return holders
}
