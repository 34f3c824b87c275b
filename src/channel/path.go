package channel

import (
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// Path is what is said to a peer: it is numbered, counted until the peer confirms it, and
// sealed if need be. It goes over one connection that we have made, and ends with it; or it
// lasts as a direction of a channel, over one link after another. Its fields and the methods
// that say so belong to the node's loop.
//
// It is put together from parts, each of which knows the stream at most: the messages, what the
// peer has confirmed of them, what seals them.
type Path struct {
	stream
	confirmation
	sealing sealing

	Nonces   guard.Nonces  // of the link that our greeting went over
	replaced chan struct{} // closed when the peer has another path, or none
	known    uint64        // what it had acknowledged then; set before

	// The loop's own.
	begun   bool   // the greeting that begins a channel was said
	taken   uint64 // octets that the peer had taken when last looked
	owes    bool   // and there were some that it had not
	looked  Amount // what was said when Busy was last called
	returns bool   // its content is being taken back
}

// NewPath returns the path over a link that has just been opened. The function full is
// called, in any goroutine, when the peer takes nothing at all, so that not even what is
// between the two nodes has room: the link is to be closed then.
func NewPath(l *link.Link, nonces guard.Nonces, full func(*link.Link)) *Path {
	p := &Path{stream: stream{Outbox: l.Outbox, full: full}, Nonces: nonces, replaced: make(chan struct{})}
	p.over.Store(l)
	p.confirmation.of, p.sealing.stream = &p.stream, &p.stream
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

// Control queues a message that is no content, encoded into scratch, which it returns. It
// never waits: if there is no room, which is link.ErrOverflow, the link is to be closed. With
// a HELLO the numbers begin anew, and the card is what it shows, or nil. Asks tells whether the
// peer is asked to confirm what was said before. With a HELLO, or if it asks, it is the loop's.
func (p *Path) Control(message zremsg.Message, scratch []byte, card *identity.Card, asks bool) ([]byte, error) {
	hello, greets := message.(*zremsg.Hello)
	if greets && p.lasts && !p.begun {
		return scratch, p.begin(hello, card)
	}
	frame, err := p.control(message, scratch)
	if err != nil {
		return frame, err
	}
	if greets {
		p.sealing.shown.Store(card)
	}
	if asks {
		p.askLocked()
	}
	p.Commit()
	return frame, nil
}

// begin says the greeting that begins a channel, which shows a card or nil, over its first link,
// which what follows goes over.
func (p *Path) begin(hello *zremsg.Hello, card *identity.Card) error {
	frame, err := beginning(hello)
	if err != nil {
		return err
	}
	p.Locked(func() { p.sequence = 1 })
	p.sealing.shown.Store(card)
	p.begun = true
	if err := p.Link().Say(frame); err != nil {
		return err
	}
	return p.Attach(p.Link(), 0)
}

// Again says the greeting that begins a channel over another link. It is the loop's.
func (p *Path) Again(hello *zremsg.Hello, over *link.Link) error {
	frame, err := beginning(hello)
	if err != nil {
		return err
	}
	return over.Say(frame)
}

// beginning returns the greeting that begins a channel, which has the first number, as a frame.
func beginning(hello *zremsg.Hello) ([]byte, error) {
	hello.Sequence = 1
	return hello.AppendTo(zmtp.AppendHeader(nil, hello.Size(), false))
}

// Begun tells whether the greeting that begins a channel was said. It is the loop's.
func (p *Path) Begun() bool { return p.begun }

// Ends lets go of all that was said over the path, unless that is being taken back. It is
// called when nobody else changes that.
func (p *Path) Ends() {
	if !p.returns {
		p.Discard()
	}
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
		p.sealing.kept.drop(p.KnownLocked())
	})
	return all || p.asks.Load() > 0, nil
}

// Replaced returns what is closed when the peer has another path, or none.
func (p *Path) Replaced() <-chan struct{} { return p.replaced }

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

// Shown returns our card in the latest HELLO, nil for none.
func (p *Path) Shown() *identity.Card { return p.sealing.shown.Load() }

// Handed returns of how many groups the peer has the keys.
func (p *Path) Handed() int { return p.sealing.keys() }

// Session runs use with the session that seals what is said, which is nil before the first
// is opened, while nobody else uses it.
func (p *Path) Session(use func(*seal.Sender)) {
	p.Locked(func() { use(p.sealing.session) })
}
