package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// events checks the types of Go that events have.
func (c *class) events() {
	enum := c.Find("enum", "type")
	if enum == nil {
		if len(c.Events) > 0 {
			c.fault(c.Events[0], c.name, "has events and no enum called type")
		}
		return
	}
	for constant := range enum.All("constant") {
		if len(c.Events) > 0 && !slices.ContainsFunc(c.Events, func(e *model.Element) bool { return e.Attr("type") == constant.Name() }) {
			c.fault(constant, fmt.Sprintf("%s.type.%s", c.name, constant.Name()), "has no event: write one, with its sentence")
		}
	}
	for _, e := range c.Events {
		c.event(enum, e)
	}
}

var (
	eventPeer = regexp.MustCompile(`^(|none|claimed)$`)
	capitals  = regexp.MustCompile(`[A-Z][A-Z]`)
)

func (c *class) event(enum, e *model.Element) {
	kind := or(e, "type", "#1")
	name := or(e, "name", kind)
	path := fmt.Sprintf("%s event %s", c.name, kind)
	c.avoid(e, "Go keywords", model.GoLocal(name), path)
	c.sentence(e, path)
	c.claim(e, "Go events of "+c.name, model.GoName(name), path)
	c.claim(e, "types of events of "+c.name, kind, path)
	if enum.Find("constant", kind) == nil {
		c.fault(e, path, "is of a type that the enum does not have")
	}
	if !eventPeer.MatchString(e.Attr("peer")) {
		c.fault(e, path, "has peer '%s': write none or claimed, or leave it out", e.Attr("peer"))
	}
	line := strings.ReplaceAll(e.Attr("line"), "PEER", "")
	for f := range e.All("field") {
		at := path + " " + f.Name()
		c.named(f, at, f.Name())
		if source := or(f, "source", f.Name()); c.Find("method", source) == nil {
			c.fault(f, at, "has source '%s', which is no method of the class", source)
		}
		line = strings.ReplaceAll(line, strings.ToUpper(f.Name()), "")
	}
	if e.Attr("line") == "" || capitals.MatchString(line) {
		c.fault(e, path, "has no line, or one with words in capitals that are no fields: write what it prints itself as")
	}
}
