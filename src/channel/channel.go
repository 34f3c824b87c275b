// Package channel is all that is said to one peer, and what opens what the peer says:
// content is counted, sealed and queued. Between two @Once nodes a [Path] lasts as one direction
// of their channel, over one link after another. To others, as ZRE has it, each path is one of
// our links, and numbers and sealed sessions begin anew with it.
//
// Programs import bindings/go/once: what is here may change at any time.
package channel

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// Channel is a peer that is present, as the data path sees it. Its methods are safe for
// concurrent use, but for those that say that they are the loop's.
type Channel struct {
	Sequence atomic.Uint32 // of the latest message over a connection of the peer's that has ended

	challenge []byte // what the peer's sessions have to answer
	snapshot  atomic.Pointer[zre.Peer]
	path      atomic.Pointer[Path] // nil once the peer is gone
	session   atomic.Uint64        // number of the latest that the peer opened
	skipped   tally                // shouts that it did not get: nothing can be sealed for it, or it is plain, was suspect and had no room
	sent      tally                // content over the paths before this one
	received  tally                // content that came
	withheld  tally                // shouts that were not for it: only what is sealed is said there
	doubt     atomic.Pointer[doubt]
}

// New returns the channel of a peer that has just come and whose sessions have to answer
// a challenge. Nothing goes to it before it has a path by Relink.
func New(p *zre.Peer, challenge []byte) *Channel {
	c := &Channel{challenge: challenge}
	c.Recovered()
	c.snapshot.Store(p)
	c.path.Store(NewPath(nowhere, guard.Nonces{}, nil))
	return c
}

// nowhere is the link of those that have none yet.
var nowhere = link.Ended()

// Peer returns what is known of the peer.
func (c *Channel) Peer() *zre.Peer { return c.snapshot.Load() }

// Update replaces what is known of the peer. It is the loop's.
func (c *Channel) Update(p *zre.Peer) {
	if last := c.snapshot.Swap(p).Badge().Card; last != nil {
		last.Sealing.Wake() // the peer may have shown another card
	}
}

// Path returns the path that content goes over, nil once the peer is gone.
func (c *Channel) Path() *Path { return c.path.Load() }

// badge returns what the peer has shown.
func (c *Channel) badge() *zre.Badge { return c.Peer().Badge() }

// seals tells whether content for the peer is sealed: it has a card, and the
// connection is not encrypted.
func (c *Channel) seals() bool { return c.badge().Seals() }

// Relink gives the peer another path. It is the loop's.
func (c *Channel) Relink(p *Path) {
	if p != nil {
		_, doubt := c.Suspect()
		p.Doubt(doubt)
	}
	last := c.path.Swap(p)
	last.Doubt(false)
	said := last.Said()
	c.sent.plus(said)
	last.known, _ = last.Outbox.Acknowledged()
	close(last.replaced)
}

// Received counts content that came.
func (c *Channel) Received(what Amount) { c.received.plus(what) }

// Traffic returns how much content was said to the peer, and how much came.
func (c *Channel) Traffic() (sent, received Amount) {
	if p := c.Path(); p != nil {
		sent = p.Said()
	}
	return sent.Plus(c.sent.amount()), c.received.amount()
}

// Waiting returns how many octets of what was said wait for the peer.
func (c *Channel) Waiting() int {
	if p := c.Path(); p != nil {
		return p.Queued()
	}
	return 0
}

// End tells those who wait that the peer is gone. It is the loop's.
func (c *Channel) End() { c.Relink(nil) }

// Age replaces the sealed session if it is old.
func (c *Channel) Age(g *guard.Guard, now time.Time) error {
	if p := c.Path(); p != nil {
		return p.sealing.age(g, c.badge(), now)
	}
	return nil
}

// Left notes that the peer has left a group: it is given the key anew when it comes back.
// It is the loop's.
func (c *Channel) Left(group string) {
	if p := c.Path(); p != nil {
		p.sealing.unhand(group)
	}
}

// Unconfirmed returns what the peer has not confirmed of what was said over a path, and
// what it did not get at all. From then on all of that is taken for told. It is the loop's.
func (c *Channel) Unconfirmed(over *Path) Amount {
	return over.forget().Plus(c.skipped.take()).Plus(c.withheld.take())
}

// Missed returns what the peer did not get because it was suspect and had no room, or
// because nothing can be sealed for it, and what was not for it, since the last call.
func (c *Channel) Missed() (skipped, withheld Amount) { return c.skipped.take(), c.withheld.take() }

// reserve waits for room in the queue of the peer's path, and, if that is lost, of the
// next; and for the key to seal with, until it is too late. First it does what prepares a
// path for the message. The caller fills in what it gets and calls Commit on the path.
func (c *Channel) reserve(ctx context.Context, octets int, prepare func(*Path) error) (*Path, []byte, error) {
	for {
		p := c.Path()
		if p == nil {
			return nil, nil, api.ErrNoPeer
		}
		var b []byte
		err := prepare(p)
		if err == nil {
			b, err = p.Reserve(ctx, octets)
		}
		if err == nil {
			return p, b, nil
		}
		var lacks *keyless
		var came <-chan struct{}
		var late <-chan time.Time
		if errors.As(err, &lacks) {
			came, late = lacks.key.Came(), time.After(time.Until(lacks.until))
			if c.badge().Card.Sealing != lacks.key { // another counts by now
				continue
			}
		} else if !errors.Is(err, net.ErrClosed) {
			return nil, nil, err
		}
		select {
		case <-came:
		case <-late:
			return nil, nil, err
		case <-p.replaced:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

// doubt is whether a peer is suspect: then it ends.
type doubt struct {
	context.Context
	begin context.CancelFunc
	since time.Time // set before
}

// Suspected ends waits for room of which suspect peers have none. It is the loop's.
func (c *Channel) Suspected() {
	if d := c.doubt.Load(); d.Err() == nil {
		d.since = time.Now()
		d.begin()
	}
	if p := c.Path(); p != nil {
		p.Doubt(true)
	}
}

// Suspect tells whether the peer is suspect, and since when.
func (c *Channel) Suspect() (since time.Time, suspect bool) {
	d := c.doubt.Load()
	if d.Err() == nil {
		return time.Time{}, false
	}
	return d.since, true
}

// Recovered ends that. It is the loop's.
func (c *Channel) Recovered() {
	d := new(doubt)
	d.Context, d.begin = context.WithCancel(context.Background())
	if last := c.doubt.Swap(d); last != nil {
		last.begin()
		if p := c.Path(); p != nil {
			p.Doubt(false)
		}
	}
}

// unlessSuspect returns a context that ends with ctx, when the peer is suspect, or
// when over is called.
func (c *Channel) unlessSuspect(ctx context.Context) (wait context.Context, over func()) {
	wait, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.doubt.Load(), cancel)
	return wait, func() { stop(); cancel() }
}
