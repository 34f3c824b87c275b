package link

import (
	"sync/atomic"

	"github.com/sjohnr/at-once/src/zmtp"
)

// Batch is the whole messages of one read, at least one, in order. Its frames
// alias a buffer of the pool: they are valid, and must not be written to, until
// the last reference is released. All methods but Release may be called at the
// same time from several goroutines that hold references.
type Batch struct {
	found zmtp.Messages
	in    *buffer
	pool  *Pool
	refs  atomic.Int32
}

// Len returns the number of messages.
func (b *Batch) Len() int { return b.found.Len() }

// Message returns the frames of message i, 0 <= i < Len().
func (b *Batch) Message(i int) [][]byte { return b.found.Message(i) }

// Octets returns the memory that the batch holds on to, which is more than its
// messages have.
func (b *Batch) Octets() int { return cap(b.in.b) }

// Drop lets go of the messages before i and of their memory. The frames of the others
// move, so nobody may hold on to any.
func (b *Batch) Drop(i int) {
	old, size := b.in, 0
	gone := b.found.Ends[i-1]
	for _, frame := range b.found.Frames[gone:] {
		size += len(frame)
	}
	b.in = b.pool.get(size)
	clear(b.found.Frames[:gone])
	for at, frame := range b.found.Frames[gone:] {
		from := len(b.in.b)
		b.in.b = append(b.in.b, frame...)
		b.found.Frames[gone+at] = b.in.b[from:len(b.in.b):len(b.in.b)]
	}
	b.pool.put(old)
}

// Retain adds a reference. Only who holds one may call it.
func (b *Batch) Retain() { b.refs.Add(1) }

// Release gives up a reference. With the last one the batch and its frames are
// gone: neither may be touched any more.
func (b *Batch) Release() {
	switch n := b.refs.Add(-1); {
	case n == 0:
		b.found.Reset()
		b.pool.put(b.in)
		b.in = nil
		b.pool.batches.Put(b)
	case n < 0:
		panic("link: batch released too often")
	}
}

// batch returns an empty batch with one reference and a buffer of n octets or more.
func (p *Pool) batch(n int) *Batch {
	b, ok := p.batches.Get().(*Batch)
	if !ok {
		b = &Batch{pool: p}
	}
	b.in = p.get(n)
	b.refs.Store(1)
	return b
}
