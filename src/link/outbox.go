package link

import (
	"context"
	"errors"
	"math"
	"sync"
)

// ErrPosition says that an outbox does not have what is asked for: it was let go of, or
// never written.
var ErrPosition = errors.New("link: no such position in the outbox")

// Outbox is where senders leave messages for the link that it is attached to: whole frames
// in the order in which they were committed. Positions in it are octets from its first.
//
// The one that a link is opened with ends with that, and lets go of what is written. One of
// [NewOutbox] keeps what is written until [Outbox.Acknowledge], and goes on over the next
// link when its own is lost. All methods may be called at the same time.
type Outbox struct {
	row
	most    int  // octets that may be in it
	further int  // and so many more, for ReserveControl
	keeps   bool // what is written; and it ends with no link

	mu     sync.Mutex
	writer *writer // which Commit sets to work: of the link that it is attached to, or was until another took its place
	excess int     // octets beyond most of a message that was let in alone
	edge   uint64  // below which something may be begun to be written
	moves  uint64  // how often it was attached to a link

	waiting  int           // callers in await
	turn     chan struct{} // holds a token unless one of them is next; nil before the first waits
	room     chan struct{} // tells that one to look again; nil before
	progress chan struct{} // closed when some have been let go of, or never will; nil if nobody waits

	err    error // why nothing is taken any more, is ErrClosed
	broken error // why nothing can be written any more, is ErrClosed
}

// NewOutbox returns an outbox that outlives links, with the pool, the outbox and the
// reserve of a configuration. It has no link yet, and none writes before [Outbox.Grant].
func NewOutbox(c Config) *Outbox {
	c.limits()
	o := &Outbox{keeps: true, writer: &nowhere.writer}
	o.open(&c)
	o.acked, o.edge = 0, 0
	return o
}

// nowhere is the link of outboxes that have none yet.
var nowhere = Ended()

func (o *Outbox) open(c *Config) {
	o.pool, o.sum, o.most, o.further, o.acked, o.edge = c.Pool, c.Sum, c.Outbox, c.Reserve, math.MaxUint64, math.MaxUint64
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
	err := o.err
	if err == nil && o.held()+n > o.most+o.excess+o.further {
		err = ErrOverflow
	}
	return o.take(n, err)
}

// ReserveLast is Reserve for what is said last to a far side that takes nothing: it has room
// whatever is there, and is to be followed by the end of the outbox.
func (o *Outbox) ReserveLast(n int) ([]byte, error) {
	o.mu.Lock()
	return o.take(n, o.err)
}

// KnownLocked returns the position before which all is acknowledged, to who has reserved
// room.
func (o *Outbox) KnownLocked() uint64 { return o.known() }

// EndLocked returns the position behind what the last Reserve returned. It is called before
// the Commit.
func (o *Outbox) EndLocked() uint64 { return o.end }

// Commit lets the octets of the last Reserve be written, and unlocks the outbox.
func (o *Outbox) Commit() { o.writer.commit(o) }

// Cancel gives back what the last Reserve returned, and unlocks the outbox.
func (o *Outbox) Cancel(room []byte) {
	o.shrink(len(room))
	o.release()
	o.mu.Unlock()
}

// Queued returns the octets that were committed and are still there: not yet handed to the
// operating system or, where that is waited for, not yet acknowledged.
func (o *Outbox) Queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held()
}

// Flush waits until nothing is there any more of what was committed before. Errors are
// those of ctx and ErrClosed.
func (o *Outbox) Flush(ctx context.Context) (err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	goal := o.end
	return o.until(ctx, func() bool { return o.low >= goal })
}

// Write waits until nothing is there any more of what is before a position, and all that was
// committed before is written. Errors are those of Flush.
func (o *Outbox) Write(ctx context.Context, position uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	goal := o.end
	return o.until(ctx, func() bool { return o.low >= position && o.next >= goal })
}

// until waits until something is so of the outbox, which is locked then, as before.
func (o *Outbox) until(ctx context.Context, is func() bool) (err error) {
	for ; err == nil && !is() && o.broken == nil; o.mu.Lock() {
		err = o.news(ctx)
	}
	if err != nil {
		return err
	}
	return o.broken
}

// news unlocks the outbox, and waits until some of it is let go of, or never will be.
func (o *Outbox) news(ctx context.Context) error {
	if o.progress == nil {
		o.progress = make(chan struct{})
	}
	progress := o.progress
	o.mu.Unlock()
	return pass(ctx, progress)
}

// Locked runs do while nobody reserves room or commits, which do must not do either.
func (o *Outbox) Locked(do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	do()
}

// Taken returns how many octets the far side has taken of late, as a number that only
// grows, and whether it has yet to take some. Where the operating system does not tell
// what has arrived, what it has accepted itself counts as taken. It is for the outbox that
// a link was opened with.
func (o *Outbox) Taken() (octets uint64, owes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writer.taken(o)
}

// Attach has a link write what is in the outbox from a position on, at which a message
// begins, and then what is committed. The position lies between what was acknowledged last
// and what a link has begun to write, else Attach returns ErrPosition; if the outbox has ended, why.
//
// What the old link has begun to write is written or lost there; it goes on with messages
// of its own, see [Link.Say]. What the new link has been told to say goes first, and the
// outbox that it was opened with ends, with what is in it. The caller must not have
// reserved room in either outbox.
func (o *Outbox) Attach(to *Link, from uint64) error {
	return o.attach(to, func() uint64 { return from })
}

