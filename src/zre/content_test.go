package zre

import (
	"time"

	"github.com/google/uuid"
)

// content is a message of an application to a peer.
type content struct {
	from   life
	to     uuid.UUID
	number int
}

// way names one direction between two.
type way struct {
	from life
	to   uuid.UUID
	at   life // who gets it
}

// whisper sends content to a peer that the host takes for present, over the connection
// that leads there, if one does. Some of it takes long on its way.
func (h *host) whisper(id uuid.UUID) {
	c := h.ways[id]
	if _, known := h.view[id]; !known || c == nil || c.dead || !c.up || h.calls[id] != c {
		return
	}
	w := h.world
	h.numbers[id]++
	said := content{h.life(), id, h.numbers[id]}
	c.said = append(c.said, said)
	c.sequence++
	if w.chance(0.01) && !w.calm {
		longest := 60
		if c.to.plain { // Zyre gives up who says nothing whole for so long
			longest = 20
		}
		c.last = w.latest(c.last, w.now).Add(time.Duration(w.random.IntN(longest)) * time.Second)
		c.flow = c.last
	}
	sequence, at := c.sequence, w.now
	c.then(true, func() { c.arriveContent(said, at, sequence) })
}

func (w *world) latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// unnoticed is how long a plain host that has greeted, and starts anew as another before
// it is called back, may be taken for the one that it was.
const unnoticed = expired + greeting

// arriveContent holds what arrives against what is promised: it is for who gets it, in
// order, once, between the enter and the exit of who sent it.
func (c *cable) arriveContent(said content, at time.Time, sequence uint16) {
	h := c.to
	if !c.admitted && !h.plain {
		return
	}
	if h.plain && h.zyre.knowsNot(c.as) {
		return
	}
	c.follow(sequence)
	w := h.world
	if said.to != h.id && at.Sub(h.started) > unnoticed {
		h.fail("content for %v came to %v", said.to, h.id)
	}
	if _, known := h.view[c.as]; !h.plain && !known {
		h.fail("content of host %d, which is not present", c.from.number)
	}
	if !h.plain && h.seen[c.as].life != said.from {
		h.fail("content of host %d is from another life than the one that has entered", c.from.number)
	}
	if last := w.taken[way{said.from, said.to, h.life()}]; said.number <= last {
		h.fail("content %d of host %d after %d", said.number, c.from.number, last)
	}
	w.taken[way{said.from, said.to, h.life()}] = said.number
	w.got[said] = true
}

// confirmed holds it against the truth that a peer has confirmed so often what was said
// over a connection: it has what was sent before.
func (h *host) confirmed(c *cable, count int) {
	if count > len(c.asked) {
		h.fail("%d answers of host %d, which was not asked so often", count, h.world.number(c.peer))
		return
	}
	for _, said := range c.said[:c.asked[count-1]] {
		if !h.world.got[said] {
			h.fail("content %d counts as delivered to host %d, and is not", said.number, h.world.number(c.peer))
		}
	}
}

// signs are those of life that pass beside the core.
func (h *host) signs(id uuid.UUID) (s Signs) {
	s.Heard = h.heard[id]
	now := h.world.now
	for _, c := range h.in {
		if c.as != id || !c.admitted || c.dismissed {
			continue
		}
		s.Waiting = s.Waiting || c.waits()
		if c.flow.After(now) && !c.dead && !h.world.apart(h, c.from) {
			s.Heard = h.now()
		}
	}
	if c := h.calls[id]; c != nil && c.to != nil {
		s.Owes = len(c.under) > 0
		s.Took = c.flow.After(now) && !c.dead && c.life == c.to.lives && !h.world.apart(h, c.to)
		s.Unsure = len(c.said) > 0 && (len(c.asked) == 0 || c.asked[len(c.asked)-1] < len(c.said))
	}
	return s
}

// waiting tells whether content of a peer has come that the application was too slow
// to take.
func (h *host) waiting(id uuid.UUID) bool {
	for _, c := range h.in {
		if c.as == id && c.admitted && !c.dismissed && c.waits() {
			return true
		}
	}
	return false
}

// converse has all whisper to all, and returns what has not arrived a while later.
func (w *world) converse() (lost []content) {
	var all []content
	for _, h := range w.hosts {
		for _, other := range w.hosts {
			if other.id != h.id && !h.plain && !h.outdone() && !other.outdone() {
				h.whisper(other.id)
				all = append(all, content{h.life(), other.id, h.numbers[other.id]})
			}
		}
	}
	w.run(5 * time.Second)
	for _, said := range all {
		if said.number == 0 || !w.got[said] {
			lost = append(lost, said)
		}
	}
	return lost
}
