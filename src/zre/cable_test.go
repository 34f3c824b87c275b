package zre

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/sight"
)

// cable is a connection from one host to another.
type cable struct {
	id        LinkID
	from, to  *host
	as, peer  uuid.UUID        // the identities of both, as the caller has it
	life      uint64           // of the host that it leads to
	endpoints []sight.Endpoint // to try
	endpoint  sight.Endpoint   // where it leads
	wait      time.Duration    // before the first attempt
	since     time.Time        // when it stood
	up, dead  bool
	greeted   bool // the reader has the greeting, and waits until it is admitted
	admitted  bool
	ignored   bool   // the reader reads another one of the same identity
	ending    bool   // the reader will see its end after what has come
	dismissed bool   // the reader takes nothing any more
	again     func() // arrives anew when the connection ahead has ended
	heir      *cable // waits for the end of this one
	sequence  uint16 // of the latest message sent
	wanted    uint16 // of the latest received
	last      time.Time
	flow      time.Time // octets of one message pass until then
	under     []parcel  // what is under way, in order
	stalled   bool
	said      []content // sent
	asked     []int     // how much of that before each PING
}

// parcel is something that arrives.
type parcel struct {
	at      time.Time
	content bool
	do      func()
}

// dial makes a connection, sooner or later, unless the host gives up. One in place of
// another that was not let in waits longer each time.
func (h *host) dial(peer uuid.UUID, endpoints []sight.Endpoint) {
	h.world.dials++
	c := &cable{from: h, as: h.id, peer: peer, endpoints: endpoints}
	if last := h.calls[peer]; !h.plain && last != nil && !last.admitted && h.world.now.Sub(last.since) < greeting/2 {
		c.wait = min(max(2*last.wait, 50*time.Millisecond), greeting/2)
	}
	h.calls[peer] = c
	h.cables[c] = true
	h.world.after(c.wait+h.world.delay(), c.attempt)
}

// attempt tries the endpoints one after the other. Between one host and one endpoint
// there is one connection at a time.
func (c *cable) attempt() {
	h, w := c.from, c.from.world
	if h.calls[c.peer] != c {
		delete(h.cables, c)
		return
	}
	refused := 0
	for _, endpoint := range c.endpoints {
		to := w.listener(endpoint)
		switch {
		case h.occupies(endpoint):
		case to == nil, !to.plain && !h.plain && to.id != c.peer:
			refused++
		case !w.apart(h, to):
			c.stand(to, endpoint)
			return
		}
	}
	if refused == len(c.endpoints) {
		h.step(Refused{c.peer})
	}
	if h.calls[c.peer] == c {
		w.after(time.Second, c.attempt)
	}
}

// occupies tells whether the host has a connection to an endpoint. libzmq has several.
func (h *host) occupies(endpoint sight.Endpoint) bool {
	for c := range h.cables {
		if !h.plain && c.endpoint == endpoint && !c.dead {
			return true
		}
	}
	return false
}

func (c *cable) stand(to *host, endpoint sight.Endpoint) {
	h, w := c.from, c.from.world
	w.links++
	c.id, c.to, c.life, c.endpoint, c.since, c.up = w.links, to, to.lives, endpoint, w.now, true
	if last := to.called(c.as); to.plain && last != nil { // see ZMQ_ROUTER_HANDOVER
		if c.ignored = !w.handover && !last.dead; !c.ignored {
			last.dismissed = true
			last.cut(false)
		}
	}
	to.in[c.id] = c
	w.after(greeting, func() {
		if !c.admitted && !to.plain && c.to == to && c.ahead() == nil {
			c.cut(false)
		}
	})
	h.outbound[c.id] = c
	h.step(Linked{c.peer, c.id, endpoint, h.endpoint(), !to.plain, to.incarnation(), false})
	to.step(Called{c.as})
}

// peer returns what the host's core knows of another.
func (h *host) peer(id uuid.UUID) *peer {
	if h.core == nil {
		return nil
	}
	return h.core.peers[id]
}

// called returns the connection that a plain host reads of an identity.
func (h *host) called(as uuid.UUID) *cable {
	for _, c := range h.in {
		if c.as == as && !c.dismissed && !c.ignored {
			return c
		}
	}
	return nil
}

// ahead returns the connection that this one waits for, if it does.
func (c *cable) ahead() *cable {
	for _, other := range c.to.in {
		if other.heir == c {
			return other
		}
	}
	return nil
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
	case *zremsg.Ping:
		if p := c.from.peer(c.peer); p != nil && p.plain() {
			c.asked = append(c.asked, len(c.said))
		}
	case *zremsg.Confirm:
		c.asked = append(c.asked, len(c.said))
	}
	sequence := c.sequence
	c.then(false, func() { c.arrive(m, sequence) })
	if c.life != c.to.lives { // nobody knows of this connection there
		c.cut(false)
	}
}

