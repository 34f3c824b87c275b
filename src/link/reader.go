package link

import (
	"errors"
	"io"
	"math"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// Where something came within briskGap of what came before, briskReads times in a row, it pays to
// stay awake for more.
const (
	briskGap   = time.Millisecond
	briskReads = 8
)

// errNothing says that there is nothing to be read.
var errNothing = errors.New("link: nothing to be read")

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

// reader is the receiving half of a link. All but finishing belongs to the goroutine in
// Serve.
type reader struct {
	*carrier
	pulse  *pulse // of the link, which sees the commands that come and the silence
	parser zmtp.Parser
	early  *buffer // what was read beyond the handshake; nil for nothing
	in     *Batch  // what is being read; nil while nothing of a message is there
	size   int     // of the next buffer
	limit  int     // of size
	leans  int     // small reads in a row

	lull  time.Duration // the longest before what came since it was last waited for
	brisk int           // how often in a row something came within briskGap

	stranger  bool          // Config.Greeting holds
	released  bool          // what was held is out
	paused    bool          // nothing came in the latest drainTime
	idles     bool          // nobody waits in Serve while nothing comes
	finishing atomic.Bool   // only what has come already is wanted
	drained   int           // octets read since
	waited    time.Duration // for them

	pull    func(fd uintptr) bool // tries to read
	pulled  int                   // what became of it
	pullErr error
}

// What has come already is what comes within drainTime of when it is asked for, and no
// more than operating systems keep.
const (
	drainTime = 10 * time.Millisecond
	drainMost = 16 << 20
	drainLast = 3 * time.Second // of waiting: who goes on to speak is not waited for
)

func (i *reader) open(c *carrier, p *pulse) {
	i.carrier, i.pulse = c, p
	i.size, i.parser.Cipher, i.lull = smallBuffer, c.remote.Cipher, math.MaxInt64
	if i.Widen(); c.config.Greeting > 0 {
		i.stranger, i.limit = true, smallBuffer
		i.parser.MaxMessage = min(c.config.Greeting, c.config.MaxMessage)
		i.parser.MaxFrames = min(greetingFrames, c.config.MaxFrames)
	}
	i.pull = func(fd uintptr) bool {
		i.pulled, i.pullErr = tryRead(fd, i.space())
		if i.pullErr == syscall.EAGAIN {
			i.park()
			i.release()
			return i.rests()
		}
		return true
	}
}

// Widen lets what follows be as large as Config.MaxMessage and MaxFrames say, in place of
// Config.Greeting. It may be called before Serve, or by deliver.
func (i *reader) Widen() {
	i.stranger, i.limit = false, busyBuffer
	i.parser.MaxMessage, i.parser.MaxFrames = i.config.MaxMessage, i.config.MaxFrames
}

// Finish has Serve take in what has come already, wait for no more, and end with
// io.EOF. It may be called at any time, and does not wait.
func (i *reader) Finish() {
	i.finishing.Store(true)
	_ = i.conn.SetReadDeadline(time.Unix(1, 0)) // fails only if the link has ended
}

// serve reads until the link ends, and returns why.
func (i *reader) serve(deliver func(*Batch) error) error {
	err := i.pulse.rearm()
	for err == nil {
		err = i.cycle(deliver)
	}
	i.drop()
	return err
}

// drop gives back what was read in part.
func (i *reader) drop() {
	if i.in != nil {
		i.in.Release()
		i.in = nil
	}
}

// cycle reads once and deals with what came.
func (i *reader) cycle(deliver func(*Batch) error) error {
	read := i.read
	if i.finishing.Load() {
		read = i.drain
	}
	n, err := read()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if i.finishing.Load() {
			return nil // drain tells when it is the end
		}
		i.lull = math.MaxInt64
		return i.pulse.look()
	case err != nil:
		return err
	case n == 0:
		if i.in != nil && len(i.in.in.b) > 0 {
			return io.ErrUnexpectedEOF
		}
		return io.EOF
	}
	i.lull = max(i.lull, i.pulse.hear())
	i.adapt(n)
	i.in.in.b = i.in.in.b[:len(i.in.in.b)+n]
	for {
		stranger := i.stranger
		broken := i.parser.Parse(i.in.in.b, &i.in.found)
		if err := i.pulse.obey(&i.in.found); err != nil {
			return err
		}
		if err := i.hand(deliver); err != nil {
			return err
		}
		if i.stranger == stranger || i.in == nil {
			if broken == nil && !i.stranger {
				i.pulse.partly(i.in != nil && len(i.in.in.b) > 0)
			}
			return broken
		}
		// Deliver has called Widen: other limits hold for what is left.
	}
}

