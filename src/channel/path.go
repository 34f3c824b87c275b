package channel

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// Path is what is said to a peer: it is numbered, counted until the peer confirms it, and
// sealed if need be. It goes over one connection that we have made, and ends with it; or it
// lasts as a direction of a channel, over one link after another. Its fields and the methods
// that say so belong to the node's loop.
type Path struct {
	*link.Outbox
	Nonces guard.Nonces // of the link that our greeting went over

	over  atomic.Pointer[link.Link] // that it goes over, or the latest that it did
	lasts bool                      // it outlives its links
	begun bool                      // the loop's: the greeting that begins a channel was said

	full     func(*link.Link) // called when not even control messages have room
	replaced chan struct{}    // closed when the peer has another path, or none
	known    uint64           // what it had acknowledged then; set before
	sealing  sealing
	proof    atomic.Pointer[proof] // of what is not sealed; nil for none

	// Guarded by Link.Reserve to Commit.
	sequence   uint16   // of the latest message
	said       Amount   // content
	count      uint64   // messages of all kinds
	latest     uint64   // count at the latest content
	contentEnd uint64   // position behind the latest content
	matters    uint64   // and behind the latest content, JOIN or LEAVE
	kept       kept     // what opens shouts again that the peer has not acknowledged
	asides     []uint64 // where the whispers that are between the two nodes begin, of those not acknowledged

	// The loop's own.
	asks      atomic.Int64 // how many there are of asked
	taken     uint64       // octets that the peer had taken when last looked
	owes      bool         // and there were some that it had not
	looked    Amount       // what was said when Busy was last called
	returns   bool         // its content is being taken back
	asked     []*Question  // that the peer has not answered
	answers   int
	confirmed Amount // what was said before the latest answer
}

// Question is whether the peer has what was said before.
type Question struct {
	said Amount
	end  uint64 // where that ends in a path that lasts
	at   time.Time
	Over chan struct{} // closed when it is answered, or never will be over this path
	Took time.Duration // until the answer; 0 if there is none
}

// sealing is the sending end of the sealed sessions on a path.
type sealing struct {
	shown   atomic.Pointer[identity.Card] // ours that the peer knows
	fresh   atomic.Pointer[zre.Badge]     // that the session was opened for; nil if another is due
	session *seal.Sender                  // guarded as Path.sequence is
	former  []former                      // guarded so too: those that have sealed what is not acknowledged

	mu     sync.Mutex // guards what follows; while it is held, nothing waits
	badge  *zre.Badge // that the latest session was opened for
	opened time.Time
	handed map[string]handed // the keys of groups that the peer has

	lacks *keyless // that the session could not be opened of late; nil if it was

	given atomic.Uint64 // how many keys of groups were; it grows before the next is in the outbox
}

// NewPath returns the path over a link that has just been opened. The function full is
// called, in any goroutine, when the peer takes nothing at all, so that not even what is
// between the two nodes has room: the link is to be closed then.
func NewPath(l *link.Link, nonces guard.Nonces, full func(*link.Link)) *Path {
	p := &Path{Outbox: l.Outbox, Nonces: nonces, full: full, replaced: make(chan struct{})}
	p.over.Store(l)
	return p
}

// NewLastingPath returns the path that a channel has from its first link on, which a
// greeting begins, and which is made with a configuration. The function full is called when
// the peer takes nothing at all for so long that not even what is between the two nodes has
// room: the channel is to be ended then.
func NewLastingPath(l *link.Link, nonces guard.Nonces, c link.Config, full func(*link.Link)) *Path {
	p := NewPath(l, nonces, full)
	p.Outbox, p.lasts = link.NewOutbox(c), true
	return p
}

// Again says the greeting that begins a channel over another link. It is the loop's.
func (p *Path) Again(hello *zremsg.Hello, over *link.Link) error {
	hello.Sequence = 1
	frame, err := hello.AppendTo(zmtp.AppendHeader(nil, hello.Size(), false))
	if err != nil {
		return err
	}
	return over.Say(frame)
}

// Link returns the link that the path goes over, or the latest that it did.
func (p *Path) Link() *link.Link { return p.over.Load() }

// Lasts tells whether the path outlives its links.
func (p *Path) Lasts() bool { return p.lasts }

// Begun tells whether the greeting that begins a channel was said. It is the loop's.
func (p *Path) Begun() bool { return p.begun }

