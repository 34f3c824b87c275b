package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// amount is how much content: messages, and their octets as they are on the wire.
type amount struct{ Messages, Octets uint64 }

func (a *amount) add(octets int) {
	a.Messages++
	a.Octets += uint64(octets)
}

func (a amount) plus(b amount) amount  { return amount{a.Messages + b.Messages, a.Octets + b.Octets} }
func (a amount) minus(b amount) amount { return amount{a.Messages - b.Messages, a.Octets - b.Octets} }

// tally is an amount that several goroutines add to.
type tally struct{ messages, octets atomic.Uint64 }

func (t *tally) add(octets int) {
	t.messages.Add(1)
	t.octets.Add(uint64(octets))
}

// take returns the amount, and begins anew.
func (t *tally) take() amount { return amount{t.messages.Swap(0), t.octets.Swap(0)} }

// say counts content of so many octets, and gives it its sequence number. The caller
// holds the outbox.
func (out *outbound) say(octets int) {
	out.said.add(octets)
	out.sequence++
	out.count++
	out.latest = out.count
}

// Missed is how much content a peer is not known to have got.
type Missed struct {
	ID       uuid.UUID // the nil UUID where several are told together
	Name     string
	Messages uint64
	Octets   uint64 // of the messages, as they are on the wire
	Reason   string // why it is gone, as in an exit; empty if it is not
}

// parting is a peer that we take leave of, and what it has yet to take.
type parting struct {
	peer *Peer
	amount
}

// missed are those who missed something.
type missed map[uuid.UUID]Missed

// maxMissed is how many peers are told by name; what others missed is told together,
// as of a peer without name.
const maxMissed = 1024

func (m missed) add(p *Peer, what amount, reason string) {
	if what.Messages == 0 {
		return
	}
	id := p.UUID()
	if _, known := m[id]; !known && len(m) >= maxMissed {
		id, p = uuid.Nil, nobody
	}
	m[id] = Missed{id, p.Name(), m[id].Messages + what.Messages, m[id].Octets + what.Octets, reason}
}

// UndeliveredError says that peers are not known to have got content. It is
// api.ErrUndelivered, and what ended the wait for them, if something did.
type UndeliveredError struct {
	Missed []Missed // in the order of their UUIDs
	Cause  error    // nil if none of them is waited for
}

