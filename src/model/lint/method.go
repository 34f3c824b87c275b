package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// method checks what a class has that can be called.
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
	case how != "call" && how != "ask" && how != "look" && how != "fails":
		l.fault(m.Element, path, "attached must be call, ask, look or fails")
	case how == "look":
		for _, r := range m.Returns {
			if key := typeKey(c, r); key != "zlist" && key != "string" && !l.isClass(r.Attr("type")) {
				l.fault(r, path, "cannot be looked up in what another process knows: its return must be a string, a list or an object")
			}
		}
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
	return strings.HasPrefix(key, "integer enum ") || l.isClass(key)
}

func (l *linter) isClass(name string) bool {
	return slices.ContainsFunc(l.project.Classes, func(c *model.Class) bool { return c.Attr("name") == name })
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
