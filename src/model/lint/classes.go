package lint

import (
	"slices"

	"github.com/sjohnr/at-once/src/model"
)

// classes checks the API in two passes: names and the types that classes define, then the rest,
// when all types are known.
func classes(r *report, p *model.Project) {
	if !r.once {
		for _, c := range p.Classes {
			theirClass(r, c)
		}
		return
	}
	api := newAPI(p)
	var all []*class
	for _, c := range p.Classes {
		all = append(all, newClass(r, api, c))
	}
	for _, c := range all {
		c.declare()
	}
	for _, c := range all {
		c.check()
	}
}

// check checks what a class has, when all types are known.
func (c *class) check() {
	if slices.ContainsFunc(c.Methods, func(m *model.Method) bool {
		return m.Tag == "method" && !m.Has("singleton") && slices.ContainsFunc(m.Returns, func(r *model.Element) bool { return r.Has("fails") })
	}) && !c.api.hasError(c.Attr("zero")) {
		c.fault(c.Element, c.name, "has zero '%s', which is no error: name the one that its methods return where there is no object", c.Attr("zero"))
	}
	for _, m := range c.Callbacks {
		newMethod(c, m).arguments(false)
	}
	s := settings{report: c.report, class: c}
	for _, tag := range []string{"constructor", "destructor", "method"} {
		for _, m := range c.Methods {
			if m.Tag != tag {
				continue
			}
			m := newMethod(c, m)
			m.declare()
			checked := m.arguments(true)
			s.add(m)
			if tag == "method" {
				m.returns(checked)
				m.attached()
			}
		}
	}
	s.config()
	waivers(c.report, c.Element)
	c.events()
	for _, m := range c.Methods {
		c.zyre(m.Element)
	}
	c.options()
	for _, e := range c.Events {
		c.zyre(e)
	}
	c.zyre(c.Element)
}
