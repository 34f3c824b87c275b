package link

import (
	"cmp"
	"context"
	"fmt"
	"math"
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

// coverSize is how many octets are encrypted before they are written; a frame that is
// larger is encrypted alone.
const coverSize = 128 << 10

// writer is the sending half of a link: it empties the queue that is attached to it. All
// but the first three is guarded by the lock of that queue; see lock.
type writer struct {
	*carrier
	attached atomic.Pointer[queue]
	writes   sync.WaitGroup // the end of write
	begun    *buffer        // octets that belong to this link whatever becomes of the queue, and go first; may be nil
	covered  int            // of those, how many are in the form in which they are written
	writing  bool           // write runs
	over     bool           // nothing of a queue that stays is written any more
	run      func()         // write
	wrote    time.Duration  // from opened to the end of the last write
	dead     error          // why nothing can be written any more, is ErrClosed

	push    func(fd uintptr) bool // tries to write begun
	pushed  int                   // what became of it
	pushErr error
}

func (w *writer) open(c *carrier, q *queue) {
	w.carrier = c
	w.attached.Store(q)
	w.run = w.write
	w.push = func(fd uintptr) bool {
		w.pushed, w.pushErr = tryWrite(fd, w.begun.b)
		return true
	}
}

// lock locks the queue that is attached, and returns it.
func (w *writer) lock() *queue {
	for {
		q := w.attached.Load()
		q.mu.Lock()
		if w.attached.Load() == q {
			return q
		}
		q.mu.Unlock()
	}
}

// commit gets what is new in the queue on its way, and unlocks that.
func (w *writer) commit(q *queue) {
	if !w.writing {
		w.start(q)
	}
	q.mu.Unlock()
}

// command sends a command of the link itself, if there is room.
func (w *writer) command(name string, data []byte) {
	q := w.lock()
	b, err := q.control(zmtp.CommandSize(name, len(data)))
	if err == nil {
		zmtp.AppendCommand(b[:0], name, data)
		w.commit(q)
	}
}

// adopt has the link go on with q in place of the queue that it has had: that ends, and
// what waits in it goes first.
func (w *writer) adopt(q *queue) {
	last := w.lock()
	defer last.mu.Unlock()
	if w.due(last) && last.out != nil {
		w.begun = last.pool.room(w.begun, len(last.out.b), math.MaxInt)
		w.begun.b = append(w.begun.b, last.out.b...)
	}
	last.end()
	if w.attached.Store(q); !w.writing {
		w.start(q)
	}
}

// leave has the link go on with a queue of its own, for its commands, if it has q.
func (w *writer) leave(q *queue) {
	if w.attached.Load() != q {
		return
	}
	q.sent += int64(q.flying)
	q.flying, q.flown = 0, 0
	own := &queue{sent: q.sent} // so that to the link it grows on
	own.open(&w.config)
	if w.over {
		own.shut(nil)
	}
	w.attached.Store(own)
}

// start gets octets on their way while no writer runs: by writing them here and
// now, if they are no part of a burst, else by starting it.
func (w *writer) start(q *queue) {
	if w.raw != nil && w.begun == nil && w.due(q) && w.alone() {
		w.try(q)
	}
	if w.due(q) {
		w.writing = true
		w.writes.Add(1)
		go w.run()
	} else {
		q.rest()
	}
}

// due tells whether there is something that the link has to write, and can.
func (w *writer) due(q *queue) bool {
	return w.dead == nil && (w.begun != nil || q.out.len() > 0 && !(w.over && q.stays))
}

// try writes what is queued as far as that can be done at once, unless it is too much to
// be encrypted at once. From then on it is this link's.
func (w *writer) try(q *queue) {
	queued := len(q.out.b)
	if cipher := w.remote.Cipher; cipher != nil {
		portion, size := zmtp.Portion(q.out.b, coverSize)
		if len(portion) < queued {
			return
		}
		cover := q.pool.get(size)
		cover.b = cipher.Seal(cover.b, portion)
		q.pool.put(q.out)
		q.out = cover
	}
	w.begun, q.out, q.flying = q.out, nil, queued
	w.pushed, w.pushErr = 0, nil
	err := cmp.Or(w.raw.Write(w.push), w.pushErr)
	if err == nil && w.pushed < len(w.begun.b) {
		w.begun.b = w.begun.b[:copy(w.begun.b, w.begun.b[w.pushed:])]
		w.covered, q.flown = len(w.begun.b), min(q.flying, w.pushed)
		return
	}
	taken := w.begun
	w.begun = nil
	w.landed(q, taken, err)
}

// landed takes note of the end of a write, and keeps its buffer for the next one. After an
// error part of a frame may be lost, so that nothing can be written any more.
func (w *writer) landed(q *queue, taken *buffer, err error) {
	w.wrote = time.Since(w.opened)
	if err != nil {
		w.begun, w.over = nil, true
		w.dead = fmt.Errorf("%w: %w", ErrClosed, err)
		if !q.stays {
			q.broken = w.dead
			q.shut(err)
		}
	}
	q.flew(taken)
}

// alone says whether what is queued is no part of a burst.
func (w *writer) alone() bool {
	return time.Duration(w.heard.Load()) > w.wrote || time.Since(w.opened)-w.wrote > burstGap
}

// write writes what is queued until nothing is, or it fails.
func (w *writer) write() {
	defer w.writes.Done()
	q := w.lock()
	for w.due(q) {
		if w.begun == nil && len(q.out.b) < gather {
			q.mu.Unlock()
			runtime.Gosched()
			if q = w.lock(); !w.due(q) { // it has another outbox
				break
			}
		}
		if w.begun == nil {
			w.begun, q.flying = q.out, len(q.out.b)
			q.out, q.spare = q.spare, nil
		}
		taken, covered := w.begun, w.covered
		w.begun, w.covered = nil, 0
		q.mu.Unlock()
		err := w.send(taken.b, covered)
		q = w.lock()
		w.landed(q, taken, err)
	}
	w.writing = false
	q.rest()
	q.wake()
	q.mu.Unlock()
}

// send writes octets to the connection. The first of them are encrypted already.
func (w *writer) send(b []byte, covered int) (err error) {
	if w.remote.Cipher == nil {
		covered = len(b)
	}
	err = w.sendAll(b[:covered], covered)
	for b = b[covered:]; len(b) > 0 && err == nil; {
		portion, size := zmtp.Portion(b, coverSize)
		cover := w.config.Pool.get(size)
		cover.b = w.remote.Cipher.Seal(cover.b, portion)
		err = w.sendAll(cover.b, len(portion))
		w.config.Pool.put(cover)
		b = b[len(portion):]
	}
	return err
}

// sendAll writes octets that stand for so many that were queued. Where the operating
// system does not tell what arrives, it does so in portions, so that a large message is
// seen to make its way. A connection with a ZMTP of its own gets whole messages.
func (w *writer) sendAll(b []byte, queued int) error {
	portion := coverSize
	if _, own := w.conn.(Shaker); own || w.raw != nil && arrivalsKnown {
		portion = len(b)
	}
	for len(b) > 0 {
		n := min(len(b), portion)
		if _, err := w.conn.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		q := w.lock()
		q.flown = min(q.flown+min(n, queued), q.flying)
		q.mu.Unlock()
		queued -= min(n, queued)
	}
	return nil
}

// settle waits until all is written that was committed for this link.
func (w *writer) settle(ctx context.Context) error {
	q := w.lock()
	for w.writing {
		if err := q.news(ctx); err != nil {
			return err
		}
		q = w.lock()
	}
	defer q.mu.Unlock()
	return w.dead
}

// taken is [Outbox.Taken] for the link alone, as long as it has that queue.
func (w *writer) taken(q *queue) (octets uint64, owes bool) {
	octets, owes = uint64(q.sent)+uint64(q.flown), q.queued() > 0
	if w.raw != nil {
		if acknowledged, under, ok := arrived(w.raw); ok {
			return acknowledged, owes || under
		}
	}
	return octets, owes
}

// stop ends the taking of messages, or, if the outbox stays, of what waits in it. The
// cause may be nil.
func (w *writer) stop(cause error) {
	q := w.lock()
	defer q.mu.Unlock()
	if w.over = true; !q.stays {
		q.shut(cause)
	}
}
