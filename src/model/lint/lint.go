// Package lint knows what is wrong with models. It is the one place that does: the generator
// prints models that have passed it, and checks nothing itself.
//
// Programs import bindings/go/once: what is here may change at any time.
package lint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/explore"
)

// Finding is something that is wrong, where, and what to do.
type Finding struct {
	model.Pos
	Path string // of the element in the model, as HELLO.name
	Text string
}

func (f Finding) String() string { return model.Problem(f).String() }

// Dialect is what a model must have.
type Dialect string

// The dialects. What Zproto finds is wrong for zproto and zproject, whoever reads the model;
// Once finds what breaks the rules of this generator, too.
const (
	Once   Dialect = "once"
	Zproto Dialect = "zproto"
)

// ours are attributes that only models for this generator have.
var ours = []string{"max", "abstract", "final", "go_package", "go_type", "fails", "example", "zero", "engine", "blocks"}

// DialectOf tells for which generator a project is.
func DialectOf(p *model.Project) Dialect {
	if p.Whole {
		if strings.HasSuffix(p.Attr("script"), "gsl/project.gsl") {
			return Once
		}
		return Zproto
	}
	if len(p.Layouts) > 0 || slices.ContainsFunc(p.Models(), isOurs) {
		return Once
	}
	return Zproto
}

func isOurs(e *model.Element) bool {
	return slices.ContainsFunc(ours, e.Has) || slices.ContainsFunc(e.Children, isOurs)
}

// Check finds what is wrong with a project, in the order of files and lines.
func Check(p *model.Project, dialect Dialect) []Finding {
	l := &linter{project: p, dialect: dialect, claims: map[string]map[string]string{}, types: map[string]bool{}}
	for _, problem := range p.Problems {
		l.findings = append(l.findings, Finding(problem))
	}
	if l.once() && p.Whole && !p.Has("license") {
		l.fault(p.Element, p.Attr("name"), "has no attribute license, which zproject's Python binding needs: name the license, as in MPL-2.0")
	}
	for _, m := range p.Protocols {
		l.protocol(m)
	}
	for _, m := range p.Layouts {
		l.layout(m)
	}
	for _, m := range p.Machines {
		l.machine(m)
	}
	l.sides()
	l.classes()
	l.printed()
	for _, talk := range p.Talks {
		l.named(talk.Element, talk.Name(), talk.Name())
		for shows := range talk.All("shows") {
			l.named(shows, talk.Name()+" "+shows.Name(), shows.Name())
		}
		for _, problem := range explore.Check(talk) {
			l.findings = append(l.findings, Finding{problem.Pos, talk.Name(), problem.Text})
		}
	}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(l.order(a.File), l.order(b.File)), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(l.findings)
}

type linter struct {
	project  *model.Project
	dialect  Dialect
	findings []Finding
	claims   map[string]map[string]string // names by name space, and who has them
	types    map[string]bool              // of classes; whether an argument can be of it
	api      map[string]*model.Element    // the rows of the table that have more to say
}

// order is the place of a file among the models.
func (l *linter) order(file string) int {
	return slices.IndexFunc(l.project.Models(), func(e *model.Element) bool { return e.File == file })
}

// once tells whether the rules of this generator hold.
func (l *linter) once() bool { return l.dialect == Once }

func (l *linter) fault(e *model.Element, path, format string, args ...any) {
	l.findings = append(l.findings, Finding{e.Pos, path, fmt.Sprintf(format, args...)})
}

// sentence demands that an element says what it is for.
func (l *linter) sentence(e *model.Element, path string) {
	if e.Doc() == "" && l.once() {
		l.fault(e, path, "has no sentence: write what it is for")
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_ ]*$`)

// named demands a name that every language can spell.
func (l *linter) named(e *model.Element, path, name string) {
	if !nameForm.MatchString(name) {
		l.fault(e, path, "needs a name of letters, digits, spaces and hyphens that begins with a letter")
	}
}

// claim takes a name in the name space where it will be printed. A name that is claimed twice is
// a fault of the later element.
func (l *linter) claim(e *model.Element, space, name, path string) {
	names := l.claims[space]
	if names == nil {
		names = map[string]string{}
		l.claims[space] = names
	}
	if known, ok := names[name]; ok {
		l.fault(e, path, "would be called '%s' in %s, as %s is: rename it", name, space, known)
	} else {
		names[name] = path
	}
}

// avoid demands that a name is no word of a list of reserved.xml. What is taken in Go is so in the
// code that this generator prints.
func (l *linter) avoid(e *model.Element, list, name, path string) {
	if strings.HasPrefix(list, "Go ") && !l.once() {
		return
	}
	if slices.Contains(strings.Fields(model.Reserved.Find("list", list).Attr("words")), name) {
		l.fault(e, path, "would be called '%s', which is taken (gsl/reserved.xml, %s): rename it", name, list)
	}
}

// leave demands that what zproto reads in a way of its own is not there for what we mean.
func (l *linter) leave(e *model.Element, path, name, theirs, instead string) {
	if e.Attr(name) != "" && l.once() {
		l.fault(e, path, "%s is where zproto looks for %s: call ours %s", name, theirs, instead)
	}
}

// flag demands that an attribute that switches something on is 1 or not there.
func (l *linter) flag(e *model.Element, path, name string) {
	if value, ok := e.Lookup(name); ok && value != "1" {
		l.fault(e, path, "%s must be 1, or not be given", name)
	}
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// isNumber tells whether a text is a whole number from low to high.
func isNumber(text string, low, high uint64) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	return digits.MatchString(text) && err == nil && n >= low && n <= high
}

// number is a text's number, or 0.
func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// or is an attribute, or what stands for it.
func or(e *model.Element, name, otherwise string) string {
	if value, ok := e.Lookup(name); ok {
		return value
	}
	return otherwise
}

// has tells whether one of several elements has a name.
func has(elements []*model.Element, name string) bool {
	return slices.ContainsFunc(elements, func(e *model.Element) bool { return e.Name() == name })
}
