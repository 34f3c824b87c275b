// Package lint knows what is wrong with models. It is the one place that does: the generator
// prints models that have passed it, and checks nothing itself.
//
// Programs import bindings/go/once: what is here may change at any time.
package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/explore"
)

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
	r := &report{once: dialect == Once, claims: map[string]map[string]string{}}
	r.add(p.Problems)
	if r.once && p.Whole && !p.Has("license") {
		r.fault(p.Element, p.Attr("name"), "has no attribute license, which zproject's Python binding needs: name the license, as in MPL-2.0")
	}
	for _, m := range p.Protocols {
		newProtocol(r, m).check()
	}
	for _, m := range p.Layouts {
		layout(r, m)
	}
	for _, m := range p.Machines {
		m := newMachine(r, m)
		m.parts()
		m.reach()
	}
	s := sides{r, p}
	s.machines()
	s.grammars()
	classes(r, p)
	printed(r, p)
	for _, t := range p.Talks {
		talk(r, t)
	}
	order := func(file string) int {
		return slices.IndexFunc(p.Models(), func(e *model.Element) bool { return e.File == file })
	}
	slices.SortStableFunc(r.findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order(a.File), order(b.File)), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return slices.Compact(r.findings)
}

// talk checks a conversation: its names, and whether it can be explored.
func talk(r *report, talk *model.Talk) {
	r.named(talk.Element, talk.Name(), talk.Name())
	for shows := range talk.All("shows") {
		r.named(shows, talk.Name()+" "+shows.Name(), shows.Name())
	}
	for _, problem := range explore.Check(talk) {
		r.findings = append(r.findings, Finding{problem.Pos, talk.Name(), problem.Text})
	}
}
