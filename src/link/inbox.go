package link

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// Sizes of the buffers that reads begin with. Reads that fill their buffer make
// the next one larger, up to busyBuffer or several messages of the present size;
// reads that leave most of it empty make it smaller again.
const (
	busyBuffer   = 128 << 10
	messagesRead = 8  // messages that a read should be able to take
	lean         = 8  // a read is small if it fills less than one part in so many
	leanReads    = 16 // small reads in a row after which the buffer is halved
	slack        = 4  // a buffer kept while waiting is at most so many times too large
)

// greetingFrames is how many frames a message may have while Config.Greeting holds.
const greetingFrames = 64

// inbox is the receiving half of a link. All but heard and ignored belongs to the
// goroutine in Serve.
type inbox struct {
	parser zmtp.Parser
	in     *Batch // what is being read; nil while nothing of a message is there
	size   int    // of the next buffer
	limit  int    // of size
	leans  int    // small reads in a row

	stranger bool // Config.Greeting holds

	pull    func(fd uintptr) bool // tries to read
	pulled  int                   // what became of it
	pullErr error

	ignored atomic.Int64  // commands that meant nothing to us
	period  time.Duration // of silence between two looks; 0 is no looking
	missed  int           // periods of silence
	taken   uint64        // octets that the far side had taken at the latest look
	owes    bool          // and there were some that it had not

	finishing atomic.Bool   // only what has come already is wanted
	drained   int           // octets read since
	waited    time.Duration // for them
	paused    bool          // nothing came in the latest drainTime
}

// What has come already is what comes within drainTime of when it is asked for, and no
// more than operating systems keep.
const (
	drainTime = 10 * time.Millisecond
	drainMost = 16 << 20
	drainLast = 3 * time.Second // of waiting: who goes on to speak is not waited for
)

func (l *Link) openInbox() {
	if l.remote.Minor > 0 { // ZMTP 3.0 has no PING
		l.period = l.config.Heartbeat
	}
	l.size, l.limit = smallBuffer, busyBuffer
	l.parser.Cipher = l.remote.Cipher
	if l.Widen(); l.config.Greeting > 0 {
		l.stranger = true
		l.limit = smallBuffer
		l.parser.MaxMessage = min(l.config.Greeting, l.config.MaxMessage)
		l.parser.MaxFrames = min(greetingFrames, l.config.MaxFrames)
	}
	l.pull = func(fd uintptr) bool {
		l.pulled, l.pullErr = tryRead(fd, l.space())
		if l.pullErr == syscall.EAGAIN {
			l.park()
			return false
		}
		return true
	}
}

// Widen lets what follows be as large as Config.MaxMessage and MaxFrames say, in place of
// Config.Greeting. It may be called before Serve, or by deliver.
func (l *Link) Widen() {
	l.stranger, l.limit = false, busyBuffer
	l.parser.MaxMessage, l.parser.MaxFrames = l.config.MaxMessage, l.config.MaxFrames
}

// Ignored returns the number of commands that came and meant nothing to us.
func (l *Link) Ignored() int64 { return l.ignored.Load() }

// Serve reads until the link ends, and closes it. It hands each batch to deliver
// with one reference, which deliver has to release. While deliver runs nothing is
// read; an error that it returns ends the link.
//
// Serve returns why the link ended: io.EOF if the far side closed it in good
// order, ErrClosed if we did, ErrSilent, the error of deliver or of the
// connection, or one of package zmtp.
func (l *Link) Serve(deliver func(*Batch) error) error {
	if l.serving.Swap(true) {
		return ErrClosed
	}
	defer close(l.served)
	err := l.rearm()
	for err == nil {
		err = l.cycle(deliver)
	}
	if errors.Is(err, net.ErrClosed) {
		err = ErrClosed
	}
	l.seal(err)
	l.hangUp()
	l.writes.Wait()
	if l.in != nil {
		l.in.Release()
		l.in = nil
	}
	l.end = err
	return err
}

// Finish has Serve take in what has come already, wait for no more, and end with
// io.EOF. It may be called at any time, and does not wait.
func (l *Link) Finish() {
	l.finishing.Store(true)
	_ = l.conn.SetReadDeadline(time.Unix(1, 0)) // fails only if the link has ended
}

// drain prepares a read of what has come already, and tells whether there may be more.
func (l *Link) drain() bool {
	return l.drained < drainMost && l.waited < drainLast && l.conn.SetReadDeadline(time.Now().Add(drainTime)) == nil
}

