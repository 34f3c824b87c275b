package node

import (
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/wan"
	"github.com/sjohnr/at-once/src/zre"
)

// loop is what the loop's goroutine owns: others act on it in turns.
type loop struct {
	*base
	turns
	books
	rolls
	dialer *dial.Dialer
	sender *channel.Sender
	site   *site.Site
	wan    *wan.Access         // what lies beyond the LAN; nil for nothing
	wanted map[uuid.UUID]*want // who is to be met though no group is shared

	theirs   map[zre.LinkID]*receiver // the connections that peers speak over
	bygones  map[uuid.UUID]uint64     // the peers' numbers of channels that they may go on with: see overAgain
	opens    *channel.Own             // with which what is said over them is opened
	links    zre.LinkID               // the latest number
	full     func(*link.Link)         // called by who finds that a peer takes nothing at all, and is not the loop
	overrun  func(peer uuid.UUID)     // the same, for one that there is a channel with
	strained func()                   // called by who finds that suspect peers have more than their share, and is not the loop
	scratch  []byte                   // where control messages are encoded
	version  uint64                   // of what is known: the number of events
}

// step is [turns.step], and has servers told of what changes of the node.
func (l *loop) step(in zre.Input) {
	l.turns.step(in)
	switch in.(type) {
	case zre.Join, zre.Leave, zre.Reworded, zre.Renewed:
		l.describe()
	}
}

// number returns the number of a connection.
func (l *loop) number() zre.LinkID {
	l.links++
	return l.links
}

// enlist has the node join a group or contest for it, unless that is one too many.
func (l *loop) enlist(in zre.Input) error {
	if l.core.Full(in) {
		return api.ErrGroups
	}
	l.step(in)
	return nil
}

// enroll has the node be in a group for a program.
func (l *loop) enroll(a *account, group string) error {
	err := l.enlist(zre.Join{Group: group})
	if err == nil {
		a.in[group] = struct{}{}
	}
	return err
}

// depart takes that back: the node is in the group while another program has it be.
func (l *loop) depart(a *account, group string) {
	delete(a.in, group)
	for _, a := range l.accounts {
		if _, in := a.in[group]; in {
			return
		}
	}
	l.step(zre.Leave{Group: group})
}

// groupsOwn returns the groups that the node is in, sorted. Others may call it.
func (l *loop) groupsOwn() (own []string) {
	l.do(func() { own = l.core.OwnGroups() })
	return own
}

// await begins to wait, for an account, until each peer has confirmed what was said to it.
func (l *loop) await(of *account) *flush {
	f, ask := l.books.await(of)
	for _, peer := range ask {
		l.step(zre.Ask{Peer: peer})
	}
	return f
}

// relieve has suspect peers be gone, the one that was suspect first before others, until
// what they have not confirmed is no more than their share.
func (l *loop) relieve() {
	type suspect struct {
		id    uuid.UUID
		since time.Time
	}
	var suspects []suspect
	for _, c := range l.all() {
		if since, is := c.Suspect(); is && l.sum.Strained() && c.Path().Queued() > 0 {
			suspects = append(suspects, suspect{c.Peer().UUID(), since})
		}
	}
	slices.SortFunc(suspects, func(a, b suspect) int { return a.since.Compare(b.since) })
	for _, s := range suspects {
		if !l.sum.Strained() {
			return
		}
		l.count("suspects beyond their share")
		l.step(zre.Overrun{Peer: s.id})
	}
}

// ends notes how a connection ended that we may have taken leave over.
func (l *loop) ends(k *link.Link, err error) {
	l.parted(k, err)
	l.hush()
}

// hush ends the connections that were made to a node that stops, once its leave-taking
// is over: who sees them end has then heard what the node has taken.
func (l *loop) hush() {
	if !l.core.Stopped() || len(l.parting) > 0 {
		return
	}
	for _, r := range l.theirs {
		r.hangUp()
	}
}

// closeSoon closes a connection that we made when what is queued on it has gone out, at the
// latest after the linger time.
func (l *loop) closeSoon(k *link.Link) {
	l.shutdown(k, func(err error) { l.do(func() { l.ends(k, err) }) })
}

// want is a peer that is to be met though no group is shared with it. It is the loop's.
type want struct {
	met   chan struct{} // closed when it is present
	calls int           // that wait
}

// describe tells the servers what there is to say of the node now.
func (l *loop) describe() {
	if l.wan != nil {
		l.wan.Describe(wan.Description{Name: l.guard.Name(), Headers: maps.Clone(l.headers), Groups: l.core.OwnGroups()})
	}
}

// update replaces what is known of a peer, if it is present.
func (l *loop) update(p *Peer) {
	if c := l.find(p.UUID()); c != nil {
		c.Update(l.by(p))
	}
}

// by returns what is known of a peer, with the way that what we say takes to it.
func (l *loop) by(p *Peer) *Peer {
	t, way := l.of(p.UUID()).talk, p.Way()
	if c := l.find(p.UUID()); t != nil && t.over != nil {
		way = t.over.way()
	} else if c != nil { // the latest counts
		way = c.Peer().Way()
	}
	if way != p.Way() {
		return zre.By(p, way)
	}
	return p
}