func (e *UndeliveredError) Error() string {
	var b strings.Builder
	b.WriteString(api.ErrUndelivered.Error())
	for i, m := range e.Missed {
		if i == 4 {
			fmt.Fprintf(&b, "; and %d more peers", len(e.Missed)-i)
			break
		}
		fmt.Fprintf(&b, "; %s (%s): %d messages, %d octets", cmp.Or(m.Name, "others"), m.ID, m.Messages, m.Octets)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

func (e *UndeliveredError) Unwrap() []error {
	if e.Cause == nil {
		return []error{api.ErrUndelivered}
	}
	return []error{api.ErrUndelivered, e.Cause}
}

// err returns what there is to be said of those who missed something.
func (m missed) err(cause error) error {
	if len(m) == 0 {
		return cause
	}
	e := &UndeliveredError{Cause: cause}
	for _, who := range m {
		e.Missed = append(e.Missed, who)
	}
	slices.SortFunc(e.Missed, func(a, b Missed) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return e
}

// unsure tells whether content was said that the peer was not asked to confirm.
func (out *outbound) unsure() bool {
	asked := out.confirmed
	if last := len(out.asked) - 1; last >= 0 {
		asked = out.asked[last]
	}
	return out.sum() != asked
}

// sum returns how much content was said over a connection.
func (out *outbound) sum() (said amount) {
	out.Locked(func() { said = out.said })
	return said
}

// flush is a call of Flush that waits.
type flush struct {
	waits  map[uuid.UUID]amount // what each peer has to confirm, counted on its connection
	missed missed
	done   chan struct{} // closed when nobody is waited for
}

func (f *flush) settle(peer uuid.UUID) {
	if _, waits := f.waits[peer]; waits {
		if delete(f.waits, peer); len(f.waits) == 0 {
			close(f.done)
		}
	}
}

// Flush waits until each peer has confirmed all that was said to it. If some have not,
// because they are gone, a connection was lost, or ctx ends, it returns an
// *UndeliveredError. What was lost before is told by the first Flush after that.
func (n *Node) Flush(ctx context.Context) error {
	var f *flush
	if err := n.while(func() { f = n.flush() }); err != nil {
		return err
	}
	var cause error
	select {
	case <-f.done:
	case <-ctx.Done():
		cause = ctx.Err()
	}
	if err := n.while(func() { n.giveUp(f) }); err != nil {
		<-n.done // the loop's last word: it has ended
		n.giveUp(f)
		cause = err
	}
	return f.missed.err(cause)
}

// flush begins to wait. It is the loop's.
func (n *Node) flush() *flush {
	f := &flush{waits: map[uuid.UUID]amount{}, missed: n.loop.missed, done: make(chan struct{})}
	n.loop.missed, n.loop.flushes[f] = missed{}, true
	for _, r := range n.table.all() {
		f.missed.add(r.snapshot.Load(), r.skipped.take(), "")
		out := r.out.Load()
		said := out.sum()
		if said == out.confirmed {
			continue
		}
		f.waits[r.id] = said
		if out.unsure() {
			n.step(zre.Ask{Peer: r.id})
		}
	}
	if len(f.waits) == 0 {
		close(f.done)
	}
	return f
}

// giveUp ends the wait: what is not confirmed is missed. It is the loop's.
func (n *Node) giveUp(f *flush) {
	delete(n.loop.flushes, f)
	for id, said := range f.waits {
		if r := n.table.find(id); r != nil {
			f.missed.add(r.snapshot.Load(), said.minus(r.out.Load().confirmed), "")
		}
	}
}

// answered notes that a peer has confirmed so often.
func (n *Node) answered(peer uuid.UUID, count int) {
	c := n.loop.calls[peer]
	if c == nil || c.out == nil {
		return
	}
	out := c.out
	if n := count - out.answers; n > 0 && n <= len(out.asked) {
		out.confirmed, out.answers = out.asked[n-1], count
		out.asked = slices.Delete(out.asked, 0, n)
	}
	n.settled(peer, out)
}

// settled ends the waits for what a peer has confirmed.
func (n *Node) settled(peer uuid.UUID, out *outbound) {
	for f := range n.loop.flushes {
		if said, waits := f.waits[peer]; waits && out.confirmed.Messages >= said.Messages {
			f.settle(peer)
		}
	}
}

// took notes that a peer that leaves has taken in so many messages.
func (n *Node) took(peer uuid.UUID, count uint64) {
	c := n.loop.calls[peer]
	if c == nil || c.out == nil {
		return
	}
	c.out.Locked(func() {
		if count >= c.out.latest && count <= c.out.count {
			c.out.confirmed, c.out.asked = c.out.said, nil
		}
	})
	n.settled(peer, c.out)
}

// unconfirmed returns what a peer has not confirmed, from then on taken for told.
func (n *Node) unconfirmed(peer uuid.UUID, out *outbound) amount {
	said := out.sum()
	what := said.minus(out.confirmed).plus(n.table.find(peer).skipped.take())
	out.confirmed, out.asked, out.answers = said, nil, 0
	return what
}

// parted notes how a connection ended that we have taken leave over: who has read it to
// its end has all that was said.
func (n *Node) parted(l *link.Link, err error) {
	if m, known := n.loop.parting[l]; known && err != nil {
		n.loop.missed.add(m.peer, m.amount, peermachine.ReasonStopped.String())
	}
	delete(n.loop.parting, l)
	n.hush()
}

// hush ends the connections that were made to a node that stops, once its leave-taking
// is over: who sees them end has then heard what the node has taken.
func (n *Node) hush() {
	if !n.loop.core.Stopped() || len(n.loop.parting) > 0 {
		return
	}
	for _, r := range n.loop.inbound {
		r.hangUp()
	}
}

// lost notes that a peer that is present, or gone for a reason, may never confirm what it
// has not confirmed of what was said over a connection.
func (n *Node) lost(peer uuid.UUID, out *outbound, reason string) {
	r := n.table.find(peer)
	if r == nil || r.out.Load() != out {
		return
	}
	if what := n.unconfirmed(peer, out); !n.tell(r.snapshot.Load(), what, reason) {
		n.loop.missed.add(r.snapshot.Load(), what, reason)
	}
}

// tell has those who wait for a peer wait no more, and tells whether there are some.
func (n *Node) tell(peer *Peer, what amount, reason string) (told bool) {
	for f := range n.loop.flushes {
		if _, waits := f.waits[peer.UUID()]; waits {
			f.missed.add(peer, what, reason)
			f.settle(peer.UUID())
			told = true
		}
	}
	return told
}

// leave takes leave of a peer, which has yet to take what it has not confirmed.
func (n *Node) leave(peer *Peer, out *outbound) {
	what := n.unconfirmed(peer.UUID(), out)
	reason := peermachine.ReasonStopped.String()
	n.tell(peer, what, reason)
	if c := n.loop.calls[peer.UUID()]; c == nil || c.out != out { // it was lost
		n.loop.missed.add(peer, what, reason)
		return
	}
	n.loop.parting[out.Link] = parting{peer, what}
}

// forgot notes that a peer has begun anew to count what it confirms.
func (n *Node) forgot(peer uuid.UUID) {
	if r := n.table.find(peer); r != nil {
		n.lost(peer, r.out.Load(), "")
	}
}
