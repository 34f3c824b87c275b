package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// grammars checks the grammars of all protocols.
func (s sides) grammars() {
	for _, p := range s.project.Protocols {
		for grammar := range p.All("grammar") {
			s.grammar(p, grammar)
		}
	}
}

// word is a name in a grammar, with the letter of who sends it, if the grammar says so: C is the
// client, S the server.
var word = regexp.MustCompile(`(?:\b([A-Z]):)?([A-Za-z][-A-Za-z0-9]*)`)

// grammar checks the messages that a grammar has, and that it has all.
func (s sides) grammar(p *model.Protocol, e *model.Element) {
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
			m := messageOf(s.report, p, name)
			switch {
			case rules[name] && sender == "", seen[match[0]]:
				continue
			case m == nil && sender != "":
				seen[match[0]] = true
				s.fault(at, "grammar", "has %s, which is no message of %s", match[0], p.Attr("name"))
			case m == nil && s.once:
				seen[match[0]] = true
				s.fault(at, "grammar", "has %s, which is neither a rule of it nor a message of %s", name, p.Attr("name"))
			case m != nil:
				seen[match[0]], seen[m.Name()] = true, true
				s.received(p, at, m, sender)
			}
		}
	}
	if !s.once {
		return
	}
	s.circles(e)
	for _, m := range p.Messages {
		if !seen[m.Name()] {
			s.fault(m.Element, m.Name(), "is not in the grammar: say there when it may be sent")
		}
	}
}

// circles finds rules of a grammar that lead back to themselves: nobody can tell where what they
// describe ends.
func (s sides) circles(e *model.Element) {
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
				s.fault(at, "grammar", "%s goes in a circle, as %s leads back to it: say with * what comes again", start, back)
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
func (s sides) received(p *model.Protocol, e *model.Element, m *model.Message, sender string) {
	from := map[string]model.Role{"C": model.Client, "S": model.Server}[sender]
	far := slices.DeleteFunc(s.far(p, from), func(m *model.Machine) bool { return !s.complete(m) })
	if len(far) > 0 && !hears(far, m.Name()) {
		s.fault(e, "grammar", "has %s, for which %s has no event: add one, or name it in the takes of the event that it is", m.Name(), names(far))
	}
}
