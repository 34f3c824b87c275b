package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// class is a class that is checked.
type class struct {
	*report
	*model.Class
	api          *api
	name, goName string
}

func newClass(r *report, a *api, c *model.Class) *class {
	name := c.Attr("name")
	return &class{r, c, a, name, a.goName(name)}
}

// states are those of a class or a method.
var states = map[string]bool{"draft": true, "stable": true, "legacy": true, "deprecated": true}

// declare checks the names that a class has, and makes the types known that it defines.
func (c *class) declare() {
	name, goName, space := c.name, c.goName, c.api.space()
	c.named(c.Element, name, name)
	c.sentence(c.Element, name)
	if strings.TrimSpace(c.Attr("title")) == "" {
		c.fault(c.Element, name+" title", "has no sentence: write what it is for")
	}
	if c.api.project.Whole && !strings.HasPrefix(name, c.api.project.Attr("name")+"_") {
		c.fault(c.Element, name, "must begin with %s_", c.api.project.Attr("name"))
	}
	if !states[c.Attr("state")] {
		c.fault(c.Element, name, "needs a state: draft, stable, legacy or deprecated")
	}
	c.claim(c.Element, space, goName, name)
	c.avoid(c.Element, "Go binding", goName, name)
	c.api.define(name, c.Count("constructor") > 0)
	c.api.define(name+" list", false)
	for _, enum := range c.Enums {
		c.enum(enum)
	}
	for _, m := range c.Callbacks {
		path := name + "." + m.Name()
		c.named(m.Element, path, m.Name())
		c.sentence(m.Element, path)
		cName := model.CName(name + " " + m.Name())
		c.claim(m.Element, space, goName+model.GoName(m.Name()), path)
		c.claim(m.Element, "C functions", cName, path)
		c.api.define(cName, true)
	}
	for _, e := range c.Errors {
		path := name + "." + e.Name()
		c.named(e, path, e.Name())
		c.sentence(e, path)
		c.claim(e, space, model.GoName("err "+e.Name()), path)
		c.flag(e, path, "closed")
	}
	for _, e := range c.Constants {
		c.fault(e, name+"."+e.Attr("name"), "stands alone: put it into an enum")
	}
}

func (c *class) enum(enum *model.Element) {
	path, space := c.name+"."+enum.Name(), c.api.space()
	goName := c.goName + model.GoName(enum.Name())
	c.named(enum, path, enum.Name())
	c.sentence(enum, path)
	c.claim(enum, space, goName, path)
	for e := range enum.All("constant") {
		at := path + "." + e.Name()
		c.named(e, at, e.Name())
		c.sentence(e, at)
		c.claim(e, space, goName+model.GoName(e.Name()), at)
		c.claim(e, "C functions", model.CName(fmt.Sprintf("%s %s %s", c.name, enum.Name(), e.Name())), at)
		c.claim(e, "values of "+path, e.Attr("value"), at)
		if !isNumber(e.Attr("value"), 1, 255) {
			c.fault(e, at, "needs a value from 1 to 255")
		}
	}
	c.api.define(fmt.Sprintf("integer enum %s %s", c.name, enum.Name()), true)
}

// typeKey is the name of an element's row in the table of types.
func (c *class) typeKey(e *model.Element) string {
	key := or(e, "type", "none")
	if e.Has("enum") && key != "enum" {
		key += fmt.Sprintf(" enum %s %s", or(e, "of", c.name), e.Attr("enum"))
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

// options checks the options of a class, which go by their names everywhere.
func (c *class) options() {
	for _, e := range c.Options {
		path := c.name + "." + e.Name()
		c.named(e, path, e.Name())
		c.claim(e, "options of "+c.name, e.Name(), path)
		c.sentence(e, path)
		c.flag(e, path, "many")
		c.flag(e, path, "fixed")
		if e.Attr("type") == "" {
			c.fault(e, path, "has no type: say what its values are")
		}
		if with := e.Attr("with"); e.Has("with") && (with == e.Name() || !slices.ContainsFunc(c.Options, func(o *model.Element) bool { return o.Name() == with })) {
			c.fault(e, path, "means nothing without %q, which is no other option of the class", with)
		}
	}
}

var (
	zyreEvent    = regexp.MustCompile(`^[A-Z]+$`)
	zyreFunction = regexp.MustCompile(`^zyre_[a-z_]+$`)
)

// zyre checks what Zyre calls what a class has.
func (c *class) zyre(owner *model.Element) {
	for call := range owner.All("zyre") {
		path := fmt.Sprintf("%s zyre '%s'", c.name, call.Attr("name"))
		c.sentence(call, path)
		c.claim(call, "calls of Zyre", call.Attr("name"), path)
		if !zyreEvent.MatchString(call.Attr("name")) && !zyreFunction.MatchString(call.Attr("name")) {
			c.fault(call, path, "is neither called zyre_... nor an event in capitals")
		}
	}
}
