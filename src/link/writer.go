package link

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// burstGap is how long after a write the next one counts as part of a burst, which
// the writer gathers. A message that comes later, or after one of the far side, is
// written by its sender.
const burstGap = 20 * time.Microsecond

// gather is how many octets a write is worth. If there are fewer, others that are ready to
// run go first: senders add to them, and a shout meets all of its receivers that way.
const gather = 32 << 10

// coverSize is how many octets are sealed before they are written; a frame that is
// larger is sealed alone.
const coverSize = busyBuffer

// writer is the sending half of a link: it empties the outbox that is attached to it. All
// but box is guarded by the lock of that outbox; see lock.
type writer struct {
	box     atomic.Pointer[Outbox]
	begun   *buffer        // octets that belong to this link whatever becomes of the outbox, and go first; may be nil
	covered int            // of those, how many are in the form in which they are written
	writing bool           // write runs
	writes  sync.WaitGroup // its end
	run     func()         // write
	wrote   time.Duration  // from opened to the end of the last write
	over    bool           // nothing of an outbox that stays is written any more
	dead    error          // why nothing can be written any more, is ErrClosed

	push    func(fd uintptr) bool // tries to write begun
	pushed  int                   // what became of it
	pushErr error
}

func (l *Link) openWriter() {
	l.Outbox = newOutbox(l)
	l.box.Store(l.Outbox)
	l.run = l.write
	l.push = func(fd uintptr) bool {
		l.pushed, l.pushErr = tryWrite(fd, l.begun.b)
		return true
	}
}

// lock locks the outbox that is attached to the link, and returns it.
func (l *Link) lock() *Outbox {
	for {
		o := l.box.Load()
		o.mu.Lock()
		if l.box.Load() == o {
			return o
		}
		o.mu.Unlock()
	}
}

// start gets octets on their way while no writer runs: by writing them here and
// now, if they are no part of a burst, else by starting it.
func (l *Link) start(o *Outbox) {
	if l.raw != nil && l.begun == nil && l.due(o) && l.alone() {
		l.try(o)
	}
	if !l.due(o) {
		o.rest()
		return
	}
	l.writing = true
	l.writes.Add(1)
	go l.run()
}

// due tells whether there is something that the link has to write, and can.
func (l *Link) due(o *Outbox) bool {
	waits := o.out != nil && len(o.out.b) > 0
	return l.dead == nil && (l.begun != nil || waits && !(l.over && o.stays))
}

// try writes what is queued as far as that can be done at once, unless it is too much to
// be sealed at once. From then on it is this link's.
func (l *Link) try(o *Outbox) {
	size := 0
	if l.remote.Cipher != nil {
		var portion []byte
		if portion, size = zmtp.Portion(o.out.b, coverSize); len(portion) < len(o.out.b) {
			return
		}
	}
	l.begun, o.out, o.flying = o.out, nil, len(o.out.b)
	if l.remote.Cipher != nil {
		cover := o.pool.get(size)
		cover.b = l.remote.Cipher.Seal(cover.b, l.begun.b)
		o.pool.put(l.begun)
		l.begun = cover
	}
	l.pushed, l.pushErr = 0, nil
	err := cmp.Or(l.raw.Write(l.push), l.pushErr)
	l.wrote = time.Since(l.opened)
	if err == nil && l.pushed < len(l.begun.b) {
		l.begun.b = l.begun.b[:copy(l.begun.b, l.begun.b[l.pushed:])]
		l.covered, o.flown = len(l.begun.b), min(o.flying, l.pushed)
		return
	}
	taken := l.begun
	if l.begun = nil; err != nil {
		l.fail(o, err)
	}
	o.flew(taken)
}

// alone says whether what is queued is no part of a burst.
func (l *Link) alone() bool {
	return time.Duration(l.heard.Load()) > l.wrote || time.Since(l.opened)-l.wrote > burstGap
}

// write writes what is queued until nothing is, or it fails.
func (l *Link) write() {
	defer l.writes.Done()
	o := l.lock()
	for l.due(o) {
		if l.begun == nil && len(o.out.b) < gather {
			o.mu.Unlock()
			runtime.Gosched()
			if o = l.lock(); !l.due(o) { // it has another outbox
				break
			}
		}
		taken, covered := l.next(o)
		o.mu.Unlock()
		err := l.send(taken.b, covered)
		o = l.lock()
		if l.wrote = time.Since(l.opened); err != nil {
			l.fail(o, err)
		}
		o.flew(taken)
	}
	if l.begun != nil {
		o.pool.put(l.begun)
		l.begun = nil
	}
	l.writing = false
	o.rest()
	o.wake()
	o.mu.Unlock()
}

// next takes what is to be written next, and how much of it is covered.
func (l *Link) next(o *Outbox) (taken *buffer, covered int) {
	if l.begun != nil {
		taken, covered = l.begun, l.covered
		l.begun, l.covered = nil, 0
		return taken, covered
	}
	taken = o.out
	o.out, o.spare, o.flying = o.spare, nil, len(taken.b)
	return taken, 0
}

// send writes octets to the connection. The first of them are sealed already.
func (l *Link) send(b []byte, covered int) (err error) {
	if l.remote.Cipher == nil {
		covered = len(b)
	}
	err = l.sendAll(b[:covered], covered)
	for b = b[covered:]; len(b) > 0 && err == nil; {
		portion, size := zmtp.Portion(b, coverSize)
		cover := l.config.Pool.get(size)
		cover.b = l.remote.Cipher.Seal(cover.b, portion)
		err = l.sendAll(cover.b, len(portion))
		l.config.Pool.put(cover)
		b = b[len(portion):]
	}
	return err
}

// sendAll writes octets that stand for so many that were queued. Where the operating
// system does not tell what arrives, it does so in portions, so that a large message is
// seen to make its way. A connection with a ZMTP of its own gets whole messages.
func (l *Link) sendAll(b []byte, queued int) error {
	portion := coverSize
	if _, own := l.conn.(Shaker); own || l.raw != nil && arrivalsKnown {
		portion = len(b)
	}
	for len(b) > 0 {
		n := min(len(b), portion)
		if _, err := l.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		o := l.lock()
		o.flown = min(o.flown+min(n, queued), o.flying)
		o.mu.Unlock()
		queued -= min(n, queued)
	}
	return nil
}

// settle waits until all is written that was committed for this link.
func (l *Link) settle(ctx context.Context) error {
	o := l.lock()
	for l.writing {
		if o.progress == nil {
			o.progress = make(chan struct{})
		}
		progress := o.progress
		o.mu.Unlock()
		select {
		case <-progress:
			o = l.lock()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer o.mu.Unlock()
	return l.dead
}

// arrivals is [Outbox.Taken] for a link: it puts what the operating system knows in place of
// what the outbox does.
func (l *Link) arrivals(octets uint64, owes bool) (uint64, bool) {
	if l.raw != nil {
		if acknowledged, under, ok := arrived(l.raw); ok {
			return acknowledged, owes || under
		}
	}
	return octets, owes
}

// seal ends the taking of messages, or, if the outbox stays, of what waits in it. The
// cause may be nil.
func (l *Link) seal(cause error) {
	o := l.lock()
	defer o.mu.Unlock()
	if l.over = true; !o.stays {
		o.shut(cause)
	}
}

// fail says that nothing can be written any more: part of a frame may be lost.
func (l *Link) fail(o *Outbox, err error) {
	if l.dead != nil {
		return
	}
	l.dead = fmt.Errorf("%w: %w", ErrClosed, err)
	if l.over = true; !o.stays {
		o.broken = l.dead
		o.shut(err)
	}
}
