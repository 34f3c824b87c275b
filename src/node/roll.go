package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
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
	roll    *identity.Roll // that counts here; nil if the node is in no network
	token   *identity.Token
	other   *identity.Roll // that a member has shown, and that contradicts it
	asked   map[uuid.UUID]time.Time
	turned  chan struct{} // closed, and made anew, when a member has said what it has
	stirred chan struct{} // has one when the roll may have changed
}

// holding is what a member has said of the roll that it has.
type holding struct {
	rank     identity.Rank
	offers   bool            // it is later than ours, as far as is known
	given    identity.Rank   // of the roll that it was brought last
	answered guard.Allowance // of its ASKs
	brought  guard.Allowance // of its ROLLs
}

func newRolls(g *guard.Guard) rolls {
	r := rolls{asked: map[uuid.UUID]time.Time{}, turned: make(chan struct{}), stirred: make(chan struct{}, 1)}
	if r.roll = g.Roll(); r.roll != nil {
		r.token = g.Identity.Token()
	}
	return r
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
func (l *loop) member(id uuid.UUID) (h *holding) {
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
func (l *loop) say(to uuid.UUID, m zremsg.Message) {
	c, out := l.find(to), l.of(to).ours
	if c != nil && out != nil && c.Path() == out.Path {
		l.send(out.id, m)
	}
}

// tellHolds tells a peer, if it is a member, which roll we have.
func (l *loop) tellHolds(to uuid.UUID) {
	if l.member(to) != nil {
		rank := l.roll.Rank()
		l.say(to, &zremsg.Holds{Moves: rank.Moves, Number: rank.Number, Digest: rank.Digest[:]})
	}
}

// hears takes in which roll a member has.
func (l *loop) hears(h *holding, rank identity.Rank) {
	h.rank, h.offers = rank, rank.Compare(l.roll.Rank()) > 0
	l.turn()
	if h.offers {
		l.fetch()
	}
}

// fetch asks those who offer a later roll for it, not too many at once.
func (l *loop) fetch() {
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
func (l *loop) tire(now time.Time) {
	for id, at := range l.asked {
		if now.Sub(at) >= askedLife {
			l.count("rolls that were not brought")
			l.declined(id)
		}
	}
	l.fetch()
}

// declined notes that a peer offers us nothing, until it says anew what it has.
func (l *loop) declined(id uuid.UUID) {
	delete(l.asked, id)
	if h := l.of(id).holds; h != nil {
		h.offers = false
	}
}

// give brings a member our roll, unless it has asked too often for the same one. Each that
// is new to it is brought, however many there were of late: a revocation does not wait.
func (l *loop) give(to uuid.UUID) {
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

// ofRoll takes what a member says of the network's roll.
func (r *receiver) ofRoll(message zremsg.Message) {
	m, brings := message.(*zremsg.Roll)
	if brings {
		r.brings(m)
		return
	}
	r.loop.do(func() {
		h := r.loop.member(r.peer)
		m, holds := message.(*zremsg.Holds)
		switch {
		case holds && len(m.Digest) != sha256.Size:
			r.count("messages that are malformed")
		case h == nil:
			r.count("words about a roll that mean nothing")
		case holds:
			r.loop.hears(h, identity.Rank{Moves: m.Moves, Number: m.Number, Digest: [sha256.Size]byte(m.Digest)})
		default:
			r.loop.give(r.peer)
		}
	})
}

// brings takes in a roll. Only what the network's key has signed is kept, and that the peer
// was asked for it does not matter.
func (r *receiver) brings(m *zremsg.Roll) {
	wanted := false
	r.loop.do(func() {
		h := r.loop.member(r.peer)
		if wanted = h != nil && h.brought.Use(1, time.Now(), zremsg.MaxRolls, rollsRate); !wanted {
			r.loop.declined(r.peer)
			r.loop.fetch()
		}
	})
	if !wanted {
		r.count("rolls that nobody wants")
		return
	}
	var roll *identity.Roll
	var err error
	taken := false
	r.apart(func() {
		if roll, err = identity.ParseRoll(m.Roll); err == nil {
			taken, err = r.guard.Identity.Take(roll)
		}
	})
	r.loop.do(func() { r.loop.brought(r.peer, roll, taken, err) })
}

// brought notes what came of a roll that a member has brought, which is nil if it was not
// right.
func (l *loop) brought(from uuid.UUID, roll *identity.Roll, taken bool, err error) {
	_, asked := l.asked[from]
	l.declined(from)
	if h := l.member(from); h != nil && roll != nil {
		if err == nil && (taken || asked && roll.Rank().Compare(h.rank) >= 0) {
			h.brought.Refund(1) // it is what we asked for: only what is of no use is limited
		}
		h.rank = roll.Rank()
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

// follow has a roll that is another than before take effect: members are told of it, those
// who were revoked are let in no more, and the node shows its latest token.
func (l watch) follow() {
	roll, token := l.guard.Roll(), l.guard.Identity.Token()
	if roll == nil {
		return
	}
	was := rolls{}
	l.do(func() {
		was = l.rolls
		if was.roll == nil || was.roll.Rank() == roll.Rank() && token.Is(was.token) {
			return
		}
		l.roll, l.token = roll, token
		for _, note := range l.changes(&was) {
			l.notice(note)
		}
		if !token.Is(was.token) {
			l.step(zre.Renewed{Name: l.guard.Name()})
		}
		for _, c := range l.all() {
			if t := c.Peer().Badge().Token; t != nil && !roll.Voids(t) {
				l.tellHolds(c.Peer().UUID())
			}
		}
		l.turn()
	})
	if was.roll != nil && was.roll.Rank() != roll.Rank() {
		l.look(time.Now())
	}
}

// maxChanges is how many changes of a roll are told one by one.
const maxChanges = 16

// changes returns what differs from the roll and the token before, for people.
func (l *loop) changes(was *rolls) (notes []string) {
	roll, token := l.roll, l.token
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if !roll.Network.Equal(was.roll.Network) {
		note("the network has another key now, and takes its members along")
	}
	for id, until := range roll.Revoked {
		if until.After(was.roll.Revoked[id]) && id != l.guard.ID {
			note("the network has revoked the membership of %s", l.called(was.roll, id))
		}
	}
	for id, t := range roll.Tokens {
		if name := l.nameOf(id, was.roll); name != "" && name != t.Name {
			note("the network calls %s %q now", l.called(was.roll, id), t.Name)
		}
	}
	if more := len(notes) - maxChanges; more > 0 {
		notes = append(notes[:maxChanges], fmt.Sprintf("the network's roll has %d more changes", more))
	}
	switch {
	case roll.Voids(token) && !was.roll.Voids(was.token):
		note("the network has revoked the membership of this node: the others let it in no more; ask who made the network for another invite")
	case !token.Is(was.token):
		note("the network has renewed the membership of this node: as %q, until %s", token.Name, token.Expiry.Format(time.DateTime))
	}
	if len(notes) == 0 && roll.Rank() != was.roll.Rank() {
		note("the network has a new roll, number %d", roll.Number)
	}
	return notes
}

// nameOf returns the name of a member, by a roll or as one that is present, or nothing.
func (l *loop) nameOf(id uuid.UUID, roll *identity.Roll) string {
	if t := roll.Tokens[id]; t != nil {
		return t.Name
	}
	if c := l.find(id); c != nil {
		return c.Peer().Name()
	}
	return ""
}

// called returns how a member is called.
func (l *loop) called(roll *identity.Roll, id uuid.UUID) string {
	if name := l.nameOf(id, roll); name != "" {
		return fmt.Sprintf("%q (%s)", name, id)
	}
	return id.String()
}

// Spread takes in a roll of the node's network, and passes it on. It waits until so many
// of the members that it names have said that they have it, or ctx ends, and returns which,
// the node itself too. It does not wait on if another roll is later, or contradicts it; see
// [Node.Rolls].
func (n *Node) Spread(ctx context.Context, text string, members int) (holders []string, err error) {
	if err := n.running(); err != nil {
		return nil, err
	}
	if n.guard.Identity == nil {
		return nil, api.ErrNoIdentity
	}
	roll, err := identity.RollIn(text)
	if err != nil {
		return nil, err
	}
	if taken, err := n.guard.Identity.Take(roll); err != nil && !taken && !errors.Is(err, identity.ErrForgets) {
		return nil, err
	}
	if err := n.while(func(l *loop) {
		if l.other != nil && roll.Covers(l.other) {
			l.other = nil
		}
		l.stir()
		l.remind(roll)
	}); err != nil {
		return nil, err
	}
	for {
		var enough bool
		var turned <-chan struct{}
		if err := n.while(func(l *loop) {
			holders, turned = l.holders(roll), l.turned
			enough = len(holders) >= members || l.other != nil || l.roll.Rank().Compare(roll.Rank()) > 0
		}); err != nil || enough {
			return holders, err
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return holders, nil
		case <-n.done:
		}
	}
}

// remind tells the members that have another roll than this one, if it is ours, that we have
// it: they may have given up to ask for it.
func (l *loop) remind(roll *identity.Roll) {
	if l.roll.Rank() != roll.Rank() {
		return // they are told when it is
	}
	for id := range roll.Tokens {
		if h := l.of(id).holds; h != nil && h.rank != roll.Rank() {
			l.tellHolds(id)
		}
	}
}

// holders returns which members that a roll names are known to have it.
func (l *loop) holders(roll *identity.Roll) (holders []string) {
	for id := range roll.Tokens {
		h := l.of(id).holds
		if id == l.guard.ID && l.roll.Rank() == roll.Rank() || h != nil && h.rank == roll.Rank() {
			holders = append(holders, id.String())
		}
	}
	slices.Sort(holders)
	return holders
}

// Rolls returns the roll of the node's network that counts, and then one that a member has
// shown and that contradicts it, if there is one.
func (n *Node) Rolls() (texts []string) {
	_ = n.while(func(l *loop) { // none once it has stopped
		for _, r := range []*identity.Roll{l.roll, l.other} {
			if r != nil && r.Number > 0 {
				texts = append(texts, r.Text())
			}
		}
	})
	return texts
}
