package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// machine is a machine that is checked.
type machine struct {
	*report
	*model.Machine
	space   string          // the name space of what is printed from it
	effects map[string]bool // actions with their messages, and whether they have a reason
}

func newMachine(r *report, m *model.Machine) machine {
	return machine{r, m, packageSpace(m.Element), map[string]bool{}}
}

// parts checks all that a machine is made of, each by itself.
func (m machine) parts() {
	name := m.Attr("name")
	m.named(m.Element, name, name)
	m.leave(m.Element, name, "package", "the Go binding of ZeroMQ", "go_package")
	m.sentence(m.Element, name)
	waivers(m.report, m.Element)
	m.findProtocol(name)
	for _, timeout := range m.Timeouts {
		m.timeout(timeout)
	}
	for _, reason := range m.Reasons {
		m.constant(reason, "reason")
	}
	for _, s := range m.States {
		m.constant(s.Element, "state")
		m.state(s)
	}
	m.events()
}

func (m machine) findProtocol(name string) {
	switch dir := m.Attr("protocol_dir"); {
	case !m.Has("protocol_class"):
		m.fault(m.Element, name, "has no protocol_class, and zproto reads no machine without: name a protocol")
	case dir != "" && !strings.HasSuffix(dir, "/"):
		m.fault(m.Element, name, "protocol_dir must end with a slash: zproto puts protocol_class right behind it")
	case m.Protocol == nil:
		m.fault(m.Element, name, "%s: correct protocol_class, or protocol_dir, which leads there from the folder of the model", m.NoProtocol)
	}
}

// constant checks an element that becomes a constant.
func (m machine) constant(e *model.Element, kind string) {
	name := e.Name()
	m.named(e, name, name)
	m.sentence(e, name)
	m.claim(e, m.space, model.GoName(kind)+model.GoName(name), name)
	m.claim(e, fmt.Sprintf("C %ss of %s", kind, m.Attr("name")), model.CName(name), name)
}

func (m machine) timeout(e *model.Element) {
	m.constant(e, "timeout")
	least, most := e.Attr("min"), e.Attr("max")
	if !isNumber(least, 1, maxInt) || !isNumber(most, number(least), maxInt) {
		m.fault(e, e.Name(), "needs min and max, in milliseconds, min not above max")
	} else if !isNumber(e.Attr("default"), number(least), number(most)) {
		m.fault(e, e.Name(), "needs a default from %s to %s", least, most)
	}
	for _, constant := range []string{"Default", "Min", "Max"} {
		m.claim(e, m.space, constant+model.GoName(e.Name()), e.Name())
	}
}

// abstract tells whether a state is only there to be inherited from. For zproto, each state that
// is inherited from may be.
func (m machine) abstract(s *model.State) bool {
	return s.Abstract || !m.once && m.isBase(s)
}

func (m machine) isBase(s *model.State) bool {
	return slices.ContainsFunc(m.States, func(heir *model.State) bool { return heir.Has("inherit") && heir.Inherit == s.Name() })
}

func (m machine) state(s *model.State) {
	name := s.Name()
	m.flag(s.Element, name, "abstract")
	m.flag(s.Element, name, "final")
	if s.Abstract {
		m.claim(s.Element, "Go state methods of "+m.Attr("name"), "Is"+model.GoName(name), name)
		if !m.isBase(s) {
			m.fault(s.Element, name, "is abstract and nobody inherits from it: remove it")
		}
		if s.Has("timeout") {
			m.fault(s.Element, name, "is abstract and cannot have a timeout: put it on the states that inherit")
		}
		if s.Count("before")+s.Count("after") > 0 {
			m.fault(s.Element, name, "is abstract, so nothing enters or leaves it: put before and after on concrete states")
		}
	}
	if s.Has("inherit") && !slices.ContainsFunc(m.States, func(base *model.State) bool {
		return base.Name() == s.Inherit && (base.Abstract || !m.once)
	}) {
		m.fault(s.Element, name, "inherits from %s, which is no %sstate", s.Inherit, map[bool]string{true: "abstract "}[m.once])
	}
	if m.inheritsFromItself(s) {
		m.fault(s.Element, name, "inherits from itself")
	} else if base, at := m.State(s.Inherit), slices.Index(m.States, s); at > 0 && base != nil && base.Has("inherit") && slices.Index(m.States, base) > at {
		// The first state is where all begins, so nothing can stand above that.
		m.fault(s.Element, name, "stands above %s, which inherits, too: put that first, for zproto's clients copy in the order of the file", s.Inherit)
	}
	if s.Has("timeout") && !has(m.Timeouts, s.Timeout) && m.once {
		m.fault(s.Element, name, "has timeout %s, which the model does not define", s.Timeout)
	}
}

func (m machine) inheritsFromItself(s *model.State) bool {
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

func (m machine) events() {
	name := m.Attr("name")
	known := map[string]bool{}
	for _, s := range m.States {
		for i, e := range s.Events {
			path := s.Name() + "." + e.Name()
			m.sentence(e.Element, path)
			if e.Name() == "*" {
				if i < len(s.Events)-1 && m.once { // zproto takes it for the last wherever it is
					m.fault(e.Element, path, "stands for all other events: put it last")
				}
			} else if m.once || e.Name() != "$other" {
				m.named(e.Element, path, e.Name())
				if !known[e.Name()] {
					known[e.Name()] = true
					m.claim(e.Element, m.space, "Event"+model.GoName(e.Name()), path)
					m.claim(e.Element, "C events of "+name, model.CName(e.Name()), path)
				}
			}
			m.claim(e.Element, fmt.Sprintf("state %s of %s", s.Name(), name), e.Name(), path)
			if e.Has("next") && !slices.ContainsFunc(m.States, func(to *model.State) bool { return to.Name() == e.Next && !to.Abstract }) {
				m.fault(e.Element, path, "leads to %s, which is no concrete state", e.Next)
			}
			for _, a := range e.Actions {
				m.action(a, path)
			}
		}
		for _, a := range s.Before {
			m.action(a, s.Name()+".before")
		}
		for _, a := range s.After {
			m.action(a, s.Name()+".after")
		}
	}
}

func (m machine) action(a *model.Action, place string) {
	path := fmt.Sprintf("%s action %s", place, a.Name())
	m.named(a.Element, path, a.Name())
	if a.Message != "" && m.Protocol != nil && len(m.Protocol.Messages) > 0 && messageOf(m.report, m.Protocol, a.Message) == nil {
		m.fault(a.Element, place, "sends %s, which is no message of %s", a.Message, m.Attr("protocol_class"))
	}
	if a.Has("reason") && !has(m.Reasons, a.Reason) {
		m.fault(a.Element, place, "gives reason %s, which the model does not define", a.Reason)
	}
	if !m.once {
		return
	}
	key := a.Name() + " " + a.Message
	if reasoned, ok := m.effects[key]; !ok {
		m.effects[key] = a.Has("reason")
		m.claim(a.Element, "Go interface Actions of "+m.Attr("name"), model.GoName(key), place)
		m.claim(a.Element, "C actions of "+m.Attr("name"), model.CName(strings.TrimSpace(key)), place)
		m.avoid(a.Element, "C library", model.CName(a.Name()), place)
	} else if reasoned != a.Has("reason") {
		m.fault(a.Element, place, "action %s has a reason here or elsewhere, but not in both places", a.Name())
	}
}
