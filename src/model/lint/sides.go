package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// sides checks what passes between machines that speak a protocol: what one sends or the grammar
// has, the far side has an event for, and what a machine hears in one state, it handles in each.
//
// An event is for the message of its name, or for those in its attribute takes.
func (l *linter) sides() {
	for _, m := range l.project.Machines {
		if m.Protocol == nil || m.Role() == model.Below {
			continue
		}
		l.takes(m)
		if l.once() {
			l.unhandled(m)
		}
		if far := l.far(m, m.Role()); len(far) > 0 && l.complete(m) {
			l.unheard(m, far)
		}
	}
	for _, p := range l.project.Protocols {
		for grammar := range p.All("grammar") {
			l.grammar(p, grammar)
		}
	}
}

// complete tells whether all machines are known that one may speak with: those of a project are,
// and both sides of a conversation.
func (l *linter) complete(m *model.Machine) bool {
	return m.Role() != model.Both || l.once() && l.project.Whole
}

// far are the machines that one on a side may speak with.
func (l *linter) far(of *model.Machine, from model.Role) (far []*model.Machine) {
	for _, m := range l.project.Machines {
		if m.Protocol != nil && m.Protocol.File == of.Protocol.File && m.Role() != model.Below && (m.Role() == model.Both || m.Role() != from) {
			far = append(far, m)
		}
	}
	return far
}

// stands tells whether an event is for a message.
func stands(e *model.Event, message string) bool {
	for name := range strings.FieldsSeq(e.Attr("takes")) {
		if name == message {
			return true
		}
	}
	return model.CName(e.Name()) == model.CName(message)
}

func hears(machines []*model.Machine, message string) bool {
	return slices.ContainsFunc(machines, func(m *model.Machine) bool {
		return slices.ContainsFunc(m.States, func(s *model.State) bool {
			return slices.ContainsFunc(s.Events, func(e *model.Event) bool { return stands(e, message) })
		})
	})
}

// takes checks that events stand for messages that there are.
func (l *linter) takes(m *model.Machine) {
	for _, s := range m.States {
		for _, e := range s.Events {
			for name := range strings.FieldsSeq(e.Attr("takes")) {
				if m.Protocol.Message(name) == nil {
					l.fault(e.Element, s.Name()+"."+e.Name(), "takes %s, which is no message of %s", name, m.Protocol.Attr("name"))
				}
			}
		}
	}
}

// unhandled finds states that say nothing about a message that others hear.
func (l *linter) unhandled(m *model.Machine) {
	if len(m.States) == 0 || m.States[0].Abstract {
		return
	}
	for _, s := range m.States {
		if s.Abstract || s.Final {
			continue
		}
		steps, told := s.Steps(), map[string]bool{}
		for _, other := range m.States {
			for _, e := range other.Events {
				if told[e.Name()] || !slices.ContainsFunc(m.Protocol.Messages, func(p *model.Message) bool { return stands(e, p.Name()) }) {
					continue
				}
				told[e.Name()] = true
				if !slices.ContainsFunc(steps, func(step *model.Step) bool { return step.Name() == e.Name() || step.Name() == "*" }) {
					l.fault(s.Element, s.Name(), "does not handle %s, which %s does: add the event, or * for all others", e.Name(), other.Name())
				}
			}
		}
	}
}

// unheard finds what a machine sends and nobody has an event for.
func (l *linter) unheard(m *model.Machine, far []*model.Machine) {
	told := map[string]bool{}
	check := func(a *model.Action, place string) {
		if a.Message != "" && !told[a.Message] && l.messageOf(m.Protocol, a.Message) != nil && !hears(far, a.Message) {
			told[a.Message] = true
			l.fault(a.Element, place, "sends %s, for which %s has no event: add one, or name it in the takes of the event that it is", a.Message, names(far))
		}
	}
	for _, s := range m.States {
		for _, e := range s.Events {
			for _, a := range e.Actions {
				check(a, s.Name()+"."+e.Name())
			}
		}
		for _, a := range slices.Concat(s.Before, s.After) {
			check(a, s.Name())
		}
	}
}

