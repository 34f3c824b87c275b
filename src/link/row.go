package link

import "github.com/sjohnr/at-once/generated/go/oncelink"

// row is what is in an outbox: whole frames in buffers, one after the other. Messages do
// not cross buffers.
type row struct {
	pool  *Pool
	sum   *Sum    // that its buffers count in; nil for none
	has   int     // octets of its buffers
	doubt bool    // it is in doubt whether the far side is there
	first *buffer // nil if there is none
	last  *buffer
	at    *buffer // the search for next begins with it
	size  int     // of the next buffer

	low   uint64 // where what is still there begins
	next  uint64 // where what is to be written over the present link begins
	high  uint64 // the end of what a link has ever begun to write
	acked uint64 // what is before it is not needed once it is before next
	end   uint64
}

// rowBuffer is how large the buffers of a row get while the link is behind. What is larger
// has a buffer of its own, so that this is also how far an outbox writes beyond its edge.
const rowBuffer = oncelink.MaxBeyondEdge

// held returns how many octets there are.
func (r *row) held() int { return int(r.end - r.low) }

// KnownLocked returns the position before which all is acknowledged, to who has reserved
// room.
func (r *row) KnownLocked() uint64 { return max(r.low, min(r.acked, r.end)) }

// EndLocked returns the position behind what the last Reserve returned. It is called before
// the Commit.
func (r *row) EndLocked() uint64 { return r.end }

// behind returns how many octets are to be written.
func (r *row) behind() int { return int(r.end - r.next) }

// extend adds n octets to the end.
func (r *row) extend(n int) []byte {
	if r.buffer(n) > 0 {
		r.grow(n)
	}
	b := r.last
	from := len(b.b)
	b.b = b.b[:from+n]
	r.end += uint64(n)
	return b.b[from : from+n : from+n]
}

// buffer returns how large a buffer n more octets take, or 0 if the last has room for them.
func (r *row) buffer(n int) int {
	if b := r.last; b != nil && cap(b.b)-len(b.b) >= n && (len(b.b) == 0 || len(b.b)+n <= rowBuffer) {
		return 0
	}
	size := r.size
	if r.next < r.end {
		size = min(2*size, rowBuffer)
	}
	return smallBuffer << class(max(n, size, smallBuffer))
}

// shrink takes n octets off the end again.
func (r *row) shrink(n int) {
	r.last.b = r.last.b[:len(r.last.b)-n]
	r.end -= uint64(n)
}

// grow adds a buffer with room for n octets.
func (r *row) grow(n int) {
	if r.next < r.end {
		r.size = min(2*r.size, rowBuffer)
	}
	b := r.pool.get(max(n, r.size, smallBuffer))
	b.from = r.end
	r.count(cap(b.b))
	if r.last == nil {
		r.first, r.at = b, b
	} else {
		r.last.after = b
	}
	r.last = b
}

// count notes that there are so many more octets of buffers, or fewer.
func (r *row) count(octets int) {
	r.has += octets
	r.sum.take(octets, r.doubt)
}

// doubts notes whether it is in doubt that the far side is there.
func (r *row) doubts(doubt bool) {
	switch {
	case doubt == r.doubt:
		return
	case doubt:
		r.sum.doubt(r.has)
	default:
		r.sum.doubt(-r.has)
	}
	r.doubt = doubt
}

// begin returns what is to be written next, as far as one buffer has it, and that.
// Something has to be.
func (r *row) begin() (of *buffer, octets []byte) {
	for r.next >= r.at.end() {
		r.at = r.at.after
	}
	r.high = max(r.high, r.at.end())
	r.at.busy++
	return r.at, r.at.b[r.next-r.at.from:]
}

// advance notes that all before a position was written.
func (r *row) advance(to uint64) {
	r.next = max(r.next, to)
}

// seek has what is from a position on be written next.
func (r *row) seek(to uint64) { r.next, r.at = to, r.first }

// drop lets go of what is not needed. Buffers that somebody writes are left to him.
func (r *row) drop() {
	r.low = max(r.low, min(r.acked, r.next))
	for b := r.first; b != nil && b.end() <= r.low; b = r.first {
		if r.first = b.after; r.first == nil {
			r.last = nil
		}
		if r.at == b {
			r.at = b.after
		}
		r.count(-cap(b.b))
		if b.after = nil; b.busy == 0 {
			r.pool.put(b)
		}
	}
}

// rest notes that the link is not behind any more.
func (r *row) rest() { r.size = smallBuffer }
