package link

import "net"

// trainOctets is how much goes out in one write where an outbox is behind: that makes the far
// side wake up less often than a write for each buffer would. What the link itself has to say waits
// for it, so it does only over links that took what was written last at trainRate, in octets in a
// second.
const (
	trainOctets = 1 << 20
	trainRate   = 100 << 20
)

// train is what goes out in one write with the buffer that a job begins with: those after it in
// the outbox.
type train struct {
	buffers []*buffer
	octets  [][]byte    // of all, the job's first
	size    int         // how many there are
	unsent  net.Buffers // of those, while they are written
}

// couple has the buffers go out with a job that come after its own and begin below the edge. The
// caller has held the lock of the outbox that they are from since the job was begun: later there
// may be more in its own, and the outbox may have another link.
func (t *train) couple(j *job) {
	t.size, t.octets = len(j.b), append(t.octets, j.b)
	for b := j.hold.after; b != nil && b.from < j.of.edge && t.size < trainOctets; b = b.after {
		b.busy++
		t.size += len(b.b)
		t.buffers, t.octets = append(t.buffers, b), append(t.octets, b.b)
		j.end = b.end()
	}
	j.of.high = max(j.of.high, j.end)
	j.train = t
}

// write writes all octets.
func (t *train) write(conn net.Conn) error {
	t.unsent = t.octets
	_, err := t.unsent.WriteTo(conn)
	return err
}

// uncouple lets go of the buffers. The caller holds the lock of the outbox that they are from.
func (t *train) uncouple() {
	for _, b := range t.buffers {
		b.busy--
	}
	clear(t.buffers)
	clear(t.octets)
	t.buffers, t.octets = t.buffers[:0], t.octets[:0]
}

// job is octets to be written.
type job struct {
	b       []byte
	hold    *buffer // that they are in
	lent    bool    // by the outbox
	covered bool    // they are in the form in which they are written
	of      *Outbox // where they are from; nil for what the link itself says
	end     uint64  // what of it is written then
	move    uint64  // of which move it is
	train   *train  // what of it is written together with b; nil if that is all
}

// advance notes that all before a position was written, if the outbox has not moved since.
func (j *job) advance(to uint64) {
	if j.of != nil && j.move == j.of.moves {
		j.of.advance(to)
	}
}

// rest notes that so many octets are yet to be written, which encryption may have made more.
// The caller holds the lock of where they are from.
func (j *job) rest(octets int) { j.advance(j.end - min(j.end, uint64(octets))) }

// size returns how many octets are to be written, before encryption.
func (j *job) size() int {
	if j.train != nil {
		return j.train.size
	}
	return len(j.b)
}
