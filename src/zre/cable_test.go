package zre

import (
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// cable is a connection from one host to another.
type cable struct {
	id       LinkID
	from, to *host
	as, peer uuid.UUID // the identities of both
	up, dead bool
	greeted  bool // the reader has the greeting, and waits until it is admitted
	admitted bool
	sequence uint16 // of the latest message sent
	wanted   uint16 // of the latest received
	last     time.Time
	under    []happening // what is under way, in order
	stalled  bool
}

// dial makes a connection, sooner or later, unless the host gives up.
func (h *host) dial(peer uuid.UUID) {
	c := &cable{from: h, as: h.id, peer: peer}
	h.calls[peer] = c
	h.world.after(h.world.delay(), c.attempt)
}

func (c *cable) attempt() {
	h, w := c.from, c.from.world
	if h.calls[c.peer] != c {
		return
	}
	to := w.find(c.peer)
	if to != nil && to.up() && !w.apart(h, to) {
		w.links++
		c.id, c.to, c.up = w.links, to, true
		to.in[c.id] = c
		w.after(greeting, func() {
			if !c.admitted {
				c.cut(false)
			}
		})
		h.step(Linked{c.peer, h.endpoint()})
		return
	}
	if to == nil || !to.up() {
		h.step(Refused{c.peer})
	}
	if h.calls[c.peer] == c {
		w.after(time.Second, c.attempt)
	}
}

// carry sends a message over the connection, in order.
func (c *cable) carry(m zremsg.Message) {
	c.from.world.sent++
	c.sequence++
	switch m.(type) {
	case *zremsg.Hello:
		c.sequence = 1
		c.from.world.hellos++
	case *zremsg.Elect, *zremsg.Leader:
		c.from.world.elections++
	}
	sequence := c.sequence
	c.then(func() { c.arrive(m, sequence) })
}

// then lets something happen at the far end, after all that is under way.
func (c *cable) then(do func()) {
	w := c.from.world
	if at := w.now.Add(w.delay()); at.After(c.last) {
		c.last = at
	}
	c.under = append(c.under, happening{at: c.last, do: do})
	w.at(c.last, c.deliver)
}

// deliver lets arrive what is under way and due, unless the connection has
// broken, the two are parted, or the reader waits.
func (c *cable) deliver() {
	w := c.from.world
	for len(c.under) > 0 && !c.under[0].at.After(w.now) && !c.dead && !c.stalled {
		if w.apart(c.from, c.to) || c.greeted && !c.admitted {
			c.stalled = true
			w.after(300*time.Millisecond, func() { c.stalled = false; c.deliver() })
			return
		}
		do := c.under[0].do
		c.under = c.under[1:]
		do()
	}
}

// arrive does what the reader of a connection does.
func (c *cable) arrive(m zremsg.Message, sequence uint16) {
	h, peer := c.to, c.as
	if _, hello := m.(*zremsg.Hello); hello {
		c.wanted, c.greeted = sequence-1, true
	} else if !c.admitted && !h.plain {
		return
	}
	h.heard[peer] = h.now()
	if c.wanted++; c.wanted != sequence {
		c.wanted = sequence
		h.step(OutOfStep{peer, c.id})
	}
	h.step(Heard{Peer: peer, Link: c.id, Message: m})
}

// finish closes the connection once all that was sent has arrived, at the latest
// after a second.
func (c *cable) finish() {
	if c.up {
		c.then(func() { c.cut(false) })
		c.from.world.after(time.Second, func() { c.cut(false) })
	}
	c.up = false
}

// cut breaks the connection; both ends see it, at different times. If the
// machine of one is off, the other sees it late.
func (c *cable) cut(off bool) {
	if c.dead || c.to == nil {
		return
	}
	c.dead, c.up = true, false
	from, to, w := c.from, c.to, c.from.world
	w.troubled(from, to)
	late := time.Duration(1)
	if off {
		late = 100
	}
	fromLives, toLives := from.lives, to.lives
	w.after(w.delay()*late, func() {
		w.troubled(from, to)
		if from.lives == fromLives && from.calls[c.peer] == c {
			from.step(Unlinked{c.peer})
		}
	})
	w.after(w.delay()*late, func() {
		w.troubled(from, to)
		if to.lives == toLives && to.in[c.id] == c {
			delete(to.in, c.id)
			to.step(Muted{c.as, c.id})
		}
	})
}
