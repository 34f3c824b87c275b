package lint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// settings are those of a class so far.
type settings struct {
	*report
	class *class
	count int
	plain bool // one of them only stores a number
}

// add checks the setting of a method.
func (s *settings) add(m method) {
	c, path := s.class, m.path+" setting"
	switch {
	case len(m.Settings) > 1:
		s.fault(m.Settings[1], m.path, "has more than one setting: leave one")
	case len(m.Settings) == 0 && m.Attr("when") == "stopped":
		s.fault(m.Element, m.path, "is called before the start and has no setting: write one, with its default and its sentence")
	}
	for _, e := range m.Settings {
		name := or(e, "name", strings.TrimPrefix(or(m.Element, "name", "new"), "set "))
		many := e.Has("many")
		s.named(e, path, name)
		s.flag(e, path, "many")
		s.flag(e, path, "apart")
		s.sentence(e, path)
		s.claim(e, "fields of "+c.name, model.GoName(name), path)
		if count := len(m.Arguments); count != 1 && !(many && count == 2) {
			s.fault(e, path, "needs a method with one argument, or with a key and a value if it has many")
		}
		if also, ok := e.Lookup("also"); ok && !slices.ContainsFunc(c.Methods, func(m *model.Method) bool { return m.Tag == "method" && m.Name() == also }) {
			s.fault(e, path, "also calls '%s', which the class does not have", also)
		}
		if len(m.Arguments) == 0 || !c.api.known(c.typeKey(m.Arguments[0])) {
			continue
		}
		v := valueOf(m, e)
		s.count++
		s.plain = s.plain || v.plain
		s.defaults(e, v, path)
		for flag := range e.All("flag") {
			s.programFlag(flag, v, path)
		}
	}
}

// value is what a setting holds.
type value struct {
	kind        string // the type of the argument, or enum
	enum        *model.Element
	enumName    string
	plain       bool // no more is done than to store a number
	least, most string
	standard    string // the default, as the model has it or the timeout that is set
	hasStandard bool
}

var plainKind = regexp.MustCompile(`^(enum|msecs|size|integer|boolean)$`)

func valueOf(m method, e *model.Element) value {
	a := m.Arguments[0]
	v := value{kind: a.Attr("type")}
	if a.Has("enum") {
		v.kind = "enum"
		v.enumName = a.Attr("enum")
		v.enum = m.class.Find("enum", v.enumName)
	}
	v.plain = plainKind.MatchString(v.kind) && !e.Has("many")
	v.least, v.most = m.limits(a)
	v.standard, v.hasStandard = e.Lookup("default")
	if timeout := m.class.api.timeout(e); timeout != nil && e.Has("timeout") {
		v.standard, v.hasStandard = timeout.Lookup("default")
	}
	return v
}

func (s *settings) defaults(e *model.Element, v value, path string) {
	if !e.Has("many") && !v.hasStandard && !e.Has("otherwise") {
		s.fault(e, path, "has no default: write default, or otherwise with what is done without")
	}
	switch {
	case v.kind == "enum":
		if v.enum == nil || v.enum.Find("constant", v.standard) == nil {
			s.fault(e, path, "has default '%s', which is none of %s", v.standard, v.enumName)
		}
	case v.kind == "boolean", !v.plain, v.standard == "" && !e.Has("otherwise"):
	case !isNumber(v.standard, number(v.least), number(cmp.Or(v.most, "2147483647"))):
		s.fault(e, path, "has default '%s', which is not from %s to %s", v.standard, cmp.Or(v.least, "0"), cmp.Or(v.most, "2147483647"))
	}
}

var quotedValue = regexp.MustCompile("`[^`]+`")

// programFlag checks a flag of the program.
func (s *settings) programFlag(e *model.Element, v value, setting string) {
	path := fmt.Sprintf("%s flag '%s'", setting, e.Attr("name"))
	s.named(e, path, e.Attr("name"))
	s.claim(e, "flags of the program", e.Attr("name"), path)
	s.flag(e, path, "apart")
	s.sentence(e, path)
	if v.kind != "enum" && !quotedValue.MatchString(e.Doc()) {
		s.fault(e, path, "names no value: put what stands for it between backquotes")
	}
	if v.kind == "integer" && v.most == "" {
		s.fault(e, path, "holds a number that has no limit: write max")
	}
}

// config checks what only a class with settings needs.
func (s *settings) config() {
	if s.count == 0 {
		return
	}
	c, said := s.class, false
	for config := range c.All("config") {
		said = said || config.Doc() != ""
	}
	if !said {
		s.fault(c.Element, c.name, "has settings and no sentence for all of them: write it into an element config")
	}
	if s.plain && !has(c.Errors, "started") {
		s.fault(c.Element, c.name, "has settings and no error for those that come after the start: define one called started")
	}
}
