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
	"github.com/sjohnr/at-once/src/wan"
	"github.com/sjohnr/at-once/src/zre"
)

// loop is what the loop's goroutine owns: others act on it in turns.
type loop struct {
	*base
	talks
	rolls
	addresses
	dialer *dial.Dialer
	sender *channel.Sender
	wanted map[uuid.UUID]*want // who is to be met though no group is shared

	opens    *channel.Own     // with which what is said over connections is opened
	full     func(*link.Link) // called by who finds that a peer takes nothing at all, and is not the loop
	strained func()           // called by who finds that suspect peers have more than their share, and is not the loop
	version  uint64           // of what is known: the number of events
}

// step is [turns.step], and has servers told of what changes of the node.
func (l *loop) step(in zre.Input) {
	l.talks.turns.step(in)
	switch in.(type) {
	case zre.Join, zre.Leave, zre.Reworded, zre.Renewed:
		l.describe()
	}
}

// enlist has the node join a group or contest for it, unless that is one too many.
func (l *loop) enlist(in zre.Input) error {
	if l.excess(in) {
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

// describe tells the servers what there is to say of the node now.
func (l *loop) describe() {
	if l.wan != nil {
		l.wan.Describe(wan.Description{Name: l.guard.Name(), Headers: maps.Clone(l.headers), Groups: l.ownGroups()})
	}
}

// want is a peer that is to be met though no group is shared with it. It is the loop's.
type want struct {
	met   chan struct{} // closed when it is present
	calls int           // that wait
}
