package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// machine checks a machine: its names first, then where its steps lead.
func (l *linter) machine(m *model.Machine) {
	name := m.Attr("name")
	l.named(m.Element, name, name)
	l.leave(m.Element, name, "package", "the Go binding of ZeroMQ", "go_package")
	l.sentence(m.Element, name)
	l.waivers(m.Element)
	l.findProtocol(m, name)
	space := "Go package " + or(m.Element, "go_package", model.CName(name))
	for _, timeout := range m.Timeouts {
		l.timeout(m, timeout, space)
	}
	for _, reason := range m.Reasons {
		l.constant(m, reason, space, "reason")
	}
	for _, s := range m.States {
		l.constant(m, s.Element, space, "state")
		l.state(m, s)
	}
	l.events(m, space)
	switch {
	case len(m.States) == 0:
		l.fault(m.Element, name, "has no states")
	case m.States[0].Abstract:
		l.fault(m.States[0].Element, m.States[0].Name(), "is abstract and cannot be the start: put a concrete state first")
	default:
		for _, s := range m.States {
			if !l.abstract(m, s) {
				l.steps(s)
			}
		}
		l.paths(m)
	}
}

func (l *linter) findProtocol(m *model.Machine, name string) {
	switch dir := m.Attr("protocol_dir"); {
	case !m.Has("protocol_class"):
		l.fault(m.Element, name, "has no protocol_class, and zproto reads no machine without: name a protocol")
	case dir != "" && !strings.HasSuffix(dir, "/"):
		l.fault(m.Element, name, "protocol_dir must end with a slash: zproto puts protocol_class right behind it")
	case m.Protocol == nil:
		l.fault(m.Element, name, "%s: correct protocol_class, or protocol_dir, which leads there from the folder of the model", m.NoProtocol)
	}
}

// constant checks an element that becomes a constant.
func (l *linter) constant(m *model.Machine, e *model.Element, space, kind string) {
	name := e.Name()
	l.named(e, name, name)
	l.sentence(e, name)
	l.claim(e, space, model.GoName(kind)+model.GoName(name), name)
	l.claim(e, fmt.Sprintf("C %ss of %s", kind, m.Attr("name")), model.CName(name), name)
}

func (l *linter) timeout(m *model.Machine, e *model.Element, space string) {
	l.constant(m, e, space, "timeout")
	least, most := e.Attr("min"), e.Attr("max")
	if !isNumber(least, 1, maxInt) || !isNumber(most, number(least), maxInt) {
		l.fault(e, e.Name(), "needs min and max, in milliseconds, min not above max")
	} else if !isNumber(e.Attr("default"), number(least), number(most)) {
		l.fault(e, e.Name(), "needs a default from %s to %s", least, most)
	}
	for _, constant := range []string{"Default", "Min", "Max"} {
		l.claim(e, space, constant+model.GoName(e.Name()), e.Name())
	}
}

// abstract tells whether a state is only there to be inherited from. For zproto, each state that
// is inherited from may be.
func (l *linter) abstract(m *model.Machine, s *model.State) bool {
	return s.Abstract || !l.once() && isBase(m, s)
}

func isBase(m *model.Machine, s *model.State) bool {
	return slices.ContainsFunc(m.States, func(heir *model.State) bool { return heir.Has("inherit") && heir.Inherit == s.Name() })
}

func (l *linter) state(m *model.Machine, s *model.State) {
	name := s.Name()
	l.flag(s.Element, name, "abstract")
	l.flag(s.Element, name, "final")
	if s.Abstract {
		l.claim(s.Element, "Go state methods of "+m.Attr("name"), "Is"+model.GoName(name), name)
		if !isBase(m, s) {
			l.fault(s.Element, name, "is abstract and nobody inherits from it: remove it")
		}
		if s.Has("timeout") {
			l.fault(s.Element, name, "is abstract and cannot have a timeout: put it on the states that inherit")
		}
		if s.Count("before")+s.Count("after") > 0 {
			l.fault(s.Element, name, "is abstract, so nothing enters or leaves it: put before and after on concrete states")
		}
	}
	if s.Has("inherit") && !slices.ContainsFunc(m.States, func(base *model.State) bool {
		return base.Name() == s.Inherit && (base.Abstract || !l.once())
	}) {
		l.fault(s.Element, name, "inherits from %s, which is no %sstate", s.Inherit, map[bool]string{true: "abstract "}[l.once()])
	}
	if inheritsFromItself(m, s) {
		l.fault(s.Element, name, "inherits from itself")
	} else if base, at := m.State(s.Inherit), slices.Index(m.States, s); at > 0 && base != nil && base.Has("inherit") && slices.Index(m.States, base) > at {
		// The first state is where all begins, so nothing can stand above that.
		l.fault(s.Element, name, "stands above %s, which inherits, too: put that first, for zproto's clients copy in the order of the file", s.Inherit)
	}
	if s.Has("timeout") && !has(m.Timeouts, s.Timeout) && l.once() {
		l.fault(s.Element, name, "has timeout %s, which the model does not define", s.Timeout)
	}
}

func inheritsFromItself(m *model.Machine, s *model.State) bool {
	for above, depth := m.State(s.Inherit), 0; above != nil && depth < len(m.States); above, depth = m.State(above.Inherit), depth+1 {
		if above.Name() == s.Name() {
			return true
		}
		if !above.Has("inherit") {
			break
		}
	}
	return false
}

// effect is what an action is called, and how it is called elsewhere.
type effect struct{ hasReason bool }

