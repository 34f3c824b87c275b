package link

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"sync"
)

// queue is whole frames that wait to be written: a double buffer, and who waits for room in
// it. Who writes them holds its lock too, see [writer.lock].
type queue struct {
	pool    *Pool
	most    int // Config.Outbox
	further int // Config.Reserve

	mu     sync.Mutex
	stays  bool    // it does not end with the link that writes it
	out    *buffer // whole frames that wait; may be nil
	spare  *buffer // what out becomes when the writer takes it; may be nil
	flying int     // octets that are being written
	flown  int     // of those, written
	sent   int64   // octets that were written, or of which a link had begun to when it left them
	excess int     // octets beyond most of a message that was let in alone

	waiting  int           // callers in await
	turn     chan struct{} // holds a token unless one of them is next
	room     chan struct{} // tells that one to look again
	progress chan struct{} // closed when some have been written, or never will; nil if nobody waits

	err    error // why nothing is taken any more, is ErrClosed
	broken error // why nothing can be written any more, is ErrClosed
}

func (q *queue) open(c *Config) {
	q.pool, q.most, q.further = c.Pool, c.Outbox, c.Reserve
	q.turn, q.room = make(chan struct{}, 1), make(chan struct{}, 1)
	q.turn <- struct{}{}
}

// Reserve waits for room for n > 0 octets, locks the outbox, and returns the room.
// The caller fills all of it with whole ZMTP frames of whole messages and calls
// Commit, soon: nobody else can send meanwhile. Senders that wait are served in
// the order in which they came. What is larger than Config.Outbox waits until
// nothing else is queued. Errors are those of ctx and ErrClosed; ctx does not
// matter to a call that need not wait.
func (q *queue) Reserve(ctx context.Context, n int) ([]byte, error) {
	q.mu.Lock()
	if q.err == nil && (q.waiting > 0 || !q.fits(n)) {
		return q.await(ctx, n)
	}
	return q.take(n, q.err)
}

// TryReserve is Reserve, but returns ErrWouldBlock where that would wait.
func (q *queue) TryReserve(n int) ([]byte, error) {
	q.mu.Lock()
	err := q.err
	if err == nil && (q.waiting > 0 || !q.fits(n)) {
		err = ErrWouldBlock
	}
	return q.take(n, err)
}

// ReserveControl is Reserve for messages that must not wait: it may use
// Config.Reserve octets beyond the outbox, overtakes senders that wait, and
// returns ErrOverflow when these are full too.
func (q *queue) ReserveControl(n int) ([]byte, error) {
	q.mu.Lock()
	return q.control(n)
}

// control is ReserveControl for who has locked the outbox.
func (q *queue) control(n int) ([]byte, error) {
	err := q.err
	if err == nil && q.queued()+n > q.most+q.excess+q.further {
		err = ErrOverflow
	}
	return q.take(n, err)
}

// Queued returns the octets that were committed and are not yet handed to the
// operating system.
func (q *queue) Queued() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queued()
}

// Flush waits until all that was committed before is handed to the operating
// system, by whichever link. Errors are those of ctx and ErrClosed.
func (q *queue) Flush(ctx context.Context) (err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for goal := q.sent + int64(q.queued()); err == nil && q.sent < goal && q.broken == nil; q.mu.Lock() {
		err = q.news(ctx)
	}
	return cmp.Or(err, q.broken)
}

// news unlocks the queue, and waits until some of it has been written, or never will be.
func (q *queue) news(ctx context.Context) error {
	if q.progress == nil {
		q.progress = make(chan struct{})
	}
	progress := q.progress
	q.mu.Unlock()
	return pass(ctx, progress)
}

// Locked runs do while nobody reserves room or commits, which do must not do either.
func (q *queue) Locked(do func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	do()
}

func (q *queue) queued() int { return q.flying + q.out.len() }

// fits says whether there is room for n octets.
func (q *queue) fits(n int) bool {
	queued := q.queued()
	return queued == 0 || queued+n <= q.most
}

// take returns n octets at the end of the outbox, which stays locked; or, after an
// error, unlocks it.
func (q *queue) take(n int, err error) ([]byte, error) {
	if err != nil {
		q.mu.Unlock()
		return nil, err
	}
	if q.queued() == 0 {
		q.excess = max(0, n-q.most)
	}
	q.out = q.pool.room(q.out, n, math.MaxInt)
	from := len(q.out.b)
	q.out.b = q.out.b[:from+n]
	return q.out.b[from : from+n : from+n], nil
}

// await is the part of Reserve that waits: for its turn, then for room.
func (q *queue) await(ctx context.Context, n int) ([]byte, error) {
	q.waiting++
	q.mu.Unlock()
	err := pass(ctx, q.turn)
	mine := err == nil
	q.mu.Lock()
	for err == nil && q.err == nil && !q.fits(n) {
		q.mu.Unlock()
		err = pass(ctx, q.room)
		q.mu.Lock()
	}
	if mine {
		q.turn <- struct{}{}
	}
	q.waiting--
	return q.take(n, cmp.Or(q.err, err))
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

// flew takes note that what was flying is written, and keeps its buffer.
func (q *queue) flew(taken *buffer) {
	q.sent += int64(q.flying)
	q.flying, q.flown = 0, 0
	if taken.b = taken.b[:0]; q.spare == nil {
		q.spare = taken
	} else {
		q.pool.put(taken)
	}
	q.wake()
}

// wake has those look again who wait for room, or for the end of a write.
func (q *queue) wake() {
	select {
	case q.room <- struct{}{}:
	default:
	}
	if q.progress != nil {
		close(q.progress)
		q.progress = nil
	}
}

// rest gives the buffers back that the outbox does not need while nothing is written: all
// of them, unless another link may write what waits.
func (q *queue) rest() {
	if q.out != nil && (!q.stays || q.out.len() == 0) {
		q.pool.put(q.out)
		q.out = nil
	}
	if q.spare != nil {
		q.pool.put(q.spare)
		q.spare = nil
	}
}

// shut ends the taking of messages. The cause may be nil.
func (q *queue) shut(cause error) {
	if q.err != nil {
		return
	}
	q.err = ErrClosed
	if cause != nil {
		q.err = fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	q.wake()
}

// end drops what waits, and takes nothing any more.
func (q *queue) end() {
	q.shut(nil)
	q.broken = cmp.Or(q.broken, q.err)
	q.stays = false
	q.rest()
	q.wake()
}