// then lets something happen at the far end, after all that is under way.
func (c *cable) then(content bool, do func()) {
	w := c.from.world
	if at := w.now.Add(w.delay()); at.After(c.last) {
		c.last = at
	}
	if c.ending { // nobody reads what comes now
		return
	}
	c.under = append(c.under, parcel{c.last, content, do})
	w.at(c.last, c.deliver)
}

// deliver lets arrive what is under way and due, unless the connection has
// broken, the two are parted, or the reader waits.
func (c *cable) deliver() {
	w := c.from.world
	for len(c.under) > 0 && !c.under[0].at.After(w.now) && !c.stalled {
		if c.dismissed {
			c.under = nil
			break
		}
		lost := c.dead && !c.ending || c.life != c.to.lives || c.to.in[c.id] != c
		if lost || w.apart(c.from, c.to) && !c.ending {
			if !lost {
				c.retry()
			}
			return
		}
		if c.greeted && !c.admitted || c.waits() {
			if c.admitted && !c.to.plain {
				c.to.step(Stalled{c.as})
			}
			c.retry()
			return
		}
		do := c.under[0].do
		c.under = c.under[1:]
		if !c.ignored {
			do()
		}
	}
	if (c.ending || c.dismissed) && !c.waits() && c.life == c.to.lives && c.to.in[c.id] == c {
		c.ended()
	}
}

func (c *cable) retry() {
	c.stalled = true
	c.from.world.after(300*time.Millisecond, func() { c.stalled = false; c.deliver() })
}

// waits tells whether the reader is kept from reading by a slow application.
func (c *cable) waits() bool {
	w := c.from.world
	return len(c.under) > 0 && c.under[0].content && !c.under[0].at.After(w.now) && c.to.busy.After(w.now)
}

// arrive does what the reader of a connection does.
func (c *cable) arrive(m zremsg.Message, sequence uint16) {
	h, peer := c.to, c.as
	_, hello := m.(*zremsg.Hello)
	switch {
	case hello:
		c.wanted, c.greeted = sequence-1, true
	case !c.admitted && !h.plain:
		c.wanted = h.sequences[peer]
		if h.step(Resumed{peer, c.id}); !c.admitted {
			if c.greeted = c.ahead() != nil; c.greeted {
				c.again = func() { c.greeted = false; c.arrive(m, sequence) }
			}
			return
		}
	}
	c.follow(sequence)
	h.step(Heard{Peer: peer, Link: c.id, Message: m})
	if hello && !c.admitted && c.ahead() != nil {
		c.again = func() { h.step(Heard{Peer: peer, Link: c.id, Message: m}) }
	}
}

// follow notes that a peer that is let in was heard, and whether something is missing.
func (c *cable) follow(sequence uint16) {
	h := c.to
	if c.admitted {
		h.heard[c.as] = h.now()
	}
	if c.wanted++; c.wanted != sequence {
		c.wanted = sequence
		h.step(OutOfStep{c.as, c.id})
	}
	h.sequences[c.as] = sequence
}

// drain takes in what has come over a connection, and ends it then.
func (c *cable) drain() {
	if c.to.in[c.id] != c || c.life != c.to.lives {
		return
	}
	w := c.from.world
	if c.dismissed {
		c.under = nil
	}
	c.under = slices.DeleteFunc(c.under, func(p parcel) bool { return p.at.After(w.now) })
	c.ending = true
	c.deliver()
}

// ended lets the reader see the end, and who waits for it go on.
func (c *cable) ended() {
	to := c.to
	delete(to.in, c.id)
	c.cut(false)
	to.step(Muted{c.as, c.id})
	if heir := c.heir; heir != nil && to.in[heir.id] == heir && !heir.dead {
		heir.again()
	}
}

// finish closes the connection once all that was sent has arrived, at the latest
// after a second.
func (c *cable) finish() {
	if c.up {
		c.then(false, func() { c.cut(false) })
		c.from.world.after(time.Second, func() { c.cut(false) })
	}
	c.up = false
}

// cut breaks the connection; both ends see it, at different times. If the
// machine of one is off, the other sees it late, or, if it only reads, never. The
// reader has what had come.
func (c *cable) cut(off bool) {
	if c.dead || c.to == nil {
		c.dead = true
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
		if delete(from.cables, c); from.lives == fromLives && from.calls[c.peer] == c {
			delete(from.outbound, c.id)
			from.step(Unlinked{c.peer, c.id})
		}
	})
	seen := w.delay() * late
	if off && w.chance(0.5) {
		if !to.plain {
			return
		}
		seen = expired // our heartbeats have told libzmq how long to wait for the next
	}
	w.after(seen, func() {
		w.troubled(from, to)
		if to.lives == toLives && to.in[c.id] == c {
			c.drain()
		}
	})
}