func (l *linter) events(m *model.Machine, space string) {
	name := m.Attr("name")
	known, effects := map[string]bool{}, map[string]effect{}
	for _, s := range m.States {
		for i, e := range s.Events {
			path := s.Name() + "." + e.Name()
			l.sentence(e.Element, path)
			if e.Name() == "*" {
				if i < len(s.Events)-1 && l.once() { // zproto takes it for the last wherever it is
					l.fault(e.Element, path, "stands for all other events: put it last")
				}
			} else if l.once() || e.Name() != "$other" {
				l.named(e.Element, path, e.Name())
				if !known[e.Name()] {
					known[e.Name()] = true
					l.claim(e.Element, space, "Event"+model.GoName(e.Name()), path)
					l.claim(e.Element, "C events of "+name, model.CName(e.Name()), path)
				}
			}
			l.claim(e.Element, fmt.Sprintf("state %s of %s", s.Name(), name), e.Name(), path)
			if e.Has("next") && !slices.ContainsFunc(m.States, func(to *model.State) bool { return to.Name() == e.Next && !to.Abstract }) {
				l.fault(e.Element, path, "leads to %s, which is no concrete state", e.Next)
			}
			for _, a := range e.Actions {
				l.action(m, a, path, effects)
			}
		}
		for _, a := range s.Before {
			l.action(m, a, s.Name()+".before", effects)
		}
		for _, a := range s.After {
			l.action(m, a, s.Name()+".after", effects)
		}
	}
}

func (l *linter) action(m *model.Machine, a *model.Action, place string, effects map[string]effect) {
	path := fmt.Sprintf("%s action %s", place, a.Name())
	l.named(a.Element, path, a.Name())
	if a.Message != "" && m.Protocol != nil && len(m.Protocol.Messages) > 0 && l.messageOf(m.Protocol, a.Message) == nil {
		l.fault(a.Element, place, "sends %s, which is no message of %s", a.Message, m.Attr("protocol_class"))
	}
	if a.Has("reason") && !has(m.Reasons, a.Reason) {
		l.fault(a.Element, place, "gives reason %s, which the model does not define", a.Reason)
	}
	if !l.once() {
		return
	}
	key := a.Name() + " " + a.Message
	if known, ok := effects[key]; !ok {
		effects[key] = effect{a.Has("reason")}
		l.claim(a.Element, "Go interface Actions of "+m.Attr("name"), model.GoName(key), place)
		l.claim(a.Element, "C actions of "+m.Attr("name"), model.CName(strings.TrimSpace(key)), place)
		l.avoid(a.Element, "C library", model.CName(a.Name()), place)
	} else if known.hasReason != a.Has("reason") {
		l.fault(a.Element, place, "action %s has a reason here or elsewhere, but not in both places", a.Name())
	}
}

// messageOf returns the message that a model names, or nil. For zproto, names that C spells alike
// are one.
func (l *linter) messageOf(p *model.Protocol, name string) *model.Message {
	for _, m := range p.Messages {
		if m.Name() == name || !l.once() && model.CName(m.Name()) == model.CName(name) {
			return m
		}
	}
	return nil
}

// steps checks that one gets out of a concrete state.
func (l *linter) steps(s *model.State) {
	steps := s.Steps()
	timed := slices.ContainsFunc(steps, func(step *model.Step) bool { return step.Name() == "timeout" })
	moves := slices.ContainsFunc(steps, (*model.Step).Moves)
	if l.once() {
		if s.Has("timeout") && !timed {
			l.fault(s.Element, s.Name(), "has timeout %s, but no event timeout: say what it leads to", s.Timeout)
		} else if timed && !s.Has("timeout") {
			l.fault(s.Element, s.Name(), "has an event timeout, but no timeout: say which one runs")
		}
	}
	switch {
	case s.Final && moves:
		l.fault(s.Element, s.Name(), "is final, but has a way out: remove one")
	case !s.Final && !moves && (l.once() || len(s.Machine.States) > 1 && !ends(steps)):
		l.fault(s.Element, s.Name(), "has no way out: add an event that leads on, or %s", map[bool]string{true: "set final", false: "the action terminate"}[l.once()])
	}
}

// ends tells whether a step ends the machine, as zproto has it.
func ends(steps []*model.Step) bool {
	return slices.ContainsFunc(steps, func(step *model.Step) bool {
		return slices.ContainsFunc(step.Calls, func(a *model.Action) bool { return a.Name() == "terminate" })
	})
}

// paths checks that every concrete state is reached from the start; and if the machine can end,
// that it can end from everywhere.
func (l *linter) paths(m *model.Machine) {
	reached, ending := map[*model.State]bool{m.States[0]: true}, map[*model.State]bool{}
	moves := map[*model.State][]*model.State{}
	for _, s := range m.States {
		if s.Final {
			ending[s] = true
		}
		if s.Abstract {
			continue
		}
		for _, step := range s.Steps() {
			if step.Moves() && step.To != nil {
				moves[s] = append(moves[s], step.To)
			}
		}
	}
	canEnd := len(ending) > 0
	for changed := true; changed; {
		changed = false
		for s, next := range moves {
			for _, to := range next {
				if reached[s] && !reached[to] {
					reached[to], changed = true, true
				}
				if ending[to] && !ending[s] {
					ending[s], changed = true, true
				}
			}
		}
	}
	for _, s := range m.States {
		if l.abstract(m, s) {
			continue
		}
		if !reached[s] {
			l.fault(s.Element, s.Name(), "is never reached from %s: remove it, or lead to it", m.States[0].Name())
		}
		if canEnd && !ending[s] && len(moves[s]) > 0 {
			l.fault(s.Element, s.Name(), "leads to no final state: add a way that does")
		}
	}
}
