package model

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Machine is a set of states, and what leads from one to the other.
type Machine struct {
	*Element
	Protocol *Protocol // whose messages its actions send; nil if there is none
	Timeouts []*Element
	Reasons  []*Element
	States   []*State // the first is the start

	NoProtocol string // why there is no Protocol
}

// State is one of a machine's states.
type State struct {
	*Element
	Machine  *Machine
	Abstract bool   // it is only there to be inherited from
	Final    bool   // the machine ends in it
	Inherit  string // the state whose events it handles, too
	Timeout  string // the timeout that runs while the machine is in it
	Events   []*Event
	Before   []*Action // what is done whenever it is entered
	After    []*Action // and left
}

// Event is what a state does about something that happens; "*" is all else.
type Event struct {
	*Element
	State   *State
	Next    string // the state that it leads to; empty if it stays
	Actions []*Action
}

// Action is something that is done.
type Action struct {
	*Element
	Message string // what is sent
	Reason  string // what it is told
}

// newMachine makes a machine of what is read. As zproto has it, its protocol is at protocol_dir, as
// seen from the folder of the machine, with protocol_class right behind it; read reads that.
func newMachine(root *Element, read func(file string) (*Element, error)) *Machine {
	m := &Machine{Element: root}
	for _, c := range root.Children {
		switch c.Tag {
		case "timeout":
			m.Timeouts = append(m.Timeouts, c)
		case "reason":
			m.Reasons = append(m.Reasons, c)
		case "state":
			m.States = append(m.States, newState(m, c))
		}
	}
	class, ok := root.Lookup("protocol_class")
	if !ok {
		m.NoProtocol = "there is no protocol_class"
		return m
	}
	folder, _ := path.Split(root.File)
	file := folder + root.Attr("protocol_dir") + class + ".xml"
	protocol, err := read(path.Clean(file))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
		m.NoProtocol = fmt.Sprintf("there is no %s", file)
		return m
	case err != nil:
		m.NoProtocol = fmt.Sprintf("%s cannot be read: %v", file, err)
		return m
	}
	m.Protocol = newProtocol(protocol)
	return m
}

func newState(m *Machine, e *Element) *State {
	s := &State{Element: e, Machine: m, Inherit: e.Attr("inherit"), Timeout: e.Attr("timeout"),
		Abstract: e.Has("abstract"), Final: e.Has("final")}
	for _, c := range e.Children {
		switch c.Tag {
		case "event":
			s.Events = append(s.Events, &Event{c, s, c.Attr("next"), newActions(c)})
		case "before":
			s.Before = append(s.Before, newActions(c)...)
		case "after":
			s.After = append(s.After, newActions(c)...)
		}
	}
	return s
}

func newActions(owner *Element) (actions []*Action) {
	for e := range owner.All("action") {
		actions = append(actions, &Action{e, e.Attr("message"), e.Attr("reason")})
	}
	return actions
}

// Role is which side of its protocol a machine is.
type Role string

// The roles. A machine that is Below says no message of its protocol: it makes the connection that
// the protocol needs.
const (
	Both   Role = ""
	Client Role = "client"
	Server Role = "server"
	Below  Role = "below"
)

// Role tells the role of a machine: it is a client or a server if it has that for its side, is
// printed by the generator of zproto that is called so, or is called so itself; else it is both.
func (m *Machine) Role() Role {
	name := m.Attr("name")
	if side, ok := m.Lookup("side"); ok {
		name = side
	} else if script := m.Attr("script"); strings.HasPrefix(script, "zproto_client") || strings.HasPrefix(script, "zproto_server") {
		name = script
	}
	switch {
	case strings.Contains(name, "client"):
		return Client
	case strings.Contains(name, "server"):
		return Server
	case name == string(Below):
		return Below
	}
	return Both
}

// State returns the state with a name, or nil.
func (m *Machine) State(name string) *State {
	for _, s := range m.States {
		if s.Name() == name {
			return s
		}
	}
	return nil
}

// Step is what a concrete state does about an event, all things considered.
type Step struct {
	*Event             // as it is written: its State is the one that it is inherited from
	From, To *State    // To is From if the machine stays, and nil if there is no such state
	Calls    []*Action // all actions in order: of leaving, of the event, of entering
}

// Moves tells whether a step leads to another state. One that stays neither leaves nor enters.
func (s *Step) Moves() bool { return s.To != s.From }

// Ancestors are the states that a state inherits from, the nearest first, and none twice.
func (s *State) Ancestors() (above []*State) {
	for next := s.Machine.State(s.Inherit); next != nil && s.Inherit != ""; next = s.Machine.State(next.Inherit) {
		if next == s {
			break
		}
		for _, a := range above {
			if a == next {
				return above
			}
		}
		above = append(above, next)
	}
	return above
}

// Steps are those of a state's own events, then of those that it inherits; what is nearer wins.
func (s *State) Steps() (steps []*Step) {
	known := map[string]bool{}
	for _, owner := range append([]*State{s}, s.Ancestors()...) {
		for _, e := range owner.Events {
			if !known[e.Name()] {
				known[e.Name()] = true
				steps = append(steps, s.step(e))
			}
		}
	}
	return steps
}

func (s *State) step(e *Event) *Step {
	step := &Step{Event: e, From: s, To: s}
	if e.Has("next") {
		step.To = s.Machine.State(e.Next)
	}
	if step.Moves() {
		step.Calls = append(step.Calls, s.After...)
	}
	step.Calls = append(step.Calls, e.Actions...)
	if step.Moves() && step.To != nil {
		step.Calls = append(step.Calls, step.To.Before...)
	}
	return step
}

// On returns the step of a state for an event: the one of that name, else the one for all else,
// else nil.
func (s *State) On(event string) (other *Step) {
	for _, step := range s.Steps() {
		if step.Name() == event {
			return step
		}
		if step.Name() == "*" && other == nil {
			other = step
		}
	}
	return other
}
