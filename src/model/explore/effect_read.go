package explore

import (
	"slices"

	"github.com/sjohnr/at-once/src/model"
)

// effects reads what an element has happen.
func (c *compiler) effects(s *side, of *model.Element) (all []effect) {
	for _, e := range of.Children {
		if one := c.effect(s, e); one != nil {
			all = append(all, one)
		}
	}
	return all
}

func (c *compiler) effect(s *side, e *model.Element) effect {
	switch e.Tag {
	case "send":
		return c.sends(s, e)
	case "fire":
		of := s
		if e.Has("side") {
			of = c.sideNamed(e.Attr("side"))
		}
		if of == nil {
			c.fault(e.Pos, "there is no side %q", e.Attr("side"))
		} else if i, known := of.events[e.Attr("event")]; known {
			return firing(of, i)
		} else {
			c.fault(e.Pos, "the machine of %s has no event %q", of.name, e.Attr("event"))
		}
	case "set":
		number, to := s.number(e.Name()), c.expression(s, e, "to")
		if number != nil && to != nil {
			return setting(s, number, to)
		}
		c.fault(e.Pos, "<set> gives a number of %s that is named a value that is in to", s.name)
	case "choose":
		return c.choice(s, e)
	case "do":
		return c.doing(s, e)
	case "dial":
		if l := c.linkOf(s, e); l != nil {
			return dialing(l)
		}
	case "close":
		if l := c.linkOf(s, e); l != nil {
			return closing(l, c.expression(s, e, "on"))
		}
	case "check":
		if p := c.expression(s, e, "that"); p != nil {
			return checking(p, e.Doc())
		}
		c.fault(e.Pos, "<check> says with that what must hold")
	case "begin":
		return func(t *turn, o *outcome) []*outcome { return t.begin(s, o) }
	case "end":
		return ending(s)
	default:
		c.fault(e.Pos, "<%s> is nothing that happens: send, fire, set, choose, do, dial, close, check, begin or end", e.Tag)
	}
	return nil
}

func (c *compiler) sends(s *side, e *model.Element) effect {
	id := slices.Index(c.messages, e.Attr("message"))
	if id < notices {
		c.fault(e.Pos, "%q is no message of a protocol of the sides, nor a <signal>", e.Attr("message"))
		return nil
	}
	var said []expression
	for _, text := range list(e.Attr("numbers")) {
		said = append(said, c.parsed(s, e, text))
	}
	if len(said) != c.arity[id] {
		c.fault(e.Pos, "%s carries %d numbers, and is sent with %d", e.Attr("message"), c.arity[id], len(said))
	}
	if e.Attr("link") == "here" {
		return answering(id, said)
	}
	if l := c.linkOf(s, e); l != nil {
		return sending(l, c.expression(s, e, "on"), id, said)
	}
	return nil
}

// doing compiles a call of a part of a side, which may be written behind it, and may do itself.
func (c *compiler) doing(s *side, e *model.Element) effect {
	name := e.Attr("part")
	if c.models[s].Find("part", name) == nil {
		c.fault(e.Pos, "%s has no <part> called %q", s.name, name)
	}
	return func(t *turn, o *outcome) []*outcome {
		if t.depth == maxDepth {
			return o.fail("livelock", "the part %s of %s does itself without end", name, s.name)
		}
		inner := *t
		inner.depth++
		return inner.do(s.parts[name], o)
	}
}

func (c *compiler) choice(s *side, e *model.Element) effect {
	var cases []choice
	for one := range e.All("case") {
		cases = append(cases, choice{c.expression(s, one, "when"), c.effects(s, one)})
	}
	if len(cases) == 0 {
		c.fault(e.Pos, "<choose> has a <case> or more")
	}
	return choosing(cases)
}
