package explore

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// compile returns a system, or what is wrong with the model.
func compile(talk *model.Talk) (*system, []Problem) {
	c := &compiler{system: &system{name: talk.Name(), numbers: map[string][]int{}, limit: mostStates}, talk: talk,
		machines: map[*side]*model.Machine{}, models: map[*side]*model.Element{}, opens: map[*link]*model.Element{}}
	c.messages = []string{"", "", ""}
	c.arity = []int{0, 0, 0}
	c.oneLine(talk.Element)
	if n := c.count(talk.Element, "states", mostStates, mostStates); n > 0 {
		c.limit = n
	}
	for few := range talk.All("few") {
		c.few = few.Doc()
	}
	for e := range talk.All("signal") {
		c.message(e.Name(), e)
	}
	for _, s := range talk.Sides {
		c.side(s)
	}
	if talk.Has("troubles") {
		c.wrongs = c.budget("all that goes wrong", talk.Element, "troubles", false)
	}
	for e := range talk.All("link") {
		c.link(e)
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	c.early = c.budget("time-outs that come early", talk.Element, "early", true)
	c.doors()
	for _, s := range c.sides {
		c.behaviour(s)
	}
	for e := range talk.All("always") {
		c.always = append(c.always, c.promise(e))
	}
	for e := range talk.All("calm") {
		c.calm = append(c.calm, c.promise(e))
	}
	for e := range talk.All("finally") {
		c.last = append(c.last, c.promise(e))
	}
	if len(c.messages) > 255 {
		c.fault(talk.Pos, "there are more than %d messages", 255-notices)
	}
	if c.layout.size > mostOctets {
		c.fault(talk.Pos, "a joint state takes %d octets, and may take %d: have fewer sides, links or numbers", c.layout.size, mostOctets)
	}
	c.limit = min(c.limit, mostMemory/max(1, c.layout.size))
	if len(c.sides) < 2 {
		c.fault(talk.Pos, "a conversation has two sides or more")
	}
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	c.begin()
	return c.system, nil
}

// oneLine demands that what is printed in a line of a chart has no end of line. An expression may.
func (c *compiler) oneLine(e *model.Element) {
	for _, a := range e.Attrs {
		if strings.ContainsAny(a.Value, "\r\n") && !slices.Contains([]string{"when", "that", "after", "open", "to"}, a.Name) {
			c.fault(e.Pos, "has an end of line in %s: write it in one", a.Name)
		}
	}
	for _, below := range e.Children {
		c.oneLine(below)
	}
}

// side reads the machine of a side.
func (c *compiler) side(m *model.Side) {
	s := &side{index: len(c.sides), name: m.Name(), events: map[string]int{}, at: c.layout.place(1), later: m.Attr("later") == "1", ignores: m.Attr("ignores") == "1"}
	if m.Err != nil {
		c.fault(m.Pos, "the machine of %s cannot be read: %v", s.name, m.Err)
		return
	}
	c.sides = append(c.sides, s)
	c.machines[s], c.models[s] = m.Machine, c.likeness(m.Element)
	for e := range c.models[s].All("number") {
		n := &number{e.Name(), c.layout.place(1), c.count(e, "start", 0, mostNumber), c.count(e, "max", 4, mostNumber), e.Attr("keeps") == "1"}
		s.numbers = append(s.numbers, n)
	}
	if m.Machine == nil {
		s.states = []state{{name: "there", rests: func(*scope) int { return 1 }}}
		return
	}
	if p := m.Machine.Protocol; p != nil {
		for _, message := range p.Messages {
			c.message(message.Name(), nil)
		}
	}
	c.states(s, m)
}

// states flattens a machine: each concrete state has a step for each event.
func (c *compiler) states(s *side, m *model.Side) {
	concrete := slices.DeleteFunc(slices.Clone(m.Machine.States), func(st *model.State) bool { return st.Abstract })
	for _, st := range m.Machine.States {
		for _, e := range st.Events {
			if _, known := s.events[e.Name()]; !known && e.Name() != "*" {
				s.events[e.Name()] = len(s.names)
				s.names = append(s.names, e.Name())
			}
		}
	}
	for _, st := range concrete {
		flat := state{name: st.Name(), final: st.Final, timeout: st.Timeout != "", above: above(st), steps: make([]step, len(s.names))}
		for i, name := range s.names {
			flat.steps[i].next = -1
			on := st.On(name)
			if on == nil {
				continue
			}
			next := slices.Index(concrete, on.To)
			if next < 0 {
				c.fault(on.Pos, "%s leads to %q, which is no concrete state", on.Name(), on.Next)
			}
			flat.steps[i] = step{next: next, path: st.Name() + "." + on.Name()}
			for _, a := range on.Calls {
				name := strings.TrimSpace(a.Name() + " " + a.Message)
				if !slices.Contains(s.does, name) {
					s.does = append(s.does, name)
				}
				flat.steps[i].actions = append(flat.steps[i].actions, slices.Index(s.does, name))
			}
		}
		s.states = append(s.states, flat)
	}
	if len(s.states) == 0 {
		c.fault(m.Pos, "the machine %s has no states", m.Machine.Name())
	}
}

func above(st *model.State) (names []string) {
	for _, a := range st.Ancestors() {
		names = append(names, a.Name())
	}
	return names
}

// likeness returns a side's model. One that is like another has all that this one has, with words
// swapped in pairs, but for what is only the other's.
func (c *compiler) likeness(e *model.Element) *model.Element {
	like := e.Attr("like")
	if like == "" {
		own := *e
		own.Children = only(e.Children, e.Name())
		return &own
	}
	other := c.talk.Find("side", like)
	if other == nil || other.Has("like") {
		c.fault(e.Pos, "%s is like %q, which is no side that says itself what it does", e.Name(), like)
		return e
	}
	pairs := map[string]string{}
	for _, pair := range list(e.Attr("swaps")) {
		words := strings.Fields(pair)
		if len(words) != 2 {
			c.fault(e.Pos, "swaps has pairs of words with commas between them, not %q", pair)
			return e
		}
		pairs[words[0]], pairs[words[1]] = words[1], words[0]
	}
	whole := swapped(other, pairs)
	whole.Pos = e.Pos
	for _, a := range e.Attrs {
		whole.Set(a.Name, a.Value)
	}
	whole.Children = append(only(whole.Children, e.Name()), e.Children...)
	return whole
}

// only returns the elements that are not only for another side.
func only(elements []*model.Element, side string) (left []*model.Element) {
	for _, e := range elements {
		if !e.Has("only") || e.Attr("only") == side {
			left = append(left, e)
		}
	}
	return left
}

// swapped returns a copy of an element in which words have changed places with others, where
// links and sides are named.
func swapped(e *model.Element, pairs map[string]string) *model.Element {
	copied := *e
	copied.Attrs, copied.Children = nil, nil
	for _, a := range e.Attrs {
		if slices.Contains([]string{"link", "side", "when", "that", "to", "numbers", "on"}, a.Name) {
			a.Value = words.ReplaceAllStringFunc(a.Value, func(word string) string { return cmp.Or(pairs[word], word) })
		}
		copied.Attrs = append(copied.Attrs, a)
	}
	for _, child := range e.Children {
		copied.Children = append(copied.Children, swapped(child, pairs))
	}
	return &copied
}

var words = regexp.MustCompile(`[A-Za-z0-9_]+`)