func names(machines []*model.Machine) string {
	var list []string
	for _, m := range machines {
		list = append(list, m.Attr("name"))
	}
	return strings.Join(list, " and ")
}

// word is a name in a grammar, with the letter of who sends it, if the grammar says so: C is the
// client, S the server.
var word = regexp.MustCompile(`(?:\b([A-Z]):)?([A-Za-z][-A-Za-z0-9]*)`)

// grammar checks the messages that a grammar has, and that it has all.
func (l *linter) grammar(p *model.Protocol, e *model.Element) {
	rules := map[string]bool{}
	for line := range strings.Lines(e.Text) {
		if name, _, ok := strings.Cut(line, "="); ok {
			rules[strings.TrimSpace(name)] = true
		}
	}
	seen := map[string]bool{}
	line := e.Line
	for text := range strings.Lines(e.Text) {
		at := &model.Element{Pos: model.Pos{File: e.File, Line: line}}
		line++
		for _, match := range word.FindAllStringSubmatch(text, -1) {
			sender, name := match[1], match[2]
			m := l.messageOf(p, name)
			switch {
			case rules[name] && sender == "", seen[match[0]]:
				continue
			case m == nil && sender != "":
				seen[match[0]] = true
				l.fault(at, "grammar", "has %s, which is no message of %s", match[0], p.Attr("name"))
			case m == nil && l.once():
				seen[match[0]] = true
				l.fault(at, "grammar", "has %s, which is neither a rule of it nor a message of %s", name, p.Attr("name"))
			case m != nil:
				seen[match[0]], seen[m.Name()] = true, true
				l.received(p, at, m, sender)
			}
		}
	}
	if !l.once() {
		return
	}
	l.circles(e)
	for _, m := range p.Messages {
		if !seen[m.Name()] {
			l.fault(m.Element, m.Name(), "is not in the grammar: say there when it may be sent")
		}
	}
}

// circles finds rules of a grammar that lead back to themselves: nobody can tell where what they
// describe ends.
func (l *linter) circles(e *model.Element) {
	leads, lines, names := map[string][]string{}, map[string]int{}, []string{}
	name, line := "", e.Line
	for text := range strings.Lines(e.Text) {
		if left, right, ok := strings.Cut(text, "="); ok {
			name, text = strings.TrimSpace(left), right
			names, lines[name] = append(names, name), line
		}
		for _, match := range word.FindAllStringSubmatch(text, -1) {
			if match[1] == "" {
				leads[name] = append(leads[name], match[2])
			}
		}
		line++
	}
	told := map[string]bool{}
	for _, start := range names {
		for _, back := range around(leads, start) {
			if !told[start] {
				at := &model.Element{Pos: model.Pos{File: e.File, Line: lines[start]}}
				l.fault(at, "grammar", "%s goes in a circle, as %s leads back to it: say with * what comes again", start, back)
			}
			told[start], told[back] = true, true
		}
	}
}

// around returns the rules on ways from a rule back to itself, in the order in which they are met: of
// each way the last.
func around(leads map[string][]string, start string) (last []string) {
	seen, next := map[string]bool{}, []string{start}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		for _, to := range leads[from] {
			if to == start && !slices.Contains(last, from) {
				last = append(last, from)
			}
			if !seen[to] {
				seen[to] = true
				next = append(next, to)
			}
		}
	}
	return last
}

// received checks that a message of the grammar is handled on the side that receives it, if there
// is a machine of that side.
func (l *linter) received(p *model.Protocol, e *model.Element, m *model.Message, sender string) {
	from := map[string]model.Role{"C": model.Client, "S": model.Server}[sender]
	far := slices.DeleteFunc(slices.Clone(l.project.Machines), func(other *model.Machine) bool {
		return other.Protocol == nil || other.Protocol.File != p.File || other.Role() == model.Below || from != model.Both && other.Role() == from || !l.complete(other)
	})
	if len(far) > 0 && !hears(far, m.Name()) {
		l.fault(e, "grammar", "has %s, for which %s has no event: add one, or name it in the takes of the event that it is", m.Name(), names(far))
	}
}
