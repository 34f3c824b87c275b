package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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

// linkOf returns the link that an element names, or the side's only one; nil for none.
func (c *compiler) linkOf(s *side, e *model.Element) *link {
	name := cmp.Or(e.Attr("link"), c.models[s].Attr("link"))
	var found []*link
	for _, l := range c.links {
		if l.end(s) >= 0 && (name == "" || l.name == name) {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		c.fault(e.Pos, "%s has %d links called %q: name one with link", s.name, len(found), name)
		return nil
	}
	return found[0]
}

// names resolves the names of a side's expressions; side is nil where all sides are meant.
type names struct {
	*compiler
	of *side
}

// state finds the states that a name stands for: one, those that inherit from one, or none at all.
func (n names) state(of, text string) ([]int, error) {
	s := n.sideNamed(of)
	if of == "state" && n.of != nil {
		s = n.of
	}
	if s == nil {
		return nil, fmt.Errorf("%q is no side, so it has no state", of)
	}
	if text == "-" {
		return []int{0}, nil
	}
	var found []int
	for i, st := range s.states {
		if st.name == text || slices.Contains(st.above, text) {
			found = append(found, i+1)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no state %q", s.name, text)
	}
	return found, nil
}

// name finds a number of one's own; state; here, the connection that a rule is about; SIDE, for
// its state; SIDE.NUMBER; message.NUMBER; LINK.up, the connection that stands; LINK.free, how many
// there can be yet; LINK.sent, the messages of one's own under way; and LEFT, whether a link of a
// side is all read.
func (n names) name(word string) (expression, error) {
	before, after, dotted := strings.Cut(word, ".")
	switch s := n.sideNamed(before); {
	case !dotted && word == "here":
		return func(s *scope) int { return s.slot }, nil
	case !dotted && word == "state" && n.of != nil:
		return at(n.of.at), nil
	case !dotted && s != nil:
		return at(s.at), nil
	case !dotted && n.of != nil:
		if number := n.of.number(word); number != nil {
			return at(number.at), nil
		}
	case dotted && before == "message" && n.numbers[after] != nil:
		of := n.numbers[after]
		return func(s *scope) int {
			if s.id >= len(of) || of[s.id] < 0 || of[s.id] >= len(s.said) {
				return 0
			}
			return int(s.said[of[s.id]])
		}, nil
	case dotted && s != nil:
		if number := s.number(after); number != nil {
			return at(number.at), nil
		}
	case dotted:
		if e := n.linkName(before, after); e != nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("nothing here is called %q", word)
}

func (n names) linkName(name, what string) expression {
	for _, l := range n.links {
		end := 0
		if n.of != nil {
			end = l.end(n.of)
		}
		if l.name != name || end < 0 {
			continue
		}
		switch what {
		case "up":
			return func(s *scope) int { return l.standing(s.joint, end) }
		case "dialing":
			return at(l.dialing[end])
		case "sent":
			return func(s *scope) (sum int) {
				for _, slot := range l.slots {
					sum += slot.queues[end].messages(s.joint)
				}
				return sum
			}
		}
	}
	return nil
}

func at(place int) expression { return func(s *scope) int { return int(s.joint[place]) } }

func (s *side) number(name string) *number {
	for _, n := range s.numbers {
		if n.name == name {
			return n
		}
	}
	return nil
}

// expression compiles an attribute; nil if there is none.
func (c *compiler) expression(s *side, e *model.Element, attr string) expression {
	text, ok := e.Lookup(attr)
	if !ok {
		return nil
	}
	return c.parsed(s, e, text)
}

func (c *compiler) parsed(s *side, e *model.Element, text string) expression {
	compiled, err := parse(text, names{c, s})
	if err != nil {
		c.fault(e.Pos, "%v", err)
		return func(*scope) int { return 0 }
	}
	return compiled
}

func (c *compiler) promise(e *model.Element) promise {
	p := promise{c.expression(nil, e, "that"), e.Doc()}
	if p.holds == nil {
		c.fault(e.Pos, "<%s> says with that what must hold", e.Tag)
	}
	return p
}

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
		if event, known := s.events[strings.ToLower(strings.ReplaceAll(name, "-", " "))]; known && id >= notices {
			s.hears[id].event = event
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
	s.rules = append(s.rules, r)
}

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
