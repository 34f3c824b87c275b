package channel

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncelink"
)

// FirstWindow is how many octets a peer may have sent at first that are not acknowledged.
const FirstWindow = oncelink.MaxFirstWindow

// AckDelay is how late an acknowledgement may be.
const AckDelay = oncelink.MaxAckDelay * time.Millisecond

// windowTime is how long a window should last: one that is used up sooner is doubled.
const windowTime = time.Second

// Errors of who sends over a channel.
var (
	ErrGap    = errors.New("what comes over the link is not the next in its channel")
	ErrWindow = errors.New("more has come than was let")
)

// Budget is how many octets the windows of all channels may have beyond the first.
type Budget struct {
	used atomic.Int64
	most int64
}

// NewBudget returns a budget of so many octets.
func NewBudget(most int) *Budget { return &Budget{most: int64(most)} }

// Reach is how far a node has received what a peer says in a channel, and how far the peer
// may go on. All but Next and Edge is guarded by the caller.
type Reach struct {
	next   atomic.Uint64
	edge   atomic.Uint64 // that the peer was told
	told   uint64        // of next, the peer
	window uint64        // how far the edge is ahead
	grew   uint64        // next when the window last grew
	grewAt time.Time     // and when that was
}

// Next returns the position of the next message.
func (r *Reach) Next() uint64 { return r.next.Load() }

// NewReach returns the reach of a channel that begins.
func NewReach() *Reach {
	r := &Reach{window: FirstWindow}
	r.edge.Store(FirstWindow)
	return r
}

// Edge returns how far the peer may go on.
func (r *Reach) Edge() uint64 { return r.edge.Load() }

// Window returns how many octets the peer may have sent that are not acknowledged.
func (r *Reach) Window() uint64 { return r.window }

// Took notes that all before a position was taken.
func (r *Reach) Took(position uint64) { r.next.Store(position) }

// Passes looks at a message of so many octets at a position of a link, where next is what
// is expected. It tells whether the message is new.
func (r *Reach) Passes(at, next uint64, octets int) (fresh bool, err error) {
	switch end := at + uint64(octets); {
	case at > next || at < next && end > next:
		return false, ErrGap
	case at >= r.Edge()+oncelink.MaxBeyondEdge: // what was let begins below the edge
		return false, ErrWindow
	}
	return at == next, nil
}

// Due tells whether the peer is to be told now how far it was received.
func (r *Reach) Due() bool { return r.Next()-r.told >= min(oncelink.MaxAckOctets, r.window/4) }

// Delay returns how late the peer may be told: soon where it may have no room to say more.
func (r *Reach) Delay() time.Duration {
	if r.Next()-r.told >= oncelink.MaxAckSoonOctets {
		return oncelink.MaxAckSoon * time.Millisecond
	}
	return AckDelay
}

// Owes tells whether there is anything to tell.
func (r *Reach) Owes() bool { return r.Next() != r.told }

// Told returns how far the peer was received, and the edge that it may go to, to tell it that:
// as before if no more is to come now. A window that is used up soon grows to most.
func (r *Reach) Told(now time.Time, more bool, b *Budget, most int) (position, edge uint64) {
	position = r.Next()
	switch used := position - r.grew; {
	case r.grewAt.IsZero() || now.Sub(r.grewAt) > windowTime:
		r.grew, r.grewAt = position, now
	case more && used >= r.window && 2*r.window <= uint64(most):
		if b.used.Add(int64(r.window)) <= b.most {
			r.window *= 2
		} else {
			b.used.Add(-int64(r.window))
		}
		r.grew, r.grewAt = position, now
	}
	if more {
		r.edge.Store(max(r.Edge(), position+r.window))
	}
	r.told = position
	return position, r.Edge()
}

// End gives back what the window has of the budget.
func (r *Reach) End(b *Budget) {
	b.used.Add(FirstWindow - int64(r.window))
	r.window = FirstWindow
}
