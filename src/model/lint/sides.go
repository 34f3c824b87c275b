package lint

import (
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// sides are the machines of a project that speak protocols: what one sends or the grammar has, the
// far side has an event for, and what a machine hears in one state, it handles in each.
//
// An event is for the message of its name, or for those in its attribute takes.
type sides struct {
	*report
	project *model.Project
}

// machines checks what passes between machines.
func (s sides) machines() {
	for _, m := range s.project.Machines {
		if m.Protocol == nil || m.Role() == model.Below {
			continue
		}
		s.takes(m)
		if s.once {
			s.unhandled(m)
		}
		if far := s.far(m.Protocol, m.Role()); len(far) > 0 && s.complete(m) {
			s.unheard(m, far)
		}
	}
}

// complete tells whether all machines are known that one may speak with: those of a project are,
// and both sides of a conversation.
func (s sides) complete(m *model.Machine) bool {
	return m.Role() != model.Both || s.once && s.project.Whole
}

// far are the machines that one on a side of a protocol may speak with.
func (s sides) far(of *model.Protocol, from model.Role) (far []*model.Machine) {
	for _, m := range s.project.Machines {
		if m.Protocol != nil && m.Protocol.File == of.File && m.Role() != model.Below && (m.Role() == model.Both || m.Role() != from) {
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
func (s sides) takes(m *model.Machine) {
	for _, state := range m.States {
		for _, e := range state.Events {
			for name := range strings.FieldsSeq(e.Attr("takes")) {
				if m.Protocol.Message(name) == nil {
					s.fault(e.Element, state.Name()+"."+e.Name(), "takes %s, which is no message of %s", name, m.Protocol.Attr("name"))
				}
			}
		}
	}
}

// unhandled finds states that say nothing about a message that others hear.
func (s sides) unhandled(m *model.Machine) {
	if len(m.States) == 0 || m.States[0].Abstract {
		return
	}
	for _, state := range m.States {
		if state.Abstract || state.Final {
			continue
		}
		steps, told := state.Steps(), map[string]bool{}
		for _, other := range m.States {
			for _, e := range other.Events {
				if told[e.Name()] || !slices.ContainsFunc(m.Protocol.Messages, func(p *model.Message) bool { return stands(e, p.Name()) }) {
					continue
				}
				told[e.Name()] = true
				if !slices.ContainsFunc(steps, func(step *model.Step) bool { return step.Name() == e.Name() || step.Name() == "*" }) {
					s.fault(state.Element, state.Name(), "does not handle %s, which %s does: add the event, or * for all others", e.Name(), other.Name())
				}
			}
		}
	}
}

// unheard finds what a machine sends and nobody has an event for.
func (s sides) unheard(m *model.Machine, far []*model.Machine) {
	told := map[string]bool{}
	check := func(a *model.Action, place string) {
		if a.Message != "" && !told[a.Message] && messageOf(s.report, m.Protocol, a.Message) != nil && !hears(far, a.Message) {
			told[a.Message] = true
			s.fault(a.Element, place, "sends %s, for which %s has no event: add one, or name it in the takes of the event that it is", a.Message, names(far))
		}
	}
	for _, state := range m.States {
		for _, e := range state.Events {
			for _, a := range e.Actions {
				check(a, state.Name()+"."+e.Name())
			}
		}
		for _, a := range slices.Concat(state.Before, state.After) {
			check(a, state.Name())
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
