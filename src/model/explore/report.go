// Package explore searches the joint states of the machines of a conversation, all of them, for
// what should not happen: deadlock, a message or an event that nobody handles, messages that
// follow each other for ever, queues without bound, and promises that do not hold.
//
// What is sought is what the models say. Where they leave something to Go, all choices are
// tried. What is over when nothing went wrong, and how often what may go wrong, is in the
// model of the conversation: gsl/README.md has its words.
//
// Programs import bindings/go/once: what is here may change at any time.
package explore

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// few is below how many joint states a conversation has to say why.
const few = 100

// Report is what was found of a conversation.
type Report struct {
	Name    string
	States  int      // joint states
	Steps   int      // that lead from one to another
	Assumes []string // how often what comes from outside happens
	Few     string   // why there are few states, if the model says so
	Untaken []string // steps of machines that the conversation never took, as side.state.event
	Taken   int      // and how many it took
	Fault   *Fault   // nil for none

	system *system
}

// Explore searches a conversation, unless its model has problems.
func Explore(talk *model.Talk) (*Report, []Problem) {
	system, problems := compile(talk)
	if problems != nil {
		return nil, problems
	}
	s := &search{system: system, index: map[string]int32{}}
	r := &Report{Name: system.name, Few: system.few, system: system}
	r.Fault = s.run()
	r.States, r.Steps = len(s.states), s.steps
	if r.Fault == nil && r.States < few && system.few == "" {
		r.Fault = &Fault{Kind: "few states", Text: fmt.Sprintf("there are only %d joint states: say why with <few>, or model more", r.States)}
	}
	for _, b := range system.budgets {
		if b.at >= 0 {
			r.Assumes = append(r.Assumes, fmt.Sprintf("%s: %d", b.name, b.times))
		} else {
			r.Assumes = append(r.Assumes, b.name)
		}
	}
	r.coverage()
	return r, nil
}

// Check finds what keeps a conversation from being explored.
func Check(talk *model.Talk) []Problem {
	_, problems := compile(talk)
	return problems
}

func (r *Report) coverage() {
	for _, side := range r.system.sides {
		paths := map[string]bool{}
		for _, st := range side.states {
			for _, step := range st.steps {
				if step.next >= 0 {
					paths[step.path] = paths[step.path] || step.taken > 0
				}
			}
		}
		for path, taken := range paths {
			if taken {
				r.Taken++
			} else {
				r.Untaken = append(r.Untaken, side.name+"."+path)
			}
		}
	}
	slices.Sort(r.Untaken)
}

// Chart writes the way to the fault as a sequence chart, a column for each side.
func (r *Report) Chart(w io.Writer) {
	if r.Fault == nil || r.Fault.path == nil {
		return
	}
	draw(w, r.system, r.Fault.path, r.Fault.end)
}

func draw(w io.Writer, s *system, path []leg, end joint) {
	c := chart{w, s.sides}
	c.line("", c.names())
	for i, leg := range path {
		c.leg(i, leg)
	}
	c.under(s, end)
}

const column = 30 // octets across

type chart struct {
	io.Writer
	sides []*side
}

func (c chart) names() (cells []string) {
	for _, s := range c.sides {
		cells = append(cells, s.name)
	}
	return cells
}

// line writes a line with a cell for each side.
func (c chart) line(number string, cells []string) {
	text := fmt.Sprintf("%4s  ", number)
	for _, cell := range cells {
		if cell == "" {
			cell = "|"
		}
		text += fmt.Sprintf("%-*s ", column-1, model.OneLine(cell))
	}
	fmt.Fprintln(c, strings.TrimRight(text, " "))
}

// say writes what one side does.
func (c chart) say(number string, side int, text string) {
	cells := make([]string, len(c.sides))
	cells[side] = "* " + text
	if len(text)+2 >= column { // it needs the room of those to its right
		cells = cells[:side+1]
	}
	c.line(number, cells)
}

func (c chart) leg(i int, l leg) {
	number := fmt.Sprint(i)
	m := l.move
	switch {
	case i == 0:
		number = ""
	case m.what != "":
		c.say(number, m.side.index, m.what)
	default:
		c.arrow(number, m.link.ends[m.from], m.side, m.said)
	}
	for _, n := range l.out.notes {
		c.say("", n.side, n.text)
	}
	if f := l.out.fault; f != nil {
		fmt.Fprintf(c, "      %s: %s\n", f.Kind, f.Text)
	}
}

// arrow draws a message from one side to another.
func (c chart) arrow(number string, from, to *side, word string) {
	a, b := min(from.index, to.index), max(from.index, to.index)
	width := (b-a)*column - 2
	body := " " + word + " "
	left := max(0, (width-len(body))/2)
	right := max(0, width-len(body)-left)
	text := strings.Repeat("-", left) + body + strings.Repeat("-", right)
	if from.index < to.index {
		text += ">"
	} else {
		text = "<" + text
	}
	text = strings.Repeat("|"+strings.Repeat(" ", column-1), a) + "|" + text + "|"
	for range len(c.sides) - 1 - b {
		text += strings.Repeat(" ", column-1) + "|"
	}
	fmt.Fprintf(c, "%4s  %s\n", number, text)
}

// under writes where all sides are in the end, and what is under way.
func (c chart) under(s *system, j joint) {
	cells := make([]string, len(c.sides))
	for i, side := range c.sides {
		cells[i] = "= " + side.stateName(j)
	}
	c.line("", cells)
	for _, side := range c.sides {
		var values []string
		for _, n := range side.numbers {
			values = append(values, fmt.Sprintf("%s %d", n.name, j[n.at]))
		}
		if values != nil {
			fmt.Fprintf(c, "      %s has %s\n", side.name, strings.Join(values, ", "))
		}
	}
	for _, l := range s.links {
		for _, slot := range l.slots {
			for from, q := range slot.queues {
				for i := range q.length(j) {
					fmt.Fprintf(c, "      under way to %s on %s: %s\n", l.ends[1-from].name, l.name, s.words(q.entry(j, i)))
				}
			}
		}
	}
}