// drain reads what has come already. When nothing has, twice in a row, it is the end.
func (i *reader) drain() (n int, err error) {
	began := time.Now()
	if i.drained >= drainMost || i.waited >= drainLast || i.conn.SetReadDeadline(began.Add(drainTime)) != nil {
		return 0, io.EOF
	}
	n, err = i.read()
	i.drained += n
	i.waited += time.Since(began)
	paused := i.paused
	if i.paused = errors.Is(err, os.ErrDeadlineExceeded); i.paused && paused {
		return 0, io.EOF
	}
	return n, err
}

// read reads into the free part of i.in, which it provides. 0 octets are the end.
func (i *reader) read() (int, error) {
	if early := i.early; early != nil {
		i.early = nil
		n := copy(i.space(), early.b) // which has room for all: see opening
		i.config.Pool.put(early)
		return n, nil
	}
	if i.raw != nil {
		if err := i.raw.Read(i.pull); err != nil {
			return 0, err
		}
		if i.pullErr == syscall.EAGAIN {
			return 0, errNothing
		}
		return i.pulled, os.NewSyscallError("read", i.pullErr)
	}
	i.release() // nothing tells whether there is something to read
	if c, ok := i.conn.(interface{ awaitRead() error }); ok && i.in == nil {
		if err := c.awaitRead(); err != nil { // simulations have many links, most of them idle
			return 0, err
		}
	}
	n, err := i.conn.Read(i.space())
	if n > 0 || err == io.EOF {
		return n, nil
	}
	return 0, err
}

// release has go out what was held until there is nothing more to read.
func (i *reader) release() {
	if !i.released {
		i.released = true
		i.pulse.writer.Release()
	}
}

// space returns room to read into. A message that is larger than its buffer gets
// one twice as large, so that memory follows what came, not what was announced. A
// stranger's buffer grows no further than its message can, and takes little at a time
// after that: many tiny messages take far more memory than octets.
func (i *reader) space() []byte {
	if i.in == nil {
		i.in = i.config.Pool.batch(i.size)
	} else if b := i.in.in; len(b.b) == cap(b.b) {
		most := math.MaxInt
		if i.stranger {
			most = i.parser.MaxMessage + smallBuffer
		}
		i.move(i.config.Pool.room(b, 1, most))
	}
	room := i.in.in.b[len(i.in.in.b):cap(i.in.in.b)]
	if i.stranger {
		room = room[:min(len(room), smallBuffer)]
	}
	return room
}

// park is called before waiting. It gives the buffer back if there is nothing in
// it, and takes a smaller one if there is little.
func (i *reader) park() {
	b := i.in.in
	switch {
	case len(b.b) == 0:
		i.in.Release()
		i.in = nil
	case cap(b.b) > slack*max(len(b.b), smallBuffer):
		smaller := i.config.Pool.get(2 * len(b.b))
		smaller.b = append(smaller.b, b.b...)
		i.config.Pool.put(b)
		i.move(smaller)
	}
}

// move has what is being read go on in a buffer that holds the message under way.
func (i *reader) move(to *buffer) {
	i.in.found.Reset()
	i.in.in = to
	i.parser.Move(to.b, &i.in.found)
}

// adapt chooses the size of the next buffer, n octets having been read into this.
func (i *reader) adapt(n int) {
	b := i.in.in.b
	switch {
	case len(b)+n == cap(b):
		i.size, i.leans = min(4*i.size, i.limit), 0
	case n >= cap(b)/lean:
		i.leans = 0
	default:
		if i.leans++; i.leans == leanReads {
			i.size, i.leans = max(i.size/2, smallBuffer), 0
		}
	}
}

// hand delivers the whole messages of i.in, if there are any; the message under
// way goes on in another buffer, or at the start of this one.
func (i *reader) hand(deliver func(*Batch) error) error {
	batch := i.in
	rest := batch.in.b[i.parser.Begin():]
	if batch.Len() == 0 {
		if i.parser.Begin() > 0 {
			batch.in.b = batch.in.b[:copy(batch.in.b, rest)]
			i.move(batch.in)
		}
		return nil
	}
	if !i.stranger {
		i.limit = max(busyBuffer, min(messagesRead*(len(batch.in.b)/batch.Len()), largeBuffer))
	}
	i.in = nil
	if len(rest) > 0 {
		i.in = i.config.Pool.batch(max(i.size, 2*len(rest)))
		i.in.in.b = append(i.in.in.b, rest...)
		i.move(i.in.in)
	} else {
		i.parser.Move(nil, nil)
	}
	return deliver(batch)
}

// rests tells whether who reads is not to wait for more: nothing is there of a message, and what
// came of late had not come soon.
func (i *reader) rests() bool {
	if i.brisk++; i.lull > briskGap {
		i.brisk = 0
	}
	i.lull = 0
	return i.idles && i.brisk < briskReads && i.in == nil && !i.finishing.Load()
}
