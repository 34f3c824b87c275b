package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Limits of a model. Numbers are cut, or joint states would be without end.
const (
	mostNumber = 15
	mostHolds  = 12
	mostSlots  = 3
	mostTimes  = 8
	mostStates = 4_000_000
	mostOctets = 512     // of a joint state
	mostMemory = 1 << 30 // octets of all joint states
)

// Problem is what keeps a conversation from being explored, and where.
type Problem struct {
	model.Pos
	Text string
}

func (p Problem) Error() string { return model.OneLine(p.Pos.String() + ": " + p.Text) }

// compiler makes a system of a conversation.
type compiler struct {
	*system
	talk     *model.Talk
	machines map[*side]*model.Machine
	models   map[*side]*model.Element
	opens    map[*link]*model.Element
	problems []Problem
}

func (c *compiler) fault(at model.Pos, format string, args ...any) {
	c.problems = append(c.problems, Problem{at, fmt.Sprintf(format, args...)})
}

// count reads an attribute that is a number from 0.
func (c *compiler) count(e *model.Element, name string, otherwise, most int) int {
	text, ok := e.Lookup(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		c.fault(e.Pos, "%s is a number from 0 to %d, not %q", name, most, text)
		return otherwise
	}
	return n
}

// budget settles how often something happens that an element has an attribute for. What goes
// wrong is limited by how much goes wrong in all, if the model says that, and so need not be.
func (c *compiler) budget(name string, e *model.Element, attr string, fault bool) *budget {
	b := &budget{name: name, at: -1, fault: fault}
	if fault {
		b.whole = c.wrongs
	}
	if b.times = c.count(e, attr, 1, mostTimes); b.times == 0 {
		return nil
	}
	if b.whole == nil || e.Has(attr) {
		b.at = c.layout.place(1)
	}
	c.budgets = append(c.budgets, b)
	return b
}

// list cuts an attribute at its commas.
func list(text string) (items []string) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// message returns the number of a message, which is new if e is given.
func (c *compiler) message(name string, e *model.Element) int {
	id := slices.Index(c.messages, name)
	if id < 0 {
		id = len(c.messages)
		c.messages, c.arity = append(c.messages, name), append(c.arity, 0)
	}
	if e == nil {
		return id
	}
	for i, n := range list(e.Attr("numbers")) {
		c.arity[id] = i + 1
		for len(c.numbers[n]) < id {
			c.numbers[n] = append(c.numbers[n], -1)
		}
		c.numbers[n] = append(c.numbers[n], i)
	}
	return id
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
