package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// settings are those of a class so far.
type settings struct {
	class *model.Class
	count int
	plain bool // one of them only stores a number
}

// borrowed returns the timeout of a machine that a setting sets, or nil.
func (l *linter) borrowed(setting *model.Element) *model.Element {
	for _, m := range l.project.Machines {
		if m.Attr("name") == setting.Attr("machine") {
			for _, timeout := range m.Timeouts {
				if timeout.Name() == setting.Attr("timeout") {
					return timeout
				}
			}
		}
	}
	return nil
}

func (l *linter) borrowLimits(m *model.Method, path string) {
	for _, setting := range m.Settings {
		if setting.Has("timeout") && l.borrowed(setting) == nil && l.project.Whole {
			l.fault(setting, path, "sets timeout '%s' of machine '%s', which no model has", setting.Attr("timeout"), setting.Attr("machine"))
		}
	}
}

func (l *linter) setting(m *model.Method, method string, s *settings) {
	path := method + " setting"
	switch {
	case len(m.Settings) > 1:
		l.fault(m.Settings[1], method, "has more than one setting: leave one")
	case len(m.Settings) == 0 && m.Attr("when") == "stopped":
		l.fault(m.Element, method, "is called before the start and has no setting: write one, with its default and its sentence")
	}
	for _, e := range m.Settings {
		name := or(e, "name", strings.TrimPrefix(or(m.Element, "name", "new"), "set "))
		many := e.Has("many")
		l.named(e, path, name)
		l.flag(e, path, "many")
		l.flag(e, path, "apart")
		l.sentence(e, path)
		l.claim(e, "fields of "+s.class.Attr("name"), model.GoName(name), path)
		if count := len(m.Arguments); count != 1 && !(many && count == 2) {
			l.fault(e, path, "needs a method with one argument, or with a key and a value if it has many")
		}
		if also, ok := e.Lookup("also"); ok && !slices.ContainsFunc(s.class.Methods, func(m *model.Method) bool { return m.Tag == "method" && m.Name() == also }) {
			l.fault(e, path, "also calls '%s', which the class does not have", also)
		}
		if len(m.Arguments) == 0 || !l.known(typeKey(s.class, m.Arguments[0])) {
			continue
		}
		v := l.value(m, e, s.class)
		s.count++
		s.plain = s.plain || v.plain
		l.defaults(e, v, path)
		for flag := range e.All("flag") {
			l.programFlag(flag, v, path)
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

func (l *linter) value(m *model.Method, e *model.Element, c *model.Class) value {
	a := m.Arguments[0]
	v := value{kind: a.Attr("type")}
	if a.Has("enum") {
		v.kind = "enum"
		v.enumName = a.Attr("enum")
		v.enum = c.Find("enum", v.enumName)
	}
	v.plain = plainKind.MatchString(v.kind) && !e.Has("many")
	v.least, v.most = limitsOf(l, m, a)
	v.standard, v.hasStandard = e.Lookup("default")
	if timeout := l.borrowed(e); timeout != nil && e.Has("timeout") {
		v.standard, v.hasStandard = timeout.Lookup("default")
	}
	return v
}

func (l *linter) defaults(e *model.Element, v value, path string) {
	if !e.Has("many") && !v.hasStandard && !e.Has("otherwise") {
		l.fault(e, path, "has no default: write default, or otherwise with what is done without")
	}
	switch {
	case v.kind == "enum":
		if v.enum == nil || v.enum.Find("constant", v.standard) == nil {
			l.fault(e, path, "has default '%s', which is none of %s", v.standard, v.enumName)
		}
	case v.kind == "boolean", !v.plain, v.standard == "" && !e.Has("otherwise"):
	case !isNumber(v.standard, number(v.least), number(orNot(v.most, "2147483647"))):
		l.fault(e, path, "has default '%s', which is not from %s to %s", v.standard, orNot(v.least, "0"), orNot(v.most, "2147483647"))
	}
}

var quotedValue = regexp.MustCompile("`[^`]+`")

// programFlag checks a flag of the program.
func (l *linter) programFlag(e *model.Element, v value, setting string) {
	path := fmt.Sprintf("%s flag '%s'", setting, e.Attr("name"))
	l.named(e, path, e.Attr("name"))
	l.claim(e, "flags of the program", e.Attr("name"), path)
	l.flag(e, path, "apart")
	l.sentence(e, path)
	if v.kind != "enum" && !quotedValue.MatchString(e.Doc()) {
		l.fault(e, path, "names no value: put what stands for it between backquotes")
	}
	if v.kind == "integer" && v.most == "" {
		l.fault(e, path, "holds a number that has no limit: write max")
	}
}

// config checks what only a class with settings needs.
func (l *linter) config(c *model.Class, s *settings) {
	if s.count == 0 {
		return
	}
	said := false
	for config := range c.All("config") {
		said = said || config.Doc() != ""
	}
	if !said {
		l.fault(c.Element, c.Attr("name"), "has settings and no sentence for all of them: write it into an element config")
	}
	if s.plain && !has(c.Errors, "started") {
		l.fault(c.Element, c.Attr("name"), "has settings and no error for those that come after the start: define one called started")
	}
}

// options checks the options of a class, which go by their names everywhere.
func (l *linter) options(c *model.Class) {
	for _, e := range c.Options {
		path := c.Attr("name") + "." + e.Name()
		l.named(e, path, e.Name())
		l.claim(e, "options of "+c.Attr("name"), e.Name(), path)
		l.sentence(e, path)
		l.flag(e, path, "many")
		l.flag(e, path, "fixed")
		if e.Attr("type") == "" {
			l.fault(e, path, "has no type: say what its values are")
		}
		if with := e.Attr("with"); e.Has("with") && (with == e.Name() || !slices.ContainsFunc(c.Options, func(o *model.Element) bool { return o.Name() == with })) {
			l.fault(e, path, "means nothing without %q, which is no other option of the class", with)
		}
	}
}

// eventTypes checks the types of Go that events have.
func (l *linter) eventTypes(c *model.Class) {
	enum := c.Find("enum", "type")
	if enum == nil {
		if len(c.Events) > 0 {
			l.fault(c.Events[0], c.Attr("name"), "has events and no enum called type")
		}
		return
	}
	for constant := range enum.All("constant") {
		if len(c.Events) > 0 && !slices.ContainsFunc(c.Events, func(e *model.Element) bool { return e.Attr("type") == constant.Name() }) {
			l.fault(constant, fmt.Sprintf("%s.type.%s", c.Attr("name"), constant.Name()), "has no event: write one, with its sentence")
		}
	}
	for _, e := range c.Events {
		l.eventType(c, enum, e)
	}
}

var (
	eventPeer = regexp.MustCompile(`^(|none|claimed)$`)
	capitals  = regexp.MustCompile(`[A-Z][A-Z]`)
)

func (l *linter) eventType(c *model.Class, enum, e *model.Element) {
	kind := or(e, "type", "#1")
	name := or(e, "name", kind)
	path := fmt.Sprintf("%s event %s", c.Attr("name"), kind)
	l.avoid(e, "Go keywords", model.GoLocal(name), path)
	l.sentence(e, path)
	l.claim(e, "Go events of "+c.Attr("name"), model.GoName(name), path)
	l.claim(e, "types of events of "+c.Attr("name"), kind, path)
	if enum.Find("constant", kind) == nil {
		l.fault(e, path, "is of a type that the enum does not have")
	}
	if !eventPeer.MatchString(e.Attr("peer")) {
		l.fault(e, path, "has peer '%s': write none or claimed, or leave it out", e.Attr("peer"))
	}
	line := strings.ReplaceAll(e.Attr("line"), "PEER", "")
	for f := range e.All("field") {
		at := path + " " + f.Name()
		l.named(f, at, f.Name())
		if source := or(f, "source", f.Name()); c.Find("method", source) == nil {
			l.fault(f, at, "has source '%s', which is no method of the class", source)
		}
		line = strings.ReplaceAll(line, strings.ToUpper(f.Name()), "")
	}
	if e.Attr("line") == "" || capitals.MatchString(line) {
		l.fault(e, path, "has no line, or one with words in capitals that are no fields: write what it prints itself as")
	}
}
