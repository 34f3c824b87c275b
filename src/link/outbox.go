package link

import (
	"cmp"
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
	room
	keeps bool // what is written; and it ends with no link

	// Guarded by the lock of the room.
	writer *writer // which Commit sets to work: of the link that it is attached to, or was until another took its place
	edge   uint64  // below which something may be begun to be written
	moves  uint64  // how often it was attached to a link
	news   news    // of what was let go of, or never will be
	broken error   // why nothing can be written any more, is ErrClosed
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
	for err == nil && !is() && o.broken == nil {
		err = o.news.wait(ctx, &o.mu)
	}
	return cmp.Or(err, o.broken)
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
		from := o.KnownLocked()
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
	return o.KnownLocked(), o.end
}

// Unacknowledged has do look at what was committed and is not acknowledged, whole frames,
// as it is from a position on, until it returns false.
func (o *Outbox) Unacknowledged(do func(position uint64, frames []byte) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for b := o.first; b != nil; b = b.after {
		if from := max(o.KnownLocked(), b.from); from < b.end() && !do(from, b.b[from-b.from:]) {
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

// release lets go of what is not needed, and has those look again who wait for that.
func (o *Outbox) release() {
	o.free()
	o.news.tell()
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
