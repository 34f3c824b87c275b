package lint

import (
	"slices"

	"github.com/sjohnr/at-once/src/model"
)

// theirClass checks a class by what zproject needs.
func theirClass(r *report, c *model.Class) {
	name := c.Attr("name")
	r.named(c.Element, name, name)
	theirState(r, c.Element, name)
	for _, m := range slices.Concat(c.Methods, c.Callbacks) {
		called := or(m.Element, "name", fixed[m.Tag])
		path := name + "." + called
		r.named(m.Element, path, called)
		r.claim(m.Element, "C functions", model.CName(name+" "+called), path)
		theirState(r, m.Element, path)
		if len(m.Returns) > 1 {
			r.fault(m.Element, path, "has more than one return: leave one")
		}
		for _, a := range m.Arguments {
			r.claim(a, "C arguments of "+path, model.CName(a.Name()), path+"."+a.Name())
			r.avoid(a, "C keywords", model.CName(a.Name()), path+"."+a.Name())
		}
		for _, e := range slices.Concat(m.Arguments, m.Returns) {
			if e.Attr("type") == "enum" {
				r.fault(e, path, "has type enum, which prints a pointer in C: write integer, and enum with the name of one")
			}
		}
	}
}

func theirState(r *report, e *model.Element, path string) {
	if state, ok := e.Lookup("state"); ok && !states[state] {
		r.fault(e, path, "has state '%s': take draft, stable, legacy or deprecated", state)
	}
}
