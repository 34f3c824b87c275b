package node

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/identity"
)

// How members bring each other the addresses of their network's servers, whose SECRETs a
// revocation has drawn; api/protocol/zre_msg.xml has the rules. A peer is asked for them so
// often, and has as long to bring them as it has for a roll.
const (
	soughtRate  = rollsRate
	broughtRate = answeredRate
)

// addresses are those that members bring each other, and who was asked for them. They are the
// loop's.
type addresses struct {
	*rolls
	sender *channel.Sender
	sought map[uuid.UUID]quest // who was asked for them
}

// quest is what a member was asked for: the addresses that a roll vouches for.
type quest struct {
	rank identity.Rank
	at   time.Time
}

// closed tells whether nothing is said in the clear between the node and a peer.
func (l *addresses) closed(id uuid.UUID) bool {
	c := l.find(id)
	return c != nil && c.Peer().Protection() != api.PeerProtectionPlain
}

// seek asks those who have the addresses, if the node lacks them, not too many at once.
func (l *addresses) seek() {
	for id, q := range l.sought {
		if !l.lacks || l.find(id) == nil || q.rank != l.roll.Rank() {
			delete(l.sought, id)
		}
	}
	for id, p := range l.peers {
		if !l.lacks || len(l.sought) >= zremsg.MaxAsked {
			return
		}
		h := p.holds
		if _, asked := l.sought[id]; asked || h == nil || !h.hasServers || h.rank != l.roll.Rank() || !l.closed(id) {
			continue
		}
		if now := time.Now(); h.sought.Use(1, now, zremsg.MaxRolls, soughtRate) {
			l.sought[id] = quest{h.rank, now}
			l.say(id, &zremsg.AskServers{})
		}
	}
}

// despair waits no longer for those who have not brought the addresses in time.
func (l *addresses) despair(now time.Time) {
	for id, q := range l.sought {
		if now.Sub(q.at) >= askedLife {
			l.count("servers that were not brought")
			l.denies(id)
		}
	}
	l.seek()
}

// denies notes that a peer does not bring the addresses, until it says anew that it has them.
func (l *addresses) denies(id uuid.UUID) {
	delete(l.sought, id)
	if h := l.of(id).holds; h != nil {
		h.hasServers = false
	}
}

// giveServers brings a member the addresses, unless it has asked too often for the same ones. Others
// than the loop call it.
func (l *addresses) giveServers(to uuid.UUID) {
	l.turns.do(func() {
		h := l.member(to)
		switch {
		case h == nil || !l.hasServers || l.roll.Tokens[to] == nil || !l.closed(to):
			l.count("servers asked for that are not for who asks, or not here")
			return
		case !h.servings.Use(1, time.Now(), zremsg.MaxServersAnswered, broughtRate) && h.serving == l.roll.Rank():
			l.count("servers asked for too often")
			return
		}
		h.serving = l.roll.Rank()
		roll, c := l.roll, l.find(to)
		l.work.Go(func() {
			if err := l.bring(c, roll); err != nil {
				l.count("servers that could not be brought")
				l.log(to).Debug("the network's servers are not brought", "error", err)
			}
		})
	})
}

// bring tells a peer the addresses that a roll vouches for. If another roll counts by now, the
// peer asks again when it has that.
func (l *addresses) bring(to *channel.Channel, roll *identity.Roll) error {
	list, _, err := l.guard.Identity.Listed()
	if err != nil || list == nil || l.guard.Identity.Roll().Rank() != roll.Rank() {
		return err
	}
	m := &onceask.Servers{Number: roll.Number}
	for _, address := range list {
		m.Content = append(m.Content, []byte(address))
	}
	ctx, cancel := context.WithTimeout(l.ctx, askedLife)
	defer cancel()
	_, err = l.sender.Exchange(ctx, to, m)
	return err
}

// takeServers takes what a peer says that the addresses are. Only what the roll vouches for is
// kept, of those that were asked. Others than the loop call it.
func (l *addresses) takeServers(from uuid.UUID, m *onceask.Servers) {
	var q quest
	wanted := false
	l.turns.do(func() {
		q, wanted = l.sought[from]
		wanted = wanted && l.member(from) != nil && l.closed(from) && q.rank == l.roll.Rank() && m.Number == l.roll.Number
		if wanted {
			delete(l.sought, from)
		}
	})
	if !wanted {
		l.count("servers that nobody wants")
		return
	}
	var list []string
	for _, frame := range m.Content {
		list = append(list, string(frame))
	}
	err := l.guard.Identity.TakeServers(list)
	wrong := errors.Is(err, identity.ErrForged) || errors.Is(err, identity.ErrMalformed)
	switch {
	case wrong && l.guard.Identity.Roll().Rank() == q.rank: // else a later roll counts by now
		l.count("servers that are not right")
		l.log(from).Debug("the network's servers are not right", "error", err)
		l.turns.do(func() {
			l.denies(from)
			l.seek()
		})
	case err != nil && !wrong:
		l.warn("the new addresses of the network's servers cannot be kept: " + err.Error())
	}
	l.stir()
}
