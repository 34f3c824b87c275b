package book

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

func plainMachine(of *model.Project, file string, m *model.Machine, draw Draw) (text, svg string, err error) {
	p, open := &page{}, &unsaid{}
	p.head(m.Element)
	switch {
	case m.Protocol == nil:
		open.add("Its protocol", m.NoProtocol)
	case has(of, m.Protocol):
		p.line("Its protocol is [%s](%s.md).\n", plain(m.Protocol.Name()), model.CName(m.Protocol.Name()))
	default:
		p.line("Its protocol is %s, which is in %s.\n", plain(m.Protocol.Name()), plain(m.Protocol.File))
	}
	if m.Role() == model.Both {
		open.add("Which side of its protocol it is", m.Name())
	} else {
		p.line("It is the %s.\n", m.Role())
	}
	edges := edgesOf(m)
	var lines []string
	for _, e := range edges {
		lines = append(lines, fmt.Sprintf("%s -> %s: %s", e.from, e.to, strings.Join(e.events, ", ")))
	}
	if svg, err = draw(graph(m, edges)); err != nil {
		return "", "", fmt.Errorf("%s: its diagram: %w", m.File, err)
	}
	if svg != "" {
		p.line("%s\n\nThe diagram is there as [SVG](%s.svg), too.\n", block("chart", strings.Join(lines, "\n")), file)
	} else {
		p.line("%s\n\nThere is no picture, for dot is not installed (apt-get install graphviz).\n", block("", strings.Join(lines, "\n")))
	}
	p.line("## States\n\nA state handles the events of its own table, then those of the state that it inherits from; the nearest wins. An event without a next state leaves the machine in its state. What `*` says is for all events that are not named.")
	for _, s := range m.States {
		p.state(m, s, open)
	}
	open.print(p)
	return p.String(), svg, nil
}

// has tells whether a protocol has a page among those of a project.
func has(of *model.Project, p *model.Protocol) bool {
	return slices.ContainsFunc(of.Protocols, func(known *model.Protocol) bool { return known.Name() == p.Name() })
}

func (p *page) state(m *model.Machine, s *model.State, open *unsaid) {
	p.line("\n### %s\n", plain(s.Name()))
	if s.Doc() == "" {
		open.add("No sentence", s.Name())
	} else {
		p.line("%s", prose(s.Text))
	}
	if s.Inherit != "" {
		p.line("It inherits from %s.", plain(s.Inherit))
	}
	if len(s.Before) > 0 {
		p.line("Actions of entry: %s.", calls(s.Before))
	}
	if len(s.After) > 0 {
		p.line("Actions of exit: %s.", calls(s.After))
	}
	if len(s.Events) > 0 {
		p.line("\n| event | actions | next | |\n|---|---|---|---|")
	}
	for _, e := range s.Events {
		p.line("| %s | %s | %s | %s |", coded(e.Name()), calls(e.Actions), plain(e.Next), plain(e.Doc()))
		if name := e.Name(); strings.Contains(" expired heartbeat wakeup timeout ", " "+name+" ") {
			open.add("When it happens, which the code sets", s.Name()+"."+name)
		}
	}
}

func calls(actions []*model.Action) string {
	var list []string
	for _, a := range actions {
		list = append(list, plain(strings.TrimSpace(a.Name()+" "+a.Message)))
	}
	return strings.Join(list, ", ")
}

// edge is all that leads from one state to another.
type edge struct {
	from, to string
	events   []string
}

// edgesOf are the edges of a machine's diagram. What a state inherits leads from the one that it
// inherits from.
func edgesOf(m *model.Machine) (edges []*edge) {
	known := map[[2]string]*edge{}
	for _, s := range m.States {
		for _, e := range s.Events {
			if e.Next == "" || m.State(e.Next) == nil {
				continue
			}
			pair := [2]string{s.Name(), e.Next}
			if known[pair] == nil {
				known[pair] = &edge{from: pair[0], to: pair[1]}
				edges = append(edges, known[pair])
			}
			known[pair].events = append(known[pair].events, e.Name())
		}
	}
	return edges
}

// graph is a machine's diagram as dot reads it. A state that others inherit from has lines to them.
func graph(m *model.Machine, edges []*edge) string {
	p := &page{}
	p.line("digraph machine {\n\tnode [shape = box, style = rounded, fontname = \"Helvetica\"]\n\tedge [fontname = \"Helvetica\", fontsize = 10]")
	for _, s := range m.States {
		p.line("\t%s [label = %s]", node(s.Name()), quoted(s.Name()))
		if m.State(s.Inherit) != nil {
			p.line("\t%s -> %s [style = dashed, arrowhead = none]", node(s.Inherit), node(s.Name()))
		}
	}
	if len(m.States) > 0 {
		p.line("\tstart_of_all [shape = point, width = 0.15]\n\tstart_of_all -> %s", node(m.States[0].Name()))
	}
	for _, e := range edges {
		p.line("\t%s -> %s [label = %s]", node(e.from), node(e.to), quoted(strings.Join(e.events, "\n")))
	}
	p.line("}")
	return p.String()
}

// node is a state's name in a graph, as the book looks for it in the picture.
func node(name string) string { return quoted(strings.ReplaceAll(name, " ", "_")) }

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "").Replace(text) + `"`
}