// cycle reads once and deals with what came.
func (l *Link) cycle(deliver func(*Batch) error) error {
	finishing := l.finishing.Load()
	if finishing && !l.drain() {
		return io.EOF
	}
	var began time.Time
	if finishing {
		began = time.Now()
	}
	n, err := l.read()
	if finishing {
		l.waited += time.Since(began)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) && l.finishing.Load():
		if l.paused {
			return io.EOF
		}
		l.paused = finishing // else it was Finish that interrupted
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return l.look()
	case err != nil:
		return err
	case n == 0:
		if l.in != nil && len(l.in.in.b) > 0 {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	}
	l.heard.Store(int64(time.Since(l.opened)))
	l.missed, l.paused = 0, false
	if finishing {
		l.drained += n
	}
	l.adapt(n)
	l.in.in.b = l.in.in.b[:len(l.in.in.b)+n]
	for {
		stranger := l.stranger
		broken := l.parser.Parse(l.in.in.b, &l.in.found)
		if err := l.obey(&l.in.found); err != nil {
			return err
		}
		if err := l.hand(deliver); err != nil {
			return err
		}
		if l.stranger == stranger || l.in == nil {
			return broken
		}
		// Deliver has called Widen: other limits hold for what is left.
	}
}

// read reads into the free part of l.in, which it provides. 0 octets are the end.
func (l *Link) read() (int, error) {
	if l.raw != nil {
		if err := l.raw.Read(l.pull); err != nil {
			return 0, err
		}
		return l.pulled, os.NewSyscallError("read", l.pullErr)
	}
	if c, ok := l.conn.(*memoryConn); ok && l.in == nil {
		if err := c.awaitRead(); err != nil { // simulations have many links, most of them idle
			return 0, err
		}
	}
	n, err := l.conn.Read(l.space())
	if n > 0 || err == io.EOF {
		return n, nil
	}
	return 0, err
}

// space returns room to read into. A message that is larger than its buffer gets
// one twice as large, so that memory follows what came, not what was announced. A
// stranger's buffer grows no further than its message can, and takes little at a time
// after that: many tiny messages take far more memory than octets.
func (l *Link) space() []byte {
	if l.in == nil {
		l.in = l.config.Pool.batch(l.size)
	} else if b := l.in.in; len(b.b) == cap(b.b) {
		most := math.MaxInt
		if l.stranger {
			most = l.parser.MaxMessage + smallBuffer
		}
		l.in.found.Reset()
		l.in.in = l.config.Pool.grow(b, 1, most)
		l.parser.Move(l.in.in.b, &l.in.found)
	}
	room := l.in.in.b[len(l.in.in.b):cap(l.in.in.b)]
	if l.stranger {
		room = room[:min(len(room), smallBuffer)]
	}
	return room
}

// park is called before waiting. It gives the buffer back if there is nothing in
// it, and takes a smaller one if there is little.
func (l *Link) park() {
	b := l.in.in
	switch {
	case len(b.b) == 0:
		l.in.Release()
		l.in = nil
	case cap(b.b) > slack*max(len(b.b), smallBuffer):
		l.in.found.Reset()
		l.in.in = l.config.Pool.get(2 * len(b.b))
		l.in.in.b = append(l.in.in.b, b.b...)
		l.config.Pool.put(b)
		l.parser.Move(l.in.in.b, &l.in.found)
	}
}

// adapt chooses the size of the next buffer, n octets having been read into this.
func (l *Link) adapt(n int) {
	b := l.in.in.b
	switch {
	case len(b)+n == cap(b):
		l.size, l.leans = min(4*l.size, l.limit), 0
	case n >= cap(b)/lean:
		l.leans = 0
	default:
		if l.leans++; l.leans == leanReads {
			l.size, l.leans = max(l.size/2, smallBuffer), 0
		}
	}
}

// hand delivers the whole messages of l.in, if there are any; the message under
// way goes on in another buffer, or at the start of this one.
func (l *Link) hand(deliver func(*Batch) error) error {
	batch := l.in
	rest := batch.in.b[l.parser.Begin():]
	if batch.Len() == 0 {
		if l.parser.Begin() > 0 {
			batch.in.b = batch.in.b[:copy(batch.in.b, rest)]
			batch.found.Reset()
			l.parser.Move(batch.in.b, &batch.found)
		}
		return nil
	}
	if !l.stranger {
		l.limit = max(busyBuffer, min(messagesRead*(len(batch.in.b)/batch.Len()), largeBuffer))
	}
	l.in = nil
	if len(rest) > 0 {
		l.in = l.config.Pool.batch(max(l.size, 2*len(rest)))
		l.in.in.b = append(l.in.in.b, rest...)
		l.parser.Move(l.in.in.b, &l.in.found)
	} else {
		l.parser.Move(nil, nil)
	}
	return deliver(batch)
}
