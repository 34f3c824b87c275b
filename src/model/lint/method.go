package lint

import (
	"cmp"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// fixed are the names of what a model need not name.
var fixed = map[string]string{"constructor": "new", "destructor": "destroy"}

// method is what a class has that can be called: a method, or a callback.
type method struct {
	*report
	*model.Method
	class      *class
	name, path string
}

func newMethod(c *class, m *model.Method) method {
	name := or(m.Element, "name", cmp.Or(fixed[m.Tag], m.Name()))
	return method{c.report, m, c, name, c.name + "." + name}
}

// declare checks what is said of a method, its arguments aside.
func (m method) declare() {
	c, space := m.class, m.class.api.space()
	switch {
	case m.Tag == "constructor":
		m.claim(m.Element, space, "New"+c.goName, c.name)
	case m.Tag == "method":
		m.named(m.Element, m.path, m.name)
		if m.Has("singleton") {
			m.claim(m.Element, space, c.goName+model.GoName(m.name), m.path)
		} else {
			m.avoid(m.Element, "Go class methods", model.GoName(m.name), m.path)
			m.claim(m.Element, "Go type "+c.goName, model.GoName(m.name), m.path)
		}
		m.avoid(m.Element, "C class", model.CName(m.name), m.path)
	}
	m.sentence(m.Element, m.path)
	m.claim(m.Element, "C functions", model.CName(c.name+" "+m.name), m.path)
	m.flag(m.Element, m.path, "singleton")
	m.flag(m.Element, m.path, "blocks")
	for _, setting := range m.Settings {
		if setting.Has("timeout") && c.api.timeout(setting) == nil && c.api.project.Whole {
			m.fault(setting, m.path, "sets timeout '%s' of machine '%s', which no model has", setting.Attr("timeout"), setting.Attr("machine"))
		}
	}
}

// attached checks what a method does where its engine runs in another process.
func (m method) attached() {
	how, given := m.Lookup("attached")
	if !given {
		return
	}
	key := "none"
	for _, r := range m.Returns {
		key = m.class.typeKey(r)
		if r.Has("fails") {
			key += " fails"
		}
	}
	switch {
	case how != "call" && how != "ask" && how != "look" && how != "fails":
		m.fault(m.Element, m.path, "attached must be call, ask, look or fails")
	case how == "look":
		for _, r := range m.Returns {
			if key := m.class.typeKey(r); key != "zlist" && key != "string" && !m.class.api.isClass(r.Attr("type")) {
				m.fault(r, m.path, "cannot be looked up in what another process knows: its return must be a string, a list or an object")
			}
		}
	case how != "ask" && key != "integer fails":
		m.fault(m.Element, m.path, "is attached by %s, so it must return an integer that fails", how)
	case how != "ask":
		return
	case strings.TrimSuffix(key, " fails") == "number 8" && m.Returns[0].Has("unit"), answers[strings.TrimSuffix(key, " fails")]:
	default:
		m.fault(m.Element, m.path, "cannot be asked of another process: its return must be a zhash, a zlist, or a number of 8 octets with its unit")
	}
	for _, a := range m.Arguments {
		if how == "ask" && (m.class.typeKey(a) != "string uuid" || len(m.Arguments) > 1) {
			m.fault(a, m.path+"."+a.Name(), "is an argument of what is asked of another process: leave one, of type string with format uuid")
		}
	}
}

// answers are the types of what can be asked of another process.
var answers = map[string]bool{"zhash": true, "zhash number": true, "zlist": true}

func advice(key string) string {
	if key == "enum" {
		return "C has no such type: write integer, and enum with the name of one"
	}
	return "see gsl/api_types.xml"
}

// arguments checks what a method takes, and tells whether some of it is checked when it is called.
func (m method) arguments(limited bool) (checked bool) {
	api, receiver := m.class.api, strings.ToLower(m.class.goName + " ")[:1]
	for _, a := range m.Arguments {
		at := m.path + "." + a.Name()
		goName, cName := model.GoLocal(a.Name()), model.CName(a.Name())
		m.named(a, at, a.Name())
		m.sentence(a, at)
		m.avoid(a, "Go keywords", goName, at)
		m.avoid(a, "Go class locals", goName, at)
		m.avoid(a, "C keywords", cName, at)
		if goName == receiver {
			m.fault(a, at, "would be called as the receiver is: rename it")
		}
		m.claim(a, "Go arguments of "+m.path, goName, at)
		m.claim(a, "C arguments of "+m.path, cName, at)
		key := m.class.typeKey(a)
		t := api.types[key]
		switch {
		case !api.known(key):
			if api.project.Whole {
				m.fault(a, at, "has unknown type '%s': %s", key, advice(key))
			}
		case limited && !t.argument:
			m.fault(a, at, "is of type '%s', which no argument can be", key)
		case limited && t.row != nil && t.row.Has("check"):
			m.argumentLimits(a, t.row, at)
			checked = true
		case limited && t.row == nil && given(api, key):
			checked = true
		}
	}
	return checked
}

// given tells whether an argument of a type is checked by more than its limits: objects that
// somebody made, and enums.
func given(api *api, key string) bool {
	return strings.HasPrefix(key, "integer enum ") || api.isClass(key)
}

func (m method) argumentLimits(a, row *model.Element, path string) {
	least, most := m.limits(a)
	if most == "" && strings.Contains(row.Attr("needs"), "max") {
		m.fault(a, path, "has no limit: set max")
	}
	if least == "" && strings.Contains(row.Attr("needs"), "min") {
		m.fault(a, path, "has no lower limit: set min")
	}
	low := cmp.Or(least, "0")
	if !isNumber(low, 0, maxInt) || !isNumber(cmp.Or(most, "2147483647"), number(low), maxInt) {
		m.fault(a, path, "min and max must be numbers up to 2147483647, min not above max")
	}
}

// limits are those of an argument, its own or borrowed from the timeout that it sets.
func (m method) limits(a *model.Element) (least, most string) {
	least, most = a.Attr("min"), a.Attr("max")
	for _, s := range m.Settings {
		if timeout := m.class.api.timeout(s); timeout != nil {
			least, most = cmp.Or(least, timeout.Attr("min")), cmp.Or(most, timeout.Attr("max"))
		}
	}
	return least, most
}

func (m method) returns(checked bool) {
	api := m.class.api
	switch {
	case checked && len(m.Returns) == 0:
		m.fault(m.Element, m.path, "returns nothing, so it cannot say that an argument is out of its limits: give it a return")
	case len(m.Returns) > 1:
		m.fault(m.Element, m.path, "has more than one return: leave one")
	}
	for _, r := range m.Returns {
		key := m.class.typeKey(r)
		if !api.known(key) {
			if api.project.Whole {
				m.fault(r, m.path, "returns unknown type '%s': %s", key, advice(key))
			}
			return
		}
		m.flag(r, m.path, "fails")
		m.flag(r, m.path, "list")
		if !r.Has("fails") {
			if r.Doc() == "" && !strings.HasPrefix(m.Doc(), "Returns ") {
				m.fault(r, m.path, "does not say what it returns: begin its sentence with Returns, or write one into its return")
			}
			continue
		}
		mark := ", or null if "
		if key == "integer" {
			mark = ", -1 if "
		}
		if !strings.Contains(r.Doc(), mark) && (key == "integer" || !strings.Contains(r.Doc(), "fails")) {
			m.fault(r, m.path, "does not say when it fails: write '0 if ..., -1 if ...' or '..., or null if ...' into its return")
		}
		for name := range strings.SplitSeq(r.Attr("errors"), ",") {
			if name = strings.TrimPrefix(name, " "); name != "" && !api.hasError(name) && api.project.Whole {
				m.fault(r, m.path, "names the error '%s', which is none", name)
			}
		}
	}
}
