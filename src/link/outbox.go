package link

import (
	"context"
	"fmt"
	"math"
	"sync"
)

// Outbox is where senders leave messages for the link that it is attached to: a double
// buffer, and who waits for it. It is made with a link, ends with that, and outlives it
// only after [Outbox.Attach]. All methods may be called at the same time.
type Outbox struct {
	pool    *Pool
	most    int // Config.Outbox
	further int // Config.Reserve

	mu     sync.Mutex
	link   *Link   // that it is attached to: link.box is this outbox, unless another was put in its place
	stays  bool    // it does not end with its link
	out    *buffer // whole frames that wait to be written; may be nil
	spare  *buffer // what out becomes when the writer takes it; may be nil
	flying int     // octets that the link is writing
	flown  int     // of those, written
	sent   int64   // octets that links have written, or had begun to when it left them
	since  uint64  // what Taken said when it came to this link, less what it would have said of the link alone
	excess int     // octets beyond most of a message that was let in alone

	waiting  int           // callers in await
	turn     chan struct{} // holds a token unless one of them is next
	room     chan struct{} // tells that one to look again
	progress chan struct{} // closed when some have been written, or never will; nil if nobody waits

	err    error         // why nothing is taken any more, is ErrClosed
	broken error         // why nothing can be written any more, is ErrClosed
	sealed chan struct{} // closed when err is set
}

// newOutbox returns the outbox of a link.
func newOutbox(l *Link) *Outbox {
	c := &l.config
	o := &Outbox{pool: c.Pool, most: c.Outbox, further: c.Reserve, link: l}
	o.turn, o.room = make(chan struct{}, 1), make(chan struct{}, 1)
	o.turn <- struct{}{}
	o.sealed = make(chan struct{})
	return o
}

// Reserve waits for room for n > 0 octets, locks the outbox, and returns the room.
// The caller fills all of it with whole ZMTP frames of whole messages and calls
// Commit, soon: nobody else can send meanwhile. Senders that wait are served in
// the order in which they came. What is larger than Config.Outbox waits until
// nothing else is queued. Errors are those of ctx and ErrClosed; ctx does not
// matter to a call that need not wait.
func (o *Outbox) Reserve(ctx context.Context, n int) ([]byte, error) {
	o.mu.Lock()
	if o.err == nil && (o.waiting > 0 || !o.fits(n)) {
		return o.await(ctx, n)
	}
	return o.take(n, o.err)
}

// TryReserve is Reserve, but returns ErrWouldBlock where that would wait.
func (o *Outbox) TryReserve(n int) ([]byte, error) {
	o.mu.Lock()
	err := o.err
	if err == nil && (o.waiting > 0 || !o.fits(n)) {
		err = ErrWouldBlock
	}
	return o.take(n, err)
}

// ReserveControl is Reserve for messages that must not wait: it may use
// Config.Reserve octets beyond the outbox, overtakes senders that wait, and
// returns ErrOverflow when these are full too.
func (o *Outbox) ReserveControl(n int) ([]byte, error) {
	o.mu.Lock()
	return o.control(n)
}

// control is ReserveControl for who has locked the outbox.
func (o *Outbox) control(n int) ([]byte, error) {
	err := o.err
	if err == nil && o.queued()+n > o.most+o.excess+o.further {
		err = ErrOverflow
	}
	return o.take(n, err)
}

// Commit lets the octets of the last Reserve be written, and unlocks the outbox.
func (o *Outbox) Commit() {
	if !o.link.writing {
		o.link.start(o)
	}
	o.mu.Unlock()
}

// Queued returns the octets that were committed and are not yet handed to the
// operating system.
func (o *Outbox) Queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.queued()
}

// Flush waits until all that was committed before is handed to the operating
// system, by whichever link. Errors are those of ctx and ErrClosed.
func (o *Outbox) Flush(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for goal := o.sent + int64(o.queued()); o.sent < goal && o.broken == nil; {
		if o.progress == nil {
			o.progress = make(chan struct{})
		}
		progress := o.progress
		o.mu.Unlock()
		select {
		case <-progress:
			o.mu.Lock()
		case <-ctx.Done():
			o.mu.Lock()
			return context.Cause(ctx)
		}
	}
	return o.broken
}

