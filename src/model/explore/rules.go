package explore

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// behaviour reads what a side does: its rules, and the effects of its machine's actions.
func (c *compiler) behaviour(s *side) {
	m := c.models[s]
	s.actions = make([][]effect, len(s.does))
	said := make([]bool, len(s.does))
	for e := range m.All("does") {
		effects := c.effects(s, e)
		for _, name := range list(e.Attr("action")) {
			i := slices.Index(s.does, name)
			if i < 0 {
				c.fault(e.Pos, "the machine of %s has no action %q", s.name, name)
				continue
			}
			s.actions[i], said[i] = effects, true
		}
	}
	for i, name := range s.does {
		message, sends := strings.CutPrefix(name, "send ")
		switch id := slices.Index(c.messages, message); {
		case said[i]:
		case sends && id >= notices:
			if l := c.linkOf(s, m); l != nil {
				s.actions[i] = []effect{sending(l, nil, id, nil)}
			}
		default:
			c.fault(m.Pos, "%s has the action %q of its machine: say with <does> what that means to the far side", s.name, name)
		}
	}
	s.parts = map[string][]effect{}
	for e := range m.All("part") {
		s.parts[e.Name()] = c.effects(s, e)
	}
	c.rests(s, m)
	for e := range m.All("begins") {
		s.opening = append(s.opening, c.effects(s, e)...)
	}
	c.rules(s)
}

// rests reads in which states a side may stay: always, or on a condition.
func (c *compiler) rests(s *side, m *model.Element) {
	for _, name := range list(m.Attr("rests")) {
		c.rest(s, m, name, func(*scope) int { return 1 })
	}
	for e := range m.All("rests") {
		for _, name := range list(e.Attr("state")) {
			if when := c.expression(s, e, "when"); when != nil {
				c.rest(s, e, name, when)
			}
		}
	}
}

func (c *compiler) rest(s *side, e *model.Element, name string, when expression) {
	if i := slices.IndexFunc(s.states, func(st state) bool { return st.name == name }); i >= 0 {
		s.states[i].rests = when
	} else {
		c.fault(e.Pos, "%s rests in %q, which is no state of its machine", s.name, name)
	}
}

func (c *compiler) rules(s *side) {
	s.hears = make([]hearing, len(c.messages))
	for id, name := range c.messages {
		s.hears[id].event = -1
		if id >= notices {
			s.hears[id].event = slices.IndexFunc(s.names, func(event string) bool { return model.CName(event) == model.CName(name) })
		}
	}
	for _, e := range c.models[s].Children {
		if k, is := kinds[e.Tag]; is {
			c.rule(s, k, e)
		}
	}
}

func (c *compiler) rule(s *side, k kind, e *model.Element) {
	r := &rule{kind: k, name: cmp.Or(e.Attr("name"), e.Attr("fires"), e.Tag), when: c.expression(s, e, "when"), begins: e.Attr("begins") == "1"}
	if e.Has("link") || k == linked || k == accepts || k == lost || k == refused {
		r.link = c.linkOf(s, e)
	}
	r.effects = c.effects(s, e)
	for _, event := range list(e.Attr("fires")) {
		if i, known := s.events[event]; known {
			r.effects = append(r.effects, firing(s, i))
		} else {
			c.fault(e.Pos, "the machine of %s has no event %q", s.name, event)
		}
	}
	switch k {
	case hears:
		for _, message := range list(e.Attr("message")) {
			if id := slices.Index(c.messages, message); id >= notices {
				s.hears[id].rules = append(s.hears[id].rules, r)
			} else {
				c.fault(e.Pos, "nobody says %q: it is no message of a protocol of the sides, nor a <signal>", message)
			}
		}
		return
	case may:
		r.budget = c.budget(s.name+"'s "+r.name, e, "times", e.Attr("trouble") == "1")
	case beats:
		r.budget = &budget{at: -1}
	case will:
		r.budget = c.budget(s.name+"'s "+r.name, e, "times", false)
	}
	if r.budget == nil && (k == may || k == will) { // it is to happen never
		return
	}
	s.rules = append(s.rules, r)
}
