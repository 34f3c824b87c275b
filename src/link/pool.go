package link

import (
	"math/bits"
	"sync"
)

// Sizes of buffers in octets. Those between are powers of two.
const (
	smallBuffer = 4 << 10
	largeBuffer = 1 << 20 // larger ones are left to the garbage collector
)

// Pool keeps buffers that no link needs now. The zero Pool is ready; it may be
// shared by any number of links. It holds no more than was in use at a time, and
// the garbage collector empties it.
type Pool struct {
	buffers [9]sync.Pool // of *buffer, by class; the last is largeBuffer
	batches sync.Pool
}

// shared is the pool of links that name none.
var shared Pool

// buffer is a byte slice on its way between pool and links. What else there is belongs to
// the row that it is in.
type buffer struct {
	b     []byte
	from  uint64  // the position of its first octet
	after *buffer // the next in the row
	busy  int     // how many links write it
}

// end returns the position after its last octet.
func (b *buffer) end() uint64 { return b.from + uint64(len(b.b)) }

// len returns how many octets are in a buffer, which may be nil.
func (b *buffer) len() int {
	if b == nil {
		return 0
	}
	return len(b.b)
}

// class returns the index of the smallest size of buffer that holds n octets.
func class(n int) int {
	if n <= smallBuffer {
		return 0
	}
	return bits.Len(uint(n-1)) - bits.Len(uint(smallBuffer-1))
}

// get returns an empty buffer with a capacity of n octets or the next power of two.
func (p *Pool) get(n int) *buffer {
	c := class(n)
	if c < len(p.buffers) {
		if b, ok := p.buffers[c].Get().(*buffer); ok {
			return b
		}
	}
	return &buffer{b: make([]byte, 0, smallBuffer<<c)}
}

// put takes a buffer back, unless its size is between those of the pool.
func (p *Pool) put(b *buffer) {
	if c := class(cap(b.b)); c < len(p.buffers) && cap(b.b) == smallBuffer<<c {
		b.b = b.b[:0]
		p.buffers[c].Put(b)
	}
}

// room returns a buffer with the octets of b, which may be nil, and room for n more. If it
// is another, it is at least twice as large, or of most octets if that is less, and b goes
// back to the pool.
func (p *Pool) room(b *buffer, n, most int) *buffer {
	if b == nil {
		return p.get(n)
	}
	if len(b.b)+n <= cap(b.b) {
		return b
	}
	larger := &buffer{}
	if size := max(2*cap(b.b), len(b.b)+n); size > most {
		larger.b = make([]byte, 0, max(most, len(b.b)+n))
	} else {
		larger = p.get(size)
	}
	larger.b = append(larger.b, b.b...)
	p.put(b)
	return larger
}
