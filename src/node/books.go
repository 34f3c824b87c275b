package node

import (
	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// books are the ledger, and the connections over which what is in it was said. They are
// the loop's.
type books struct {
	*table
	ledger
	ours map[zre.LinkID]*outbound
}

// await begins to wait, for an account, until each peer has confirmed what was said to it,
// and returns who is yet to be asked.
func (l *books) await(of *account) (f *flush, ask []uuid.UUID) {
	for _, c := range l.all() {
		skipped, withheld := c.Missed()
		l.miss(c.Peer(), withheld, unsealed)
		l.miss(c.Peer(), skipped, overfull)
	}
	f = l.ledger.begin(of)
	for _, c := range l.all() {
		if !of.concerns(c.Peer()) {
			continue
		}
		path := c.Path()
		said := path.Said()
		if said == path.Confirmed() {
			continue
		}
		f.waits[c.Peer().UUID()] = said
		if path.Unsure() {
			ask = append(ask, c.Peer().UUID())
		}
	}
	if len(f.waits) == 0 {
		close(f.done)
	}
	return f, ask
}

// giveUp ends the wait: what is not confirmed is missed.
func (l *books) giveUp(f *flush) {
	delete(l.flushes, f)
	for id, said := range f.waits {
		if c := l.find(id); c != nil {
			f.missed.add(c.Peer(), c.Path().Lacks(said), "")
		}
	}
}

// answered notes that the peer at the end of a connection has confirmed so often.
func (l *books) answered(id zre.LinkID, count int) {
	if out := l.ours[id]; out != nil {
		out.Answered(count)
		l.settled(out.peer, out.Confirmed())
	}
}

// took notes that a peer that leaves has taken in so many messages.
func (l *books) took(id zre.LinkID, count uint64) {
	if out := l.ours[id]; out != nil {
		out.Took(count)
		l.settled(out.peer, out.Confirmed())
	}
}

// forgot notes that a peer has begun anew to count what it confirms.
func (l *books) forgot(id zre.LinkID) {
	if out := l.ours[id]; out != nil {
		l.lost(out)
	}
}

// lost notes that the peer at the end of a connection, which is present, may never confirm
// what it has not confirmed of what was said over it.
func (l *books) lost(out *outbound) {
	if c := l.find(out.peer); c != nil && c.Path() == out.Path {
		l.lose(c.Peer(), c.Unconfirmed(out.Path), disconnected)
	}
}

// moves notes that we end a connection to a peer that is present, to make another: what was
// said over it is lost unless the peer reads it to its end.
func (l *books) moves(out *outbound) {
	c := l.find(out.peer)
	if c == nil || c.Path() != out.Path {
		return
	}
	if what := c.Unconfirmed(out.Path); what.Messages > 0 {
		l.parting[out.Link()] = &leaver{c.Peer(), what, disconnected, l.tell(c.Peer(), what, disconnected)}
	}
}

// exits notes what a peer that is gone has not confirmed. If it is us who stop, it has yet
// to take that.
func (l *books) exits(p *Peer, reason peermachine.Reason) {
	c, ours := l.find(p.UUID()), l.of(p.UUID()).ours
	what := c.Unconfirmed(c.Path())
	if reason != peermachine.ReasonStopped {
		l.lose(c.Peer(), what, reason.String())
		l.explain(p.UUID(), reason.String())
		return
	}
	var over *link.Link
	if ours != nil && ours.Path == c.Path() && l.ours[ours.id] == ours {
		over = ours.Link()
	}
	l.takesLeave(p, over, what, reason.String())
}
