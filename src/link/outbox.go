package link

import (
	"context"
	"math"
	"sync"
	"time"
)

// outbox is the sending half of a link: a double buffer and who waits for it.
type outbox struct {
	mu      sync.Mutex
	out     *buffer        // octets that wait to be written; may be nil
	covered int            // octets of out that are sealed already, with CURVE
	spare   *buffer        // what out becomes when the writer takes it; may be nil
	flying  int            // octets that the writer is writing
	flown   int            // of those, written
	sent    int64          // octets written since the link was opened
	excess  int            // octets beyond Outbox of a message that was let in alone
	wrote   time.Duration  // from opened to the end of the last write
	writing bool           // the writer runs
	writer  sync.WaitGroup // its end
	run     func()         // write

	waiting  int           // callers in await
	turn     chan struct{} // holds a token unless one of them is next
	room     chan struct{} // tells that one to look again
	progress chan struct{} // closed when the writer has written; nil if nobody waits

	err    error         // why nothing is taken any more, is ErrClosed
	broken error         // why nothing can be written any more, is ErrClosed
	sealed chan struct{} // closed when err is set

	push    func(fd uintptr) bool // tries to write out
	pushed  int                   // what became of it
	pushErr error
}

func (l *Link) openOutbox() {
	l.turn, l.room = make(chan struct{}, 1), make(chan struct{}, 1)
	l.turn <- struct{}{}
	l.sealed = make(chan struct{})
	l.run = l.write
	l.push = func(fd uintptr) bool {
		l.pushed, l.pushErr = tryWrite(fd, l.out.b)
		return true
	}
}

// Reserve waits for room for n > 0 octets, locks the outbox, and returns the room.
// The caller fills all of it with whole ZMTP frames of whole messages and calls
// Commit, soon: nobody else can send meanwhile. Senders that wait are served in
// the order in which they came. What is larger than Config.Outbox waits until
// nothing else is queued. Errors are those of ctx and ErrClosed; ctx does not
// matter to a call that need not wait.
func (l *Link) Reserve(ctx context.Context, n int) ([]byte, error) {
	l.mu.Lock()
	if l.err == nil && (l.waiting > 0 || !l.fits(n)) {
		return l.await(ctx, n)
	}
	return l.take(n, l.err)
}

// TryReserve is Reserve, but returns ErrWouldBlock where that would wait.
func (l *Link) TryReserve(n int) ([]byte, error) {
	l.mu.Lock()
	err := l.err
	if err == nil && (l.waiting > 0 || !l.fits(n)) {
		err = ErrWouldBlock
	}
	return l.take(n, err)
}

// ReserveControl is Reserve for messages that must not wait: it may use
// Config.Reserve octets beyond the outbox, overtakes senders that wait, and
// returns ErrOverflow when these are full too.
func (l *Link) ReserveControl(n int) ([]byte, error) {
	l.mu.Lock()
	err := l.err
	if err == nil && l.queued()+n > l.config.Outbox+l.excess+l.config.Reserve {
		err = ErrOverflow
	}
	return l.take(n, err)
}

// Commit lets the octets of the last Reserve be written, and unlocks the outbox.
func (l *Link) Commit() {
	if !l.writing {
		l.start()
	}
	l.mu.Unlock()
}

// Queued returns the octets that were committed and are not yet handed to the
// operating system.
func (l *Link) Queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued()
}

// Flush waits until all that was committed before is handed to the operating
// system. Errors are those of ctx and ErrClosed.
func (l *Link) Flush(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for goal := l.sent + int64(l.queued()); l.sent < goal && l.broken == nil; {
		if l.progress == nil {
			l.progress = make(chan struct{})
		}
		progress := l.progress
		l.mu.Unlock()
		select {
		case <-progress:
			l.mu.Lock()
		case <-ctx.Done():
			l.mu.Lock()
			return context.Cause(ctx)
		}
	}
	return l.broken
}

// Taken returns how many octets the far side has taken of late, as a number that only
// grows, and whether it has yet to take some. Where the operating system does not tell
// what has arrived, what it has accepted itself counts as taken.
func (l *Link) Taken() (octets uint64, owes bool) {
	l.mu.Lock()
	octets, owes = uint64(l.sent)+uint64(l.flown), l.queued() > 0
	l.mu.Unlock()
	if l.raw != nil {
		if acknowledged, under, ok := arrived(l.raw); ok {
			return acknowledged, owes || under
		}
	}
	return octets, owes
}

// Locked runs do while nobody reserves room or commits, which do must not do either.
func (l *Link) Locked(do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do()
}

func (l *Link) queued() int {
	if l.out == nil {
		return l.flying
	}
	return l.flying + len(l.out.b)
}

// fits says whether there is room for n octets.
func (l *Link) fits(n int) bool {
	queued := l.queued()
	return queued == 0 || queued+n <= l.config.Outbox
}

// take returns n octets at the end of the outbox, which stays locked; or, after an
// error, unlocks it.
func (l *Link) take(n int, err error) ([]byte, error) {
	if err != nil {
		l.mu.Unlock()
		return nil, err
	}
	if l.queued() == 0 {
		l.excess = max(0, n-l.config.Outbox)
	}
	if l.out == nil {
		l.out = l.config.Pool.get(n)
	} else if len(l.out.b)+n > cap(l.out.b) {
		l.out = l.config.Pool.grow(l.out, n, math.MaxInt)
	}
	from := len(l.out.b)
	l.out.b = l.out.b[:from+n]
	return l.out.b[from : from+n : from+n], nil
}

// await is the part of Reserve that waits: for its turn, then for room.
func (l *Link) await(ctx context.Context, n int) ([]byte, error) {
	l.waiting++
	l.mu.Unlock()
	err := l.sleep(ctx, l.turn)
	mine := err == nil
	l.mu.Lock()
	for err == nil && l.err == nil && !l.fits(n) {
		l.mu.Unlock()
		err = l.sleep(ctx, l.room)
		l.mu.Lock()
	}
	if mine {
		l.turn <- struct{}{}
	}
	l.waiting--
	if l.err != nil {
		err = l.err
	}
	return l.take(n, err)
}

// sleep waits at a gate until it opens, ctx ends or the outbox is sealed.
func (l *Link) sleep(ctx context.Context, gate <-chan struct{}) error {
	select {
	case <-gate:
		return nil
	case <-l.sealed:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
