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

func (l *linter) method(c *model.Class, m *model.Method, goName string, settings *settings) {
	name := or(m.Element, "name", map[string]string{"constructor": "new", "destructor": "destroy", "method": m.Name()}[m.Tag])
	path := c.Attr("name") + "." + name
	switch {
	case m.Tag == "constructor":
		l.claim(m.Element, l.goSpace(), "New"+goName, c.Attr("name"))
	case m.Tag == "method":
		l.named(m.Element, path, name)
		if m.Has("singleton") {
			l.claim(m.Element, l.goSpace(), goName+model.GoName(name), path)
		} else {
			l.avoid(m.Element, "Go class methods", model.GoName(name), path)
			l.claim(m.Element, "Go type "+goName, model.GoName(name), path)
		}
		l.avoid(m.Element, "C class", model.CName(name), path)
	}
	l.sentence(m.Element, path)
	l.claim(m.Element, "C functions", model.CName(c.Attr("name")+" "+name), path)
	l.flag(m.Element, path, "singleton")
	l.flag(m.Element, path, "blocks")
	l.borrowLimits(m, path)
	checked := l.arguments(c, m, path, true)
	l.setting(m, path, settings)
	if m.Tag == "method" {
		l.returns(c, m, path, checked)
		l.attached(c, m, path)
	}
}

// attached checks what a method does where its engine runs in another process.
func (l *linter) attached(c *model.Class, m *model.Method, path string) {
	how, given := m.Lookup("attached")
	if !given {
		return
	}
	key := "none"
	for _, r := range m.Returns {
		key = typeKey(c, r)
		if r.Has("fails") {
			key += " fails"
		}
	}
	switch {
	case how != "call" && how != "ask" && how != "fails":
		l.fault(m.Element, path, "attached must be call, ask or fails")
	case how != "ask" && key != "integer fails":
		l.fault(m.Element, path, "is attached by %s, so it must return an integer that fails", how)
	case how != "ask":
		return
	case strings.TrimSuffix(key, " fails") == "number 8" && m.Returns[0].Has("unit"), answers[strings.TrimSuffix(key, " fails")]:
	default:
		l.fault(m.Element, path, "cannot be asked of another process: its return must be a zhash, a zlist, or a number of 8 octets with its unit")
	}
	for _, a := range m.Arguments {
		if how == "ask" && (typeKey(c, a) != "string uuid" || len(m.Arguments) > 1) {
			l.fault(a, path+"."+a.Name(), "is an argument of what is asked of another process: leave one, of type string with format uuid")
		}
	}
}

// answers are the types of what can be asked of another process.
var answers = map[string]bool{"zhash": true, "zhash number": true, "zlist": true}

// typeKey is the name of an element's row in the table of types.
func typeKey(c *model.Class, e *model.Element) string {
	key := or(e, "type", "none")
	if e.Has("enum") && key != "enum" {
		key += fmt.Sprintf(" enum %s %s", or(e, "of", c.Attr("name")), e.Attr("enum"))
	}
	for _, more := range []string{"format", "size"} {
		if e.Has(more) {
			key += " " + e.Attr(more)
		}
	}
	if e.Has("list") {
		key += " list"
	}
	return key
}

// known finds a type. Where not all classes are known, a type may be that of another.
func (l *linter) known(key string) bool {
	_, ok := l.types[key]
	return ok
}

func advice(key string) string {
	if key == "enum" {
		return "C has no such type: write integer, and enum with the name of one"
	}
	return "see gsl/api_types.xml"
}

