package link

import (
	"cmp"
	"context"
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

// Of messages that come one after the other, each within runGap, one in runLength is part of a
// burst all the same: who sends to many peers is so long at writing to the others that no two
// messages for one of them would come within burstGap, though it does nothing else.
const (
	runGap    = time.Millisecond
	runLength = 64
)

// gather is how many octets a write is worth. If there are fewer, others that are ready to
// run go first: senders add to them, and a shout meets all of its receivers that way.
const gather = 32 << 10

// coverSize is how many octets are encrypted before they are written; a frame that is
// larger is encrypted alone.
const coverSize = 128 << 10

// seenSize is how many octets are written at a time where the operating system does not tell
// what arrives: that they were is a sign of life, which is not to take long on a slow way.
const seenSize = 16 << 10

// writer is the sending half of a link: it writes what the link itself has to say, and what
// is in the outbox that is attached to it. All but the first three is guarded by the lock
// of that outbox; see lock.
type writer struct {
	*carrier
	attached atomic.Pointer[Outbox]
	writes   sync.WaitGroup // the end of write
	own      *buffer        // commands and messages of the link itself, whole; may be nil
	left     job            // what was written in part, and goes first
	first    []byte         // the end of the handshake, which goes out with what is said first; nil once it has
	held     bool           // nothing is written yet
	writing  bool           // write runs
	over     bool           // the link takes nothing more to say, and writes nothing more of an outbox that keeps
	alike    uint8          // messages that were written by their senders, each within runGap of the last
	run      func()         // write
	wrote    time.Duration  // from opened to the end of the last write
	dead     error          // why nothing can be written any more, is ErrClosed

	push    func(fd uintptr) bool // tries to write left
	pushed  int                   // what became of it
	pushErr error
}

func (w *writer) open(c *carrier, o *Outbox) {
	w.carrier = c
	w.attached.Store(o)
	w.run = w.write
	w.push = func(fd uintptr) bool {
		w.pushed, w.pushErr = tryWrite(fd, w.left.b)
		return true
	}
}

// lock locks the outbox that is attached, and returns it.
func (w *writer) lock() *Outbox {
	for {
		o := w.attached.Load()
		o.mu.Lock()
		if w.attached.Load() == o {
			return o
		}
		o.mu.Unlock()
	}
}

// commit gets what is new in the outbox on its way, and unlocks that.
func (w *writer) commit(o *Outbox) {
	if !w.writing {
		w.start(o)
	}
	o.mu.Unlock()
}

// say has n octets that put fills in, whole frames, go out before what is in the outbox, if
// there is room.
func (w *writer) say(n int, put func(b []byte)) error {
	o := w.lock()
	switch {
	case w.dead != nil || w.over:
		err := cmp.Or(w.dead, ErrClosed)
		o.mu.Unlock()
		return err
	case w.own.len()+n > w.config.Reserve:
		o.mu.Unlock()
		return ErrOverflow
	}
	w.own = w.config.Pool.room(w.own, n, math.MaxInt)
	from := len(w.own.b)
	w.own.b = w.own.b[:from+n]
	put(w.own.b[from:])
	w.commit(o)
	return nil
}

// Say has a message, as whole frames, go out over the link before what waits in its outbox.
// It does not wait: errors are ErrOverflow, if more than Config.Reserve is to be said so,
// and ErrClosed.
func (w *writer) Say(frames []byte) error {
	return w.say(len(frames), func(b []byte) { copy(b, frames) })
}

// Release has go out what Config.Held holds. Serve does so when there is nothing more to
// read, and Shutdown; who waits for anything else before that, or does not call Serve, calls it.
func (w *writer) Release() {
	o := w.lock()
	w.held = false
	w.commit(o)
}

// command sends a command of the link itself, if there is room.
func (w *writer) command(name string, data []byte) {
	_ = w.say(zmtp.CommandSize(name, len(data)), func(b []byte) { zmtp.AppendCommand(b[:0], name, data) })
}

// adopt has the link go on with o in place of the outbox that it has had, which ends.
func (w *writer) adopt(o *Outbox) {
	last := w.lock()
	defer last.mu.Unlock()
	last.finish(nil)
	if w.attached.Store(o); !w.writing {
		w.start(o)
	}
}

// leave has the link go on without an outbox, if it has o.
func (w *writer) leave(o *Outbox) {
	if w.attached.Load() == o {
		w.attached.Store(&Outbox{room: room{err: ErrClosed}, broken: ErrClosed})
	}
}

// start gets octets on their way while no writer runs: by writing them here and
// now, if they are no part of a burst, else by starting it.
func (w *writer) start(o *Outbox) {
	if w.raw != nil && w.left.b == nil && w.due(o) && w.alone() {
		w.try(o)
	}
	if w.due(o) {
		w.writing = true
		w.writes.Add(1)
		go w.run()
	} else {
		o.rest()
	}
}

// due tells whether there is something that the link has to write, and can.
func (w *writer) due(o *Outbox) bool {
	return w.dead == nil && !w.held && (w.left.b != nil || w.first != nil || w.own != nil || o.behind() > 0 && o.next < o.edge && !(w.over && o.keeps))
}

// job takes what is to be written next, which is due.
func (w *writer) job(o *Outbox) (j job) {
	switch {
	case w.left.b != nil:
		j, w.left = w.left, job{}
	case w.first != nil:
		j = w.begins()
	case w.own != nil:
		j = job{b: w.own.b, hold: w.own, covered: w.remote.Cipher == nil}
		w.own = nil
	default:
		hold, b := o.begin()
		j = job{b, hold, true, w.remote.Cipher == nil, o, o.next + uint64(len(b)), o.moves, nil}
	}
	return j
}

// begins takes the end of the handshake, and what the link itself has to say.
func (w *writer) begins() job {
	var own []byte
	if w.own != nil {
		own = w.own.b
		defer w.config.Pool.put(w.own)
	}
	_, size := zmtp.Portion(own, math.MaxInt)
	hold := w.config.Pool.get(len(w.first) + size)
	if hold.b = append(hold.b, w.first...); w.remote.Cipher == nil {
		hold.b = append(hold.b, own...)
	} else {
		hold.b = w.remote.Cipher.Seal(hold.b, own)
	}
	w.first, w.own = nil, nil
	return job{b: hold.b, hold: hold, covered: true}
}

// free gives back what holds the octets of a job. The caller holds the lock of where they
// are from.
func (w *writer) free(j *job) {
	if j.lent {
		j.hold.busy--
	} else {
		w.config.Pool.put(j.hold)
	}
	if j.train != nil {
		j.train.uncouple()
	}
}

// done takes note of the end of a job. The caller holds the lock of where its octets are
// from.
func (w *writer) done(j *job, err error) {
	w.free(j)
	if err == nil {
		j.advance(j.end)
	}
	if j.of != nil {
		j.of.release()
	}
}

// try writes what is due as far as that can be done at once, unless it is too much to be
// encrypted at once.
func (w *writer) try(o *Outbox) {
	for w.due(o) {
		j := w.job(o)
		if !j.covered {
			portion, size := zmtp.Portion(j.b, coverSize)
			if len(portion) < len(j.b) {
				w.left = j
				return
			}
			cover := w.config.Pool.get(size)
			cover.b = w.remote.Cipher.Seal(cover.b, portion)
			w.free(&j)
			j.b, j.hold, j.lent, j.covered = cover.b, cover, false, true
		}
		w.left, w.pushed, w.pushErr = j, 0, nil
		err := cmp.Or(w.raw.Write(w.push), w.pushErr)
		if err == nil && w.pushed < len(j.b) {
			if w.left.b = j.b[w.pushed:]; j.of != nil {
				j.rest(len(w.left.b))
			}
			return
		}
		w.left = job{}
		w.done(&j, err)
		w.landed(o, err)
	}
}

// landed takes note of the end of a write. After an error part of a frame may be lost, so
// that nothing can be written any more.
func (w *writer) landed(o *Outbox, err error) {
	w.wrote = time.Since(w.opened)
	if err != nil {
		w.dead = closed(err)
		if !o.keeps {
			o.finish(err)
		}
	}
}

// alone says whether what is queued is no part of a burst.
func (w *writer) alone() bool {
	gap := time.Since(w.opened) - w.wrote
	if w.alike++; gap > runGap || time.Duration(w.heard.Load()) > w.wrote {
		w.alike = 0
	}
	if gap > burstGap && w.alike < runLength || w.alike == 0 {
		return true
	}
	w.alike = 0
	return false
}

// write writes what is due until nothing is, or it fails.
func (w *writer) write() {
	defer w.writes.Done()
	var longer *train // once there is more than a buffer
	quick := false    // the last write was
	o := w.lock()
	for w.due(o) {
		if o = w.gathered(o); !w.due(o) { // it has another outbox
			break
		}
		more := quick && w.left.b == nil && w.whole() // what was written in part goes alone: see couple
		j := w.job(o)
		if more && j.lent && j.covered && j.hold.after != nil {
			if longer == nil {
				longer = &train{}
			}
			longer.couple(&j)
		}
		o.mu.Unlock()
		began, size := time.Now(), j.size()
		err := w.send(&j)
		quick = time.Since(began) < time.Duration(size)*time.Second/trainRate
		o = w.lock()
		w.landed(o, err)
	}
	w.writing = false
	o.rest()
	o.senders.look()
	o.news.tell()
	o.mu.Unlock()
}

// gathered waits for more to write if there is little: others that are ready to run go
// first; and who adds to it at this moment is left alone with the lock for a while. It
// unlocks the outbox meanwhile, and returns the one that is attached then, locked.
func (w *writer) gathered(o *Outbox) *Outbox {
	little := func() bool { return w.left.b == nil && w.first == nil && w.own == nil && o.behind() < gather }
	if !little() {
		return o
	}
	end := o.end
	o.mu.Unlock()
	runtime.Gosched()
	if o = w.lock(); o.end > end && little() && w.raw != nil && pausing.CompareAndSwap(false, true) {
		o.mu.Unlock()
		pause(burstGap)
		pausing.Store(false)
		o = w.lock()
	}
	return o
}

// pausing is whether a writer is in pause, which takes a thread: others do without.
var pausing atomic.Bool

// send writes the octets of a job to the connection.
func (w *writer) send(j *job) (err error) {
	switch {
	case j.train != nil:
		err = j.train.write(w.conn)
	case j.covered:
		err = w.sendAll(j, j.b, 0)
	}
	for b := j.b; !j.covered && len(b) > 0 && err == nil; {
		portion, size := zmtp.Portion(b, coverSize)
		b = b[len(portion):]
		cover := w.config.Pool.get(size)
		cover.b = w.remote.Cipher.Seal(cover.b, portion)
		err = w.sendAll(j, cover.b, len(b))
		w.config.Pool.put(cover)
	}
	if j.of != nil {
		j.of.mu.Lock()
		defer j.of.mu.Unlock()
	}
	w.done(j, err)
	return err
}

// sendAll writes octets of a job, after which so many more remain. Where the operating
// system does not tell what arrives, it does so in portions, so that a large message is
// seen to make its way. A connection with a ZMTP of its own gets whole messages.
func (w *writer) sendAll(j *job, b []byte, more int) error {
	portion := seenSize
	if _, own := w.conn.(Shaker); own || w.whole() {
		portion = len(b)
	}
	for len(b) > 0 {
		n := min(len(b), portion)
		if _, err := w.conn.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; j.of != nil {
			w.progress(j, len(b)+more)
		}
	}
	return nil
}

// whole says whether one write takes whatever there is: the operating system tells what arrives
// of it meanwhile.
func (w *writer) whole() bool { return w.raw != nil && arrivalsKnown }

// progress notes that a job is written but for so many octets.
func (w *writer) progress(j *job, left int) {
	j.of.mu.Lock()
	if j.of.writer == w {
		j.rest(left)
	}
	j.of.mu.Unlock()
}

// settle waits until all is written that was committed for this link.
func (w *writer) settle(ctx context.Context) (err error) {
	o := w.lock()
	for err == nil && w.writing {
		err = o.news.wait(ctx, &o.mu)
		o.mu.Unlock()
		o = w.lock()
	}
	defer o.mu.Unlock()
	return cmp.Or(err, w.dead)
}

// taken is [Outbox.Taken] for the link.
func (w *writer) taken(o *Outbox) (octets uint64, owes bool) {
	octets, owes = o.next, o.behind() > 0
	if w.raw != nil {
		if acknowledged, under, ok := arrived(w.raw); ok {
			return acknowledged, owes || under
		}
	}
	return octets, owes
}

// stop ends the taking of messages, or, if the outbox keeps, the writing of what is in it.
// The cause may be nil.
func (w *writer) stop(cause error) {
	o := w.lock()
	defer o.mu.Unlock()
	if w.over = true; !o.keeps {
		o.shut(cause)
	}
}
