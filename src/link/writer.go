package link

import (
	"cmp"
	"fmt"
	"runtime"
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

// start gets octets on their way while no writer runs: by writing them here and
// now, if they are no part of a burst, else by starting it.
func (l *Link) start() {
	if l.raw != nil && l.alone() && l.cover() {
		l.pushed, l.pushErr = 0, nil
		if err := cmp.Or(l.raw.Write(l.push), l.pushErr); err != nil {
			l.fail(err)
		}
		l.wrote, l.sent = time.Since(l.opened), l.sent+int64(l.pushed)
		l.out.b = l.out.b[:copy(l.out.b, l.out.b[l.pushed:])]
		l.covered = len(l.out.b)
	}
	if l.queued() == 0 || l.broken != nil {
		l.drop()
		return
	}
	l.writing = true
	l.writer.Add(1)
	go l.run()
}

// cover puts what is queued into the form in which it is written, unless that is
// too much to be done at once.
func (l *Link) cover() bool {
	if l.remote.Cipher == nil {
		return true
	}
	portion, size := zmtp.Portion(l.out.b, coverSize)
	if len(portion) < len(l.out.b) {
		return false
	}
	cover := l.config.Pool.get(size)
	cover.b = l.remote.Cipher.Seal(cover.b, portion)
	l.config.Pool.put(l.out)
	l.out = cover
	return true
}

// alone says whether what is queued is no part of a burst.
func (l *Link) alone() bool {
	return time.Duration(l.heard.Load()) > l.wrote || time.Since(l.opened)-l.wrote > burstGap
}

// write is the writer: it writes what is queued until nothing is, or it fails.
func (l *Link) write() {
	defer l.writer.Done()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.queued() > 0 && l.broken == nil {
		if len(l.out.b) < gather {
			l.mu.Unlock()
			runtime.Gosched()
			l.mu.Lock()
		}
		taken, covered := l.out, l.covered
		l.out, l.spare, l.flying, l.covered = l.spare, nil, len(taken.b), 0
		l.mu.Unlock()
		err := l.send(taken.b, covered)
		l.mu.Lock()
		l.written(taken, err)
	}
	l.drop()
	l.writing = false
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
		l.mu.Lock()
		l.flown += min(n, queued)
		l.mu.Unlock()
		queued -= min(n, queued)
	}
	return nil
}

// written takes note of the end of a write, and keeps the buffer for the next one.
func (l *Link) written(taken *buffer, err error) {
	if l.wrote = time.Since(l.opened); err == nil {
		l.sent += int64(l.flying)
	} else {
		l.fail(err)
	}
	l.flying, l.flown = 0, 0
	taken.b = taken.b[:0]
	l.spare = taken
	if l.waiting > 0 {
		select {
		case l.room <- struct{}{}:
		default:
		}
	}
	if l.progress != nil {
		close(l.progress)
		l.progress = nil
	}
}

// drop gives the buffers back, with what is in them.
func (l *Link) drop() {
	for _, b := range []**buffer{&l.out, &l.spare} {
		if *b != nil {
			l.config.Pool.put(*b)
			*b = nil
		}
	}
}

// seal ends the taking of messages. The cause may be nil.
func (l *Link) seal(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut(cause)
}

func (l *Link) shut(cause error) {
	if l.err != nil {
		return
	}
	l.err = ErrClosed
	if cause != nil {
		l.err = fmt.Errorf("%w: %w", ErrClosed, cause)
	}
	close(l.sealed)
}

// fail says that nothing can be written any more: part of a frame may be lost.
func (l *Link) fail(err error) {
	if l.broken == nil {
		l.broken = fmt.Errorf("%w: %w", ErrClosed, err)
		l.shut(err)
	}
}
