package link

import (
	"cmp"
	"context"
	"sync"
)

// room is where senders put messages: a row that grows as far as limits let it, and the line of
// those who wait for that. Its lock guards it, and what an outbox has beside it.
type room struct {
	most    int // octets that may be in it
	further int // and so many more, for ReserveControl

	mu sync.Mutex
	row
	excess  int // octets beyond most of a message that was let in alone
	senders line
	err     error // why nothing is taken any more, is ErrClosed
}

// Reserve waits for room for n > 0 octets, locks the outbox, and returns the room.
// The caller fills all of it with whole ZMTP frames of whole messages and calls
// Commit, soon: nobody else can send meanwhile. Senders that wait are served in
// the order in which they came. What is larger than Config.Outbox waits until
// nothing else is queued. Errors are those of ctx and ErrClosed; ctx does not
// matter to a call that need not wait.
func (r *room) Reserve(ctx context.Context, n int) ([]byte, error) {
	r.mu.Lock()
	if r.err == nil && (r.senders.waiting > 0 || !r.fits(n)) {
		return r.await(ctx, n)
	}
	return r.take(n, r.err)
}

// TryReserve is Reserve, but returns ErrWouldBlock where that would wait.
func (r *room) TryReserve(n int) ([]byte, error) {
	r.mu.Lock()
	err := r.err
	if err == nil && (r.senders.waiting > 0 || !r.fits(n)) {
		err = ErrWouldBlock
	}
	return r.take(n, err)
}

// ReserveControl is Reserve for messages that must not wait: it may use
// Config.Reserve octets beyond the outbox, overtakes senders that wait, and
// returns ErrOverflow when these are full too.
func (r *room) ReserveControl(n int) ([]byte, error) {
	r.mu.Lock()
	err := r.err
	if err == nil && r.held()+n > r.most+r.excess+r.further {
		err = ErrOverflow
	}
	return r.take(n, err)
}

// ReserveLast is Reserve for what is said last to a far side that takes nothing: it has room
// whatever is there, and is to be followed by the end of the outbox.
func (r *room) ReserveLast(n int) ([]byte, error) {
	r.mu.Lock()
	return r.take(n, r.err)
}

// fits says whether there is room for n octets.
func (r *room) fits(n int) bool {
	held := r.held()
	return (held == 0 || held+n <= r.most) && r.sum.fits(&r.senders, held, r.buffer(n))
}

// take returns n octets at the end of the row, and leaves the lock to the caller; or, after an
// error, gives it back.
func (r *room) take(n int, err error) ([]byte, error) {
	if err != nil {
		r.mu.Unlock()
		return nil, err
	}
	if r.held() == 0 {
		r.excess = max(0, n-r.most)
	}
	return r.extend(n), nil
}

// await is the part of Reserve that waits: for its turn, then for room.
func (r *room) await(ctx context.Context, n int) ([]byte, error) {
	err := r.senders.enter(ctx, &r.mu)
	next := err == nil
	for err == nil && r.err == nil {
		if r.sum.expects(&r.senders); r.fits(n) {
			break
		}
		err = r.senders.wait(ctx, &r.mu)
	}
	r.senders.leave(next)
	return r.take(n, cmp.Or(r.err, err))
}

// free lets go of what is not needed, and has who waits for room look again.
func (r *room) free() {
	r.drop()
	if r.first == nil {
		r.sum.leave(&r.senders)
	}
	r.senders.look()
}

// shut ends the taking of messages. The cause may be nil.
func (r *room) shut(cause error) {
	if r.err == nil {
		r.err = closed(cause)
		r.senders.look()
	}
}
