package zmtp

import (
	"fmt"
)

// Messages is what a Parser found. All slices alias the buffer it was found in.
// Its arrays may be used again after Reset.
type Messages struct {
	Frames   [][]byte // of all whole messages in order, then of the one under way
	Ends     []int    // for each whole message, the index after its last frame
	Commands [][]byte // bodies of commands
}

// Len returns the number of whole messages.
func (m *Messages) Len() int { return len(m.Ends) }

// Message returns the frames of a whole message, 0 <= i < Len().
func (m *Messages) Message(i int) [][]byte {
	from, to := 0, m.Ends[i]
	if i > 0 {
		from = m.Ends[i-1]
	}
	return m.Frames[from:to:to]
}

// Reset empties m and lets go of the buffer.
func (m *Messages) Reset() {
	clear(m.Frames)
	clear(m.Commands)
	m.Frames, m.Ends, m.Commands = m.Frames[:0], m.Ends[:0], m.Commands[:0]
}

// Parser cuts messages and commands out of the octets of an open connection,
// without copying. Limits count what the far side claims, so that a message is
// refused before its content arrives.
//
// A command may stand between two frames of a message: libzmq puts its PING
// wherever it is when the timer fires.
type Parser struct {
	MaxMessage int     // octets of content in one message, all frames
	MaxFrames  int     // frames in one message
	Cipher     *Cipher // nil with NULL

	parsed int    // octets of the buffer that need no second look
	begin  int    // where the message under way begins
	size   int    // octets of content of its frames that are whole
	frames []span // where the content of these is
	opened opened
}

// opened is a sealed frame that was opened, but was too large.
type opened struct {
	is    bool
	flags byte
	size  int // of its content, at its end
}

// span is a part of the buffer.
type span struct{ from, to int }

// Begin returns where in the buffer the message under way begins: what comes
// before it is dealt with, what comes after has to stay.
func (p *Parser) Begin() int { return p.begin }

// Parse looks at b, the whole of a buffer that has grown since the last time,
// and adds what is complete to m. An error is final, but for ErrTooLarge where the
// limits are made wider before the next call.
func (p *Parser) Parse(b []byte, m *Messages) error {
	for p.parsed < len(b) {
		flags, head, n, err := p.header(b[p.parsed:])
		if err != nil {
			return err
		}
		from := p.parsed + head
		if head == 0 || n > len(b)-from {
			return nil
		}
		to := from + n
		if p.Cipher != nil {
			if flags, n, err = p.open(b[from:to]); err != nil {
				return err
			}
			from = to - n
		}
		p.parsed = to
		p.take(flags, b[from:to:to], from, m)
	}
	return nil
}

// open opens a sealed frame in place and returns its flags and the octets of content at
// its end. One that is too large stays open, for limits that are wider.
func (p *Parser) open(b []byte) (flags byte, size int, err error) {
	o := p.opened
	if p.opened.is = false; !o.is {
		var content []byte
		if o.flags, content, err = p.Cipher.Open(b); err != nil {
			return 0, 0, err
		}
		o.size = len(content)
	}
	if err = p.fits(o.flags, uint64(o.size)); err != nil {
		p.opened = opened{true, o.flags, o.size}
	}
	return o.flags, o.size, err
}

// header reads the header at the start of b: flags, its own length, and the
// length of the body that follows. Its own length is 0 while it is incomplete.
func (p *Parser) header(b []byte) (flags byte, head, body int, err error) {
	flags, head, n := splitHeader(b)
	switch {
	case flags > flagsKnown || flags&(flagMore|flagCommand) == flagMore|flagCommand:
		err = fmt.Errorf("%w: frame flags %#02x", ErrProtocol, flags)
	case p.Cipher == nil:
		err = p.fits(flags, n)
	case flags&^flagLong != 0: // what a frame is, a MESSAGE has inside
		err = fmt.Errorf("%w: frame flags %#02x with CURVE", ErrProtocol, flags)
	case n > uint64(max(p.MaxMessage-p.size, MaxCommand)+sealOverhead):
		err = fmt.Errorf("%w: sealed frame of %d octets after %d", ErrTooLarge, n, p.size)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	return flags, head, int(n), nil
}

// fits checks a frame against the limits.
func (p *Parser) fits(flags byte, n uint64) error {
	switch {
	case flags&flagCommand != 0:
		if n > MaxCommand {
			return fmt.Errorf("%w: command of %d octets", ErrTooLarge, n)
		}
	case n > uint64(p.MaxMessage-p.size):
		return fmt.Errorf("%w: frame of %d octets after %d", ErrTooLarge, n, p.size)
	case len(p.frames) >= p.MaxFrames:
		return fmt.Errorf("%w: more than %d frames", ErrTooLarge, p.MaxFrames)
	}
	return nil
}

// take adds a whole frame, whose content begins at from in the buffer, to m.
func (p *Parser) take(flags byte, content []byte, from int, m *Messages) {
	if flags&flagCommand != 0 {
		m.Commands = append(m.Commands, content)
		if len(p.frames) == 0 {
			p.begin = p.parsed
		}
		return
	}
	m.Frames = append(m.Frames, content)
	if flags&flagMore != 0 {
		p.frames = append(p.frames, span{from, p.parsed})
		p.size += len(content)
		return
	}
	m.Ends = append(m.Ends, len(m.Frames))
	p.frames, p.size, p.begin = p.frames[:0], 0, p.parsed
}

// Move tells the parser that b[Begin():] of the old buffer is now all that the
// new buffer b holds. The frames of the message under way are added to m, which
// is empty.
func (p *Parser) Move(b []byte, m *Messages) {
	for i := range p.frames {
		f := &p.frames[i]
		f.from, f.to = f.from-p.begin, f.to-p.begin
		m.Frames = append(m.Frames, b[f.from:f.to:f.to])
	}
	p.parsed, p.begin = p.parsed-p.begin, 0
}
