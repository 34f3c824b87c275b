package lint

import (
	"slices"

	"github.com/sjohnr/at-once/src/model"
)

// reach checks where the steps of a machine lead: out of each state, and to each.
func (m machine) reach() {
	switch {
	case len(m.States) == 0:
		m.fault(m.Element, m.Attr("name"), "has no states")
	case m.States[0].Abstract:
		m.fault(m.States[0].Element, m.States[0].Name(), "is abstract and cannot be the start: put a concrete state first")
	default:
		for _, s := range m.States {
			if !m.abstract(s) {
				m.steps(s)
			}
		}
		m.paths()
	}
}

// steps checks that one gets out of a concrete state.
func (m machine) steps(s *model.State) {
	steps := s.Steps()
	timed := slices.ContainsFunc(steps, func(step *model.Step) bool { return step.Name() == "timeout" })
	moves := slices.ContainsFunc(steps, (*model.Step).Moves)
	if m.once {
		if s.Has("timeout") && !timed {
			m.fault(s.Element, s.Name(), "has timeout %s, but no event timeout: say what it leads to", s.Timeout)
		} else if timed && !s.Has("timeout") {
			m.fault(s.Element, s.Name(), "has an event timeout, but no timeout: say which one runs")
		}
	}
	switch {
	case s.Final && moves:
		m.fault(s.Element, s.Name(), "is final, but has a way out: remove one")
	case !s.Final && !moves && (m.once || len(s.Machine.States) > 1 && !ends(steps)):
		m.fault(s.Element, s.Name(), "has no way out: add an event that leads on, or %s", map[bool]string{true: "set final", false: "the action terminate"}[m.once])
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
func (m machine) paths() {
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
		if m.abstract(s) {
			continue
		}
		if !reached[s] {
			m.fault(s.Element, s.Name(), "is never reached from %s: remove it, or lead to it", m.States[0].Name())
		}
		if canEnd && !ending[s] && len(moves[s]) > 0 {
			m.fault(s.Element, s.Name(), "leads to no final state: add a way that does")
		}
	}
}
