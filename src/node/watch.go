package node

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/zre"
)

// review is how often the node looks whether those who are present may still be.
const review = time.Minute

// glances is how often a member looks whether another process has changed the files of its
// identity.
const glances = time.Second

// watch looks after what runs out.
type watch struct{ *loop }

// keep renews the node's card, and ends what there is with peers whose cards
// or memberships have run out or were revoked, until the node stops.
func (l watch) keep() {
	ticker, glance := time.NewTicker(review), time.NewTicker(glances)
	defer ticker.Stop()
	defer glance.Stop()
	if l.guard.Roll() == nil { // there are no files to glance at
		glance.Stop()
	}
	for shown := l.guard.Identity.Card(); ; {
		select {
		case <-l.ctx.Done():
			return
		case <-glance.C:
			l.follow()
		case <-l.stirred:
			l.follow()
		case now := <-ticker.C:
			l.do(func() {
				shown = l.renew(shown)
				l.tire(now)
				l.despair(now)
			})
			l.look(now)
		}
	}
}

// renew shows the node's card to all if it is another than the one shown last. It is
// the loop's, which alone sends greetings.
func (l watch) renew(shown *identity.Card) *identity.Card {
	card := l.guard.Freshen()
	if card != shown {
		l.step(zre.Renewed{Name: l.guard.Name()})
	}
	return card
}

// look judges each peer that is present anew.
func (l watch) look(now time.Time) {
	for _, c := range l.all() {
		if err := c.Age(l.guard, now); err != nil {
			l.log(c.Peer().UUID()).Debug("session is not replaced", "error", err)
		}
		l.judge(c.Peer(), now)
	}
}

// judge looks whether a peer that is present may still be, and as what.
func (l watch) judge(p *Peer, now time.Time) {
	token, err := l.guard.Recheck(p, now)
	if err == nil && !token.Is(p.Badge().Token) {
		l.do(func() { l.step(zre.Vouched{Peer: p.UUID(), Token: token}) })
	}
	if err != nil {
		l.refuse(&l.guard.Meetings, p.UUID(), p.Name(), p.At(), guard.NotLetIn(err))
		l.expel(p, err)
	}
}

// entered has a member judged anew that is present from now on, if the roll has changed since
// its greeting was judged: look has not seen it.
func (l watch) entered(p *Peer) {
	if badge := p.Badge(); l.roll != nil && badge.Token != nil && badge.Roll != l.roll.Rank() {
		l.work.Go(func() { l.judge(p, time.Now()) })
	}
}

// expel ends what there is with a peer that is present, and tells it why.
func (l watch) expel(p *Peer, why error) {
	l.do(func() {
		if r := l.of(p.UUID()).theirs; r != nil && !r.turnAway(why) {
			r.hangUp()
		}
		l.guard.Shuns.Add(p.UUID(), p.At(), false)
		l.step(zre.Expelled{Peer: p.UUID()})
	})
}

// follow has a roll that is another than before take effect: members are told of it, those
// who were revoked are let in no more, the node shows its latest token, and lacks the addresses
// of servers that the roll vouches for until it has them.
func (l watch) follow() {
	roll, token := l.guard.Roll(), l.guard.Identity.Token()
	if roll == nil {
		return
	}
	was := rolls{}
	l.do(func() { was = l.rolls })
	same := was.roll == nil || was.roll.Rank() == roll.Rank() && token.Is(was.token)
	if same && !was.lacks {
		return
	}
	served, lacks := l.listed()
	if same && lacks {
		return
	}
	l.do(func() {
		l.roll, l.token, l.hasServers, l.lacks = roll, token, served, lacks
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
		l.seek()
	})
	if served != was.hasServers || !bytes.Equal(roll.Vouched, was.roll.Vouched) || !token.Is(was.token) {
		l.stay()
	}
	if was.roll != nil && was.roll.Rank() != roll.Rank() {
		l.look(time.Now())
	}
}

// stay has the node stay with the servers that are its own now.
func (l watch) stay() {
	list, err := l.stays()
	switch {
	case err != nil:
		l.warn("the addresses of the network's servers cannot be used: " + err.Error())
	case len(list) == 0:
	case l.wan == nil:
		l.notice("the network has rendezvous servers now: this node is found by them when it is started again")
	default:
		entered := l.wan.Stay(list)
		if len(entered) > 0 {
			l.notice("the network has a new secret at its servers, or other servers: this node is found by " + hosts(entered) + " under that now, and leaves what was before")
		}
	}
}

// hosts returns where servers are.
func hosts(list []rendezvous.Address) string {
	var all []string
	for _, a := range list {
		all = append(all, strings.Join(a.Hosts, ","))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " and ")
}