// begin says the greeting that begins a channel, over its first link, which what follows
// goes over.
func (p *Path) begin(greeting []byte) error {
	p.begun = true
	if err := p.Link().Say(greeting); err != nil {
		return err
	}
	return p.Attach(p.Link(), 0)
}

// proof proves what is said in a channel and not sealed.
type proof struct {
	tie *guard.Tie
	at  guard.Place
}

// Prove has what is said from now on and not sealed be proved by a tie, in the channel of two
// numbers. Nil proves nothing.
func (p *Path) Prove(tie *guard.Tie, own, other uint64) {
	if tie != nil {
		p.proof.Store(&proof{tie, guard.Place{Own: own, Other: other}})
	}
}

// append appends room for a proof to a message.
func (f *proof) append(b []byte) []byte {
	var mac guard.MAC
	return append(zmtp.AppendHeader(b, len(mac), false), mac[:]...)
}

// put puts the proof of a message at a position behind it.
func (f *proof) put(position uint64, message, end []byte) {
	at := f.at
	at.Position = position
	mac := f.tie.ProveAt(at, message)
	copy(end[len(end)-len(mac):], mac[:])
}

// Ends lets go of all that was said over the path, unless that is being taken back. It is
// called when nobody else changes that.
func (p *Path) Ends() {
	if !p.returns {
		p.Discard()
	}
}

// Linger waits until the peer has acknowledged all content, joins and leaves that were said
// over a path that lasts, and what was said else is on its way, as a goodbye is: a peer that
// stops too acknowledges none. Errors are those of ctx and link.ErrClosed.
func (p *Path) Linger(ctx context.Context) error {
	var matters uint64
	p.Locked(func() { matters = p.matters })
	return p.Write(ctx, matters)
}

// Move has a path that lasts go on over another link, from what the peer has not acknowledged
// on: begin gets where that is, and says so. It is the loop's.
func (p *Path) Move(to *link.Link, begin func(from uint64)) error {
	p.over.Store(to)
	return p.Resume(to, begin)
}

// Acknowledged notes that the peer has what is before a position, and may be told what
// begins below an edge. It tells whether the loop is to take note of that by [Path.Passed],
// and returns ErrPosition if that was never said.
func (p *Path) Acknowledged(position, edge uint64) (passes bool, err error) {
	if err := p.Acknowledge(position); err != nil {
		return false, err
	}
	p.Grant(edge)
	all := false
	p.Locked(func() {
		all = p.allLocked()
		p.kept.drop(p.KnownLocked())
	})
	return all || p.asks.Load() > 0, nil
}

// allLocked tells whether the peer has acknowledged all content.
func (p *Path) allLocked() bool { return p.KnownLocked() >= p.contentEnd }

// Passed answers the questions that what is acknowledged answers, and tells whether there were
// any. It is the loop's.
func (p *Path) Passed() (answers bool) {
	to, _ := p.Outbox.Acknowledged()
	n := 0
	for n < len(p.asked) && p.asked[n].end <= to {
		n++
	}
	p.answer(n)
	p.Locked(func() {
		if p.allLocked() {
			p.confirmed = p.said
		}
	})
	return n > 0
}

// Control queues a message that is no content, encoded into scratch, which it returns. It
// never waits: if there is no room, which is link.ErrOverflow, the link is to be closed. With a HELLO the numbers
// begin anew, and the card is what it shows, or nil. Asks tells whether the peer is asked
// to confirm what was said before. With a HELLO, or if it asks, it is the loop's.
func (p *Path) Control(message zremsg.Message, scratch []byte, card *identity.Card, asks bool) ([]byte, error) {
	size, proof := message.Size(), p.proof.Load()
	head := zmtp.FrameSize(size) - size
	scratch = slices.Grow(scratch[:0], head+size)
	frame, err := message.AppendTo(zmtp.AppendHeader(scratch, size, proof != nil))
	if err != nil {
		return scratch, err
	}
	if proof != nil {
		frame = proof.append(frame)
	}
	greets := message.ID() == zremsg.IDHello
	if greets && p.lasts && !p.begun {
		p.Locked(func() { p.sequence = 1 })
		p.sealing.shown.Store(card)
		binary.BigEndian.PutUint16(frame[head+zremsg.SequenceOffset:], 1)
		return frame, p.begin(frame)
	}
	b, err := p.ReserveControl(len(frame))
	if err != nil {
		return frame, err
	}
	p.count++
	if p.sequence++; greets {
		p.sequence = 1
		p.sealing.shown.Store(card)
	}
	if asks {
		p.asked = append(p.asked, &Question{said: p.said, end: p.EndLocked(), at: time.Now(), Over: make(chan struct{})})
		p.asks.Add(1)
	}
	switch message.(type) {
	case *zremsg.Join, *zremsg.Leave:
		p.matters = p.EndLocked()
	}
	copy(b, frame)
	binary.BigEndian.PutUint16(b[head+zremsg.SequenceOffset:], p.sequence)
	if proof != nil {
		proof.put(p.EndLocked()-uint64(len(b)), b[head:head+size], b)
	}
	p.Commit()
	return frame, nil
}

