package explore

import (
	"slices"

	"github.com/sjohnr/at-once/src/model"
)

func (c *compiler) link(e *model.Element) {
	l := &link{name: e.Name(), datagram: e.Attr("kind") == "datagram", holds: c.count(e, "holds", 4, mostHolds)}
	names := list(e.Attr("between"))
	for i, name := range names {
		if s := c.sideNamed(name); s != nil && i < 2 {
			l.ends[i] = s
		}
	}
	if len(names) != 2 || l.ends[0] == nil || l.ends[1] == nil || l.ends[0] == l.ends[1] {
		c.fault(e.Pos, "between names two sides of the conversation, not %q", e.Attr("between"))
		return
	}
	if kind := e.Attr("kind"); kind != "" && kind != "datagram" {
		c.fault(e.Pos, "kind is datagram, or is left out, not %q", kind)
	}
	width := 1 + slices.Max(c.arity)
	for range max(1, c.count(e, "slots", 1, mostSlots)) {
		s := &slot{up: [2]int{c.layout.place(1), c.layout.place(1)}, broken: c.layout.place(1)}
		for i := range s.queues {
			room := l.holds + 2 // notices
			s.queues[i] = queue{c.layout.place(1 + room*width), room, width}
		}
		l.slots = append(l.slots, s)
	}
	l.dialing = [2]int{c.layout.place(1), c.layout.place(1)}
	l.stands = l.datagram || e.Attr("stands") == "1"
	c.opens[l] = e
	if l.datagram {
		l.loses = c.budget("losses on "+l.name, e, "loses", true)
		l.doubles = c.budget("doubles on "+l.name, e, "doubles", true)
	} else {
		l.breaks = c.budget("breaks of "+l.name, e, "breaks", true)
		l.refuses = c.budget("refusals of "+l.name, e, "refuses", true)
	}
	c.links = append(c.links, l)
}

// doors reads when the far sides of links let themselves be dialled.
func (c *compiler) doors() {
	for _, l := range c.links {
		l.open = c.expression(nil, c.opens[l], "open")
	}
}

func (c *compiler) sideNamed(name string) *side {
	for _, s := range c.sides {
		if s.name == name {
			return s
		}
	}
	return nil
}

// begin settles the first joint state.
func (c *compiler) begin() {
	c.start = make(joint, c.layout.size)
	for _, b := range c.budgets {
		if b.at >= 0 {
			c.start[b.at] = uint8(b.times)
		}
	}
	for _, s := range c.sides {
		for _, n := range s.numbers {
			c.start[n.at] = uint8(n.start)
		}
	}
	for _, l := range c.links {
		if l.stands {
			c.start[l.slots[0].up[0]], c.start[l.slots[0].up[1]] = 1, 1
		}
	}
}
