package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// classes checks the API in two passes: names and the types that classes define, then the rest,
// when all types are known.
func (l *linter) classes() {
	if !l.once() {
		for _, c := range l.project.Classes {
			l.theirClass(c)
		}
		return
	}
	l.api = map[string]*model.Element{}
	for row := range model.APITypes.All("type") {
		l.types[row.Name()] = row.Has("argument")
		l.api[row.Name()] = row
	}
	for _, c := range l.project.Classes {
		l.declare(c)
	}
	for _, c := range l.project.Classes {
		l.class(c)
	}
}

// theirClass checks a class by what zproject needs.
func (l *linter) theirClass(c *model.Class) {
	name := c.Attr("name")
	l.named(c.Element, name, name)
	if state, ok := c.Lookup("state"); ok && !states[state] {
		l.fault(c.Element, name, "has state '%s': take draft, stable, legacy or deprecated", state)
	}
	for _, m := range slices.Concat(c.Methods, c.Callbacks) {
		called := or(m.Element, "name", map[string]string{"constructor": "new", "destructor": "destroy"}[m.Tag])
		path := name + "." + called
		l.named(m.Element, path, called)
		l.claim(m.Element, "C functions", model.CName(name+" "+called), path)
		if state, ok := m.Lookup("state"); ok && !states[state] {
			l.fault(m.Element, path, "has state '%s': take draft, stable, legacy or deprecated", state)
		}
		if len(m.Returns) > 1 {
			l.fault(m.Element, path, "has more than one return: leave one")
		}
		for _, a := range m.Arguments {
			l.claim(a, "C arguments of "+path, model.CName(a.Name()), path+"."+a.Name())
			l.avoid(a, "C keywords", model.CName(a.Name()), path+"."+a.Name())
		}
		for _, e := range slices.Concat(m.Arguments, m.Returns) {
			if e.Attr("type") == "enum" {
				l.fault(e, path, "has type enum, which prints a pointer in C: write integer, and enum with the name of one")
			}
		}
	}
}

var states = map[string]bool{"draft": true, "stable": true, "legacy": true, "deprecated": true}

// goSpace is where the names of the whole API live.
func (l *linter) goSpace() string { return "Go package lib" + l.project.Attr("name") }

func goClass(l *linter, c *model.Class) string {
	return model.GoName(strings.Replace(c.Attr("name"), l.project.Attr("name")+"_", "", 1))
}

// addType makes a type known, and what it is of Go.
func (l *linter) addType(name string, argument bool) { l.types[name] = argument }

func (l *linter) declare(c *model.Class) {
	name, goName := c.Attr("name"), goClass(l, c)
	l.named(c.Element, name, name)
	l.sentence(c.Element, name)
	if strings.TrimSpace(c.Attr("title")) == "" {
		l.fault(c.Element, name+" title", "has no sentence: write what it is for")
	}
	if l.project.Whole && !strings.HasPrefix(name, l.project.Attr("name")+"_") {
		l.fault(c.Element, name, "must begin with %s_", l.project.Attr("name"))
	}
	if !states[c.Attr("state")] {
		l.fault(c.Element, name, "needs a state: draft, stable, legacy or deprecated")
	}
	l.claim(c.Element, l.goSpace(), goName, name)
	l.avoid(c.Element, "Go binding", goName, name)
	l.addType(name, c.Count("constructor") > 0)
	l.addType(name+" list", false)
	for _, enum := range c.Enums {
		l.enum(c, enum, goName)
	}
	for _, m := range c.Callbacks {
		path := name + "." + m.Name()
		l.named(m.Element, path, m.Name())
		l.sentence(m.Element, path)
		cName := model.CName(name + " " + m.Name())
		l.claim(m.Element, l.goSpace(), goName+model.GoName(m.Name()), path)
		l.claim(m.Element, "C functions", cName, path)
		l.addType(cName, true)
	}
	for _, e := range c.Errors {
		path := name + "." + e.Name()
		l.named(e, path, e.Name())
		l.sentence(e, path)
		l.claim(e, l.goSpace(), model.GoName("err "+e.Name()), path)
		l.flag(e, path, "closed")
	}
	for _, e := range c.Constants {
		l.fault(e, name+"."+e.Attr("name"), "stands alone: put it into an enum")
	}
}

func (l *linter) enum(c *model.Class, enum *model.Element, goName string) {
	path := c.Attr("name") + "." + enum.Name()
	goName += model.GoName(enum.Name())
	l.named(enum, path, enum.Name())
	l.sentence(enum, path)
	l.claim(enum, l.goSpace(), goName, path)
	for e := range enum.All("constant") {
		at := path + "." + e.Name()
		l.named(e, at, e.Name())
		l.sentence(e, at)
		l.claim(e, l.goSpace(), goName+model.GoName(e.Name()), at)
		l.claim(e, "C functions", model.CName(fmt.Sprintf("%s %s %s", c.Attr("name"), enum.Name(), e.Name())), at)
		l.claim(e, "values of "+path, e.Attr("value"), at)
		if !isNumber(e.Attr("value"), 1, 255) {
			l.fault(e, at, "needs a value from 1 to 255")
		}
	}
	l.addType(fmt.Sprintf("integer enum %s %s", c.Attr("name"), enum.Name()), true)
}

func (l *linter) class(c *model.Class) {
	name, goName := c.Attr("name"), goClass(l, c)
	if slices.ContainsFunc(c.Methods, func(m *model.Method) bool {
		return m.Tag == "method" && !m.Has("singleton") && slices.ContainsFunc(m.Returns, func(r *model.Element) bool { return r.Has("fails") })
	}) && !l.hasError(c.Attr("zero")) {
		l.fault(c.Element, name, "has zero '%s', which is no error: name the one that its methods return where there is no object", c.Attr("zero"))
	}
	for _, m := range c.Callbacks {
		l.arguments(c, m, name+"."+m.Name(), false)
	}
	settings := &settings{class: c}
	for _, tag := range []string{"constructor", "destructor", "method"} {
		for _, m := range c.Methods {
			if m.Tag == tag {
				l.method(c, m, goName, settings)
			}
		}
	}
	l.config(c, settings)
	l.waivers(c.Element)
	l.eventTypes(c)
	l.zyre(c)
}

// hasError tells whether some class has an error; without a project, others may.
func (l *linter) hasError(name string) bool {
	return slices.ContainsFunc(l.project.Classes, func(c *model.Class) bool { return has(c.Errors, name) })
}

var (
	zyreEvent    = regexp.MustCompile(`^[A-Z]+$`)
	zyreFunction = regexp.MustCompile(`^zyre_[a-z_]+$`)
)

// zyre checks what Zyre calls what a class has.
func (l *linter) zyre(c *model.Class) {
	check := func(owner *model.Element) {
		for call := range owner.All("zyre") {
			path := fmt.Sprintf("%s zyre '%s'", c.Attr("name"), call.Attr("name"))
			l.sentence(call, path)
			l.claim(call, "calls of Zyre", call.Attr("name"), path)
			if !zyreEvent.MatchString(call.Attr("name")) && !zyreFunction.MatchString(call.Attr("name")) {
				l.fault(call, path, "is neither called zyre_... nor an event in capitals")
			}
		}
	}
	for _, m := range c.Methods {
		check(m.Element)
	}
	l.options(c)
	for _, e := range c.Events {
		check(e)
	}
	check(c.Element)
}