// Shown returns our card in the latest HELLO, nil for none.
func (p *Path) Shown() *identity.Card { return p.sealing.shown.Load() }

// unheard returns the error for a message that has no room. A peer that takes nothing at
// all gets a fresh connection.
func (p *Path) unheard(err error) error {
	if errors.Is(err, link.ErrOverflow) {
		p.full(p.Link())
		return link.ErrClosed
	}
	return err
}

// sayLocked counts content of so many octets, and gives it its sequence number. The caller
// holds the outbox.
func (p *Path) sayLocked(octets int) {
	p.said.add(octets)
	p.sequence++
	p.count++
	p.latest = p.count
	p.contentEnd = p.EndLocked()
	p.matters = p.contentEnd
}

// Asks returns what a function asks the peer, which is over only with the path if that takes
// no questions. It is the loop's.
func (p *Path) Asks(ask func()) *Question {
	before := len(p.asked)
	if ask(); len(p.asked) > before {
		return p.asked[before]
	}
	return new(Question)
}

// Replaced returns what is closed when the peer has another path, or none.
func (p *Path) Replaced() <-chan struct{} { return p.replaced }

// Said returns how much content was said.
func (p *Path) Said() (said Amount) {
	p.Locked(func() { said = p.said })
	return said
}

// Confirmed returns how much of that the peer has confirmed. It is the loop's.
func (p *Path) Confirmed() Amount { return p.confirmed }

// Unsure tells whether content was said that the peer was not asked to confirm. It is the
// loop's.
func (p *Path) Unsure() bool {
	asked := p.confirmed
	if last := len(p.asked) - 1; last >= 0 {
		asked = p.asked[last].said
	}
	return p.Said() != asked
}

// Answered notes that the peer, asked to confirm, has done so so often. It is the loop's.
func (p *Path) Answered(count int) {
	if n := count - p.answers; n > 0 && n <= len(p.asked) {
		p.answers = count
		p.answer(n)
	}
}

// answer takes so many questions for answered.
func (p *Path) answer(n int) {
	if n == 0 {
		return
	}
	p.confirmed = p.asked[n-1].said
	for _, q := range p.asked[:n] {
		q.Took = max(time.Since(q.at), time.Microsecond)
		close(q.Over)
	}
	p.asked = slices.Delete(p.asked, 0, n)
	p.asks.Add(int64(-n))
}

// Took notes that the peer has taken in so many messages, which confirms what was said if
// it is all of it. It is the loop's.
func (p *Path) Took(count uint64) {
	p.Locked(func() {
		if count >= p.latest && count <= p.count {
			p.confirmed, p.answers, p.asked = p.said, p.answers+len(p.asked), nil
		}
	})
}

// forget returns what the peer has not confirmed, from then on taken for confirmed.
func (p *Path) forget() Amount {
	said := p.Said()
	what := said.Minus(p.confirmed)
	if p.lasts {
		what = p.Rest()
	}
	for _, q := range p.asked {
		close(q.Over)
	}
	p.confirmed, p.asked, p.answers = said, nil, 0
	return what
}

// Busy tells, of a path that lasts, whether content was said since the last call, or is not
// acknowledged. It is the loop's.
func (p *Path) Busy() (busy bool) {
	p.Locked(func() {
		busy = p.lasts && (p.said != p.looked || !p.allLocked())
		p.looked = p.said
	})
	return busy
}

// Signs tells whether the peer has taken octets since the last call that it owed then, and
// whether it owes some: that a PING left is no sign of life. It is the loop's.
func (p *Path) Signs() (took, owes bool) {
	taken, owes := p.Taken()
	took = p.owes && taken > p.taken
	p.taken, p.owes = taken, owes
	return took, owes
}
