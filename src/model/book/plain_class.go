package book

import (
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

func plainClasses(classes []*model.Class) string {
	p, open := &page{}, &unsaid{}
	p.line("%s\n\n# api: What programs call", marker(classes[0].File))
	for _, c := range classes {
		p.line("\n## %s\n\n%s", plain(c.Name()), prose(c.Text))
		if state := c.Attr("state"); state != "" {
			p.line("\nIts state is %s.", plain(state))
		} else {
			open.add("A state, so zproject takes it for stable", c.Name())
		}
		p.constants(c.Constants, "")
		for _, e := range c.Enums {
			var constants []*model.Element
			for constant := range e.All("constant") {
				constants = append(constants, constant)
			}
			p.constants(constants, " of "+plain(e.Name()))
		}
		for _, m := range c.Methods {
			p.method(c, m, open)
		}
		for _, m := range c.Callbacks {
			p.method(c, m, open)
		}
	}
	open.print(p)
	return p.String()
}

func (p *page) constants(constants []*model.Element, of string) {
	if len(constants) == 0 {
		return
	}
	p.line("\nConstants%s:\n\n| constant | value | |\n|---|---:|---|", of)
	for _, e := range constants {
		p.line("| %s | %s | %s |", plain(e.Name()), plain(e.Attr("value")), plain(e.Doc()))
	}
}

func (p *page) method(c *model.Class, m *model.Method, open *unsaid) {
	name := m.Attr("name")
	if name == "" {
		name = map[string]string{"constructor": "new", "destructor": "destroy"}[m.Tag]
	}
	path := c.Name() + "." + name
	p.line("\n### %s\n\n%s", plain(name), prose(m.Text))
	if m.Doc() == "" {
		open.add("No sentence", path)
	}
	about := []string{strings.ReplaceAll(m.Tag, "_", " ")}
	if m.Attr("singleton") == "1" {
		about = append(about, "of the class and not of an object")
	}
	if state := m.Attr("state"); state != "" {
		about = append(about, state)
	}
	p.line("\nIt is a %s.", plain(strings.Join(about, ", ")))
	if len(m.Arguments)+len(m.Returns) == 0 {
		return
	}
	p.line("\n| | type | |\n|---|---|---|")
	for _, a := range m.Arguments {
		p.line("| %s | %s | %s |", plain(a.Name()), plain(a.Attr("type")), plain(a.Doc()))
	}
	for _, r := range m.Returns {
		kind := plain(r.Attr("type"))
		if r.Attr("fresh") == "1" {
			kind += ", which is the caller's to destroy"
		}
		p.line("| returns | %s | %s |", kind, plain(r.Doc()))
	}
}