// Taken returns how many octets the far side has taken of late, as a number that only
// grows, and whether it has yet to take some. Where the operating system does not tell
// what has arrived, what it has accepted itself counts as taken.
func (o *Outbox) Taken() (octets uint64, owes bool) {
	o.mu.Lock()
	l, since := o.link, o.since
	octets, owes = o.counts()
	o.mu.Unlock()
	octets, owes = l.arrivals(octets, owes)
	return since + octets, owes
}

// counts is Taken as far as the outbox itself knows. The caller has locked it.
func (o *Outbox) counts() (octets uint64, owes bool) {
	return uint64(o.sent) + uint64(o.flown), o.queued() > 0
}

// Locked runs do while nobody reserves room or commits, which do must not do either.
func (o *Outbox) Locked(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	do()
}

func (o *Outbox) queued() int {
	if o.out == nil {
		return o.flying
	}
	return o.flying + len(o.out.b)
}

// fits says whether there is room for n octets.
func (o *Outbox) fits(n int) bool {
	queued := o.queued()
	return queued == 0 || queued+n <= o.most
}

// take returns n octets at the end of the outbox, which stays locked; or, after an
// error, unlocks it.
func (o *Outbox) take(n int, err error) ([]byte, error) {
	if err != nil {
		o.mu.Unlock()
		return nil, err
	}
	if o.queued() == 0 {
		o.excess = max(0, n-o.most)
	}
	if o.out == nil {
		o.out = o.pool.get(n)
	} else if len(o.out.b)+n > cap(o.out.b) {
		o.out = o.pool.grow(o.out, n, math.MaxInt)
	}
	from := len(o.out.b)
	o.out.b = o.out.b[:from+n]
	return o.out.b[from : from+n : from+n], nil
}

// await is the part of Reserve that waits: for its turn, then for room.
func (o *Outbox) await(ctx context.Context, n int) ([]byte, error) {
	o.waiting++
	o.mu.Unlock()
	err := o.sleep(ctx, o.turn)
	mine := err == nil
	o.mu.Lock()
	for err == nil && o.err == nil && !o.fits(n) {
		o.mu.Unlock()
		err = o.sleep(ctx, o.room)
		o.mu.Lock()
	}
	if mine {
		o.turn <- struct{}{}
	}
	o.waiting--
	if o.err != nil {
		err = o.err
	}
	return o.take(n, err)
}

// sleep waits at a gate until it opens, ctx ends or the outbox is sealed.
func (o *Outbox) sleep(ctx context.Context, gate <-chan struct{}) error {
	select {
	case <-gate:
		return nil
	case <-o.sealed:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// flew takes note of the end of a write, and keeps its buffer for the next one.
func (o *Outbox) flew(taken *buffer) {
	o.sent += int64(o.flying)
	o.flying, o.flown = 0, 0
	if taken.b = taken.b[:0]; o.spare == nil {
		o.spare = taken
	} else {
		o.pool.put(taken)
	}
	o.wake()
}

// wake has those look again who wait for room, or for the end of a write.
func (o *Outbox) wake() {
	if o.waiting > 0 {
		select {
		case o.room <- struct{}{}:
		default:
		}
	}
	if o.progress != nil {
		close(o.progress)
		o.progress = nil
	}
}

// rest gives the buffers back that the outbox does not need while nothing is written: all
// of them, unless another link may write what waits.
func (o *Outbox) rest() {
	if o.out != nil && (!o.stays || len(o.out.b) == 0) {
		o.pool.put(o.out)
		o.out = nil
	}
	if o.spare != nil {
		o.pool.put(o.spare)
		o.spare = nil
	}
}

// shut ends the taking of messages. The cause may be nil.
func (o *Outbox) shut(cause error) {
	if o.err != nil {
		return
	}
	o.err = ErrClosed
	if cause != nil {
		o.err = fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	close(o.sealed)
}