// arguments checks what a method takes, and tells whether some of it is checked when it is called.
func (l *linter) arguments(c *model.Class, m *model.Method, path string, limited bool) (checked bool) {
	receiver := strings.ToLower(goClass(l, c) + " ")[:1]
	for _, a := range m.Arguments {
		at := path + "." + a.Name()
		goName, cName := model.GoLocal(a.Name()), model.CName(a.Name())
		l.named(a, at, a.Name())
		l.sentence(a, at)
		l.avoid(a, "Go keywords", goName, at)
		l.avoid(a, "Go class locals", goName, at)
		l.avoid(a, "C keywords", cName, at)
		if goName == receiver {
			l.fault(a, at, "would be called as the receiver is: rename it")
		}
		l.claim(a, "Go arguments of "+path, goName, at)
		l.claim(a, "C arguments of "+path, cName, at)
		key := typeKey(c, a)
		row := l.api[key]
		switch {
		case !l.known(key):
			if l.project.Whole {
				l.fault(a, at, "has unknown type '%s': %s", key, advice(key))
			}
		case limited && !l.types[key]:
			l.fault(a, at, "is of type '%s', which no argument can be", key)
		case limited && row != nil && row.Has("check"):
			l.argumentLimits(m, a, row, at)
			checked = true
		case limited && row == nil && l.given(key):
			checked = true
		}
	}
	return checked
}

// given tells whether an argument of a type is checked by more than its limits: objects that
// somebody made, and enums.
func (l *linter) given(key string) bool {
	return strings.HasPrefix(key, "integer enum ") || slices.ContainsFunc(l.project.Classes, func(c *model.Class) bool {
		return c.Attr("name") == key
	})
}

func (l *linter) argumentLimits(m *model.Method, a *model.Element, row *model.Element, path string) {
	least, most := limitsOf(l, m, a)
	if most == "" && strings.Contains(row.Attr("needs"), "max") {
		l.fault(a, path, "has no limit: set max")
	}
	if least == "" && strings.Contains(row.Attr("needs"), "min") {
		l.fault(a, path, "has no lower limit: set min")
	}
	low := orNot(least, "0")
	if !isNumber(low, 0, maxInt) || !isNumber(orNot(most, "2147483647"), number(low), maxInt) {
		l.fault(a, path, "min and max must be numbers up to 2147483647, min not above max")
	}
}

func orNot(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// limitsOf are those of an argument, its own or borrowed from the timeout that it sets.
func limitsOf(l *linter, m *model.Method, a *model.Element) (least, most string) {
	least, most = a.Attr("min"), a.Attr("max")
	for _, s := range m.Settings {
		if timeout := l.borrowed(s); timeout != nil {
			least, most = orNot(least, timeout.Attr("min")), orNot(most, timeout.Attr("max"))
		}
	}
	return least, most
}

func (l *linter) returns(c *model.Class, m *model.Method, path string, checked bool) {
	switch {
	case checked && len(m.Returns) == 0:
		l.fault(m.Element, path, "returns nothing, so it cannot say that an argument is out of its limits: give it a return")
	case len(m.Returns) > 1:
		l.fault(m.Element, path, "has more than one return: leave one")
	}
	for _, r := range m.Returns {
		key := typeKey(c, r)
		if !l.known(key) {
			if l.project.Whole {
				l.fault(r, path, "returns unknown type '%s': %s", key, advice(key))
			}
			return
		}
		l.flag(r, path, "fails")
		l.flag(r, path, "list")
		if !r.Has("fails") {
			if r.Doc() == "" && !strings.HasPrefix(m.Doc(), "Returns ") {
				l.fault(r, path, "does not say what it returns: begin its sentence with Returns, or write one into its return")
			}
			continue
		}
		mark := ", or null if "
		if key == "integer" {
			mark = ", -1 if "
		}
		if !strings.Contains(r.Doc(), mark) && (key == "integer" || !strings.Contains(r.Doc(), "fails")) {
			l.fault(r, path, "does not say when it fails: write '0 if ..., -1 if ...' or '..., or null if ...' into its return")
		}
		for name := range strings.SplitSeq(r.Attr("errors"), ",") {
			if name = strings.TrimPrefix(name, " "); name != "" && !l.hasError(name) && l.project.Whole {
				l.fault(r, path, "names the error '%s', which is none", name)
			}
		}
	}
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
	for _, e := range c.Events {
		check(e)
	}
	check(c.Element)
}