// Resume is Attach from the position before which all is acknowledged, which begin gets: it
// may have the link say where that is. Meanwhile nothing is acknowledged.
func (o *Outbox) Resume(to *Link, begin func(from uint64)) error {
	return o.attach(to, func() uint64 {
		from := o.known()
		begin(from)
		return from
	})
}

func (o *Outbox) attach(to *Link, position func() uint64) error {
	attaching.Lock()
	defer attaching.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return o.err
	}
	from := position()
	if from < o.low || from > o.high {
		return ErrPosition
	}
	o.writer.leave(o)
	o.writer = &to.writer
	o.moves++
	o.seek(from)
	o.writer.adopt(o)
	return nil
}

// attaching serialises calls of Attach: nobody else holds two outboxes at a time.
var attaching sync.Mutex

// Acknowledge lets go of what is before a position, but for what the present link has yet
// to write again. It returns ErrPosition if no link has begun to write that.
func (o *Outbox) Acknowledge(to uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if to > o.high {
		return ErrPosition
	}
	o.acked = max(o.acked, to)
	o.release()
	return nil
}

// Grant lets what begins below a position be written, a buffer at a time. The position only
// grows.
func (o *Outbox) Grant(edge uint64) {
	o.mu.Lock()
	if edge <= o.edge || o.broken != nil {
		o.mu.Unlock()
		return
	}
	o.edge = edge
	o.writer.commit(o)
}

// Acknowledged returns the position before which all is acknowledged, and the end of what
// was committed.
func (o *Outbox) Acknowledged() (to, end uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.known(), o.end
}

// Unacknowledged has do look at what was committed and is not acknowledged, whole frames,
// as it is from a position on, until it returns false.
func (o *Outbox) Unacknowledged(do func(position uint64, frames []byte) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := o.first; b != nil; b = b.after {
		if from := max(o.known(), b.from); from < b.end() && !do(from, b.b[from-b.from:]) {
			return
		}
	}
}

// Doubt notes whether it is in doubt that the far side is there: see [Sum].
func (o *Outbox) Doubt(doubt bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.doubts(doubt)
}

func (o *Outbox) doubts(doubt bool) {
	switch {
	case doubt == o.doubt:
		return
	case doubt:
		o.sum.doubt(o.has)
	default:
		o.sum.doubt(-o.has)
	}
	o.doubt = doubt
}

// Retire has the outbox end without letting go of what is in it: no link writes that any
// more, and it is there until Acknowledge, which may be for all of it then.
func (o *Outbox) Retire() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writer.leave(o)
	o.doubts(false)
	o.shut(nil)
	if o.broken == nil {
		o.broken = ErrClosed
	}
	o.high = o.end
	o.advance(o.end)
	o.release()
}

// Shut has the outbox take nothing any more. What is in it stays.
func (o *Outbox) Shut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut(nil)
}

// Discard ends the outbox: what is in it is dropped, it takes nothing any more, and who
// waits gets ErrClosed. The link that it is attached to goes on.
func (o *Outbox) Discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writer.leave(o)
	o.finish(nil)
}

// fits says whether there is room for n octets.
func (o *Outbox) fits(n int) bool {
	held := o.held()
	return (held == 0 || held+n <= o.most) && o.sum.fits(o, held, o.buffer(n))
}

// take returns n octets at the end of the outbox, which stays locked; or, after an
// error, unlocks it.
func (o *Outbox) take(n int, err error) ([]byte, error) {
	if err != nil {
		o.mu.Unlock()
		return nil, err
	}
	if o.held() == 0 {
		o.excess = max(0, n-o.most)
	}
	return o.extend(n), nil
}

// await is the part of Reserve that waits: for its turn, then for room.
func (o *Outbox) await(ctx context.Context, n int) ([]byte, error) {
	if o.waiting++; o.turn == nil {
		o.turn, o.room = make(chan struct{}, 1), make(chan struct{}, 1)
		o.turn <- struct{}{}
	}
	o.mu.Unlock()
	err := pass(ctx, o.turn)
	mine := err == nil
	o.mu.Lock()
	for err == nil && o.err == nil {
		if o.sum.expects(o); o.fits(n) {
			break
		}
		o.mu.Unlock()
		err = pass(ctx, o.room)
		o.mu.Lock()
	}
	if mine {
		o.turn <- struct{}{}
	}
	if o.waiting--; o.err != nil {
		err = o.err
	}
	return o.take(n, err)
}

// pass waits at a gate until it opens or ctx ends.
func pass(ctx context.Context, gate <-chan struct{}) error {
	select {
	case <-gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release lets go of what is not needed, and has those look again who wait for that.
func (o *Outbox) release() {
	o.drop()
	if o.first == nil {
		o.sum.leave(o)
	}
	o.wake()
}

// look has the one look again who waits for room.
func (o *Outbox) look() {
	select {
	case o.room <- struct{}{}:
	default:
	}
}

// wake has those look again who wait for room, or for something to be let go of.
func (o *Outbox) wake() {
	o.look()
	if o.progress != nil {
		close(o.progress)
		o.progress = nil
	}
}

// shut ends the taking of messages. The cause may be nil.
func (o *Outbox) shut(cause error) {
	if o.err == nil {
		o.err = closed(cause)
		o.wake()
	}
}

// finish drops what there is, and takes nothing any more. The cause may be nil.
func (o *Outbox) finish(cause error) {
	o.shut(cause)
	if o.broken == nil {
		o.broken = closed(cause)
	}
	o.acked = o.end
	o.advance(o.end)
	o.release()
}
