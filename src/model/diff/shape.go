// Package diff tells what changed between two sets of models, in words that a reviewer
// understands, and what of that breaks those who stand on the older.
//
// Programs import bindings/go/once: what is here may change at any time.
package diff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Class is whom a change concerns.
type Class string

// The classes: what passes between programs, when it may and what is done about it, what programs
// call, and what people read.
const (
	Wire  Class = "WIRE"
	State Class = "STATE"
	API   Class = "API"
	Doc   Class = "DOC"
)

// Classes are all of them, the gravest first.
var Classes = []Class{Wire, State, API, Doc}

// Node is what there is to say of an element: a model without its layout, its order of sections,
// and what follows from the rest.
type Node struct {
	model.Pos
	Kind     string
	Name     string
	Facts    []Fact
	Children []*Node
	first    map[[2]string]*Node // of the children, by kind and name
}

// Fact is something that an element says of itself.
type Fact struct{ Name, Value string }

func (n *Node) fact(name string) string {
	for _, f := range n.Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func (n *Node) say(name, value string) {
	if value != "" {
		n.Facts = append(n.Facts, Fact{name, value})
	}
}

func (n *Node) find(kind, name string) *Node { return n.first[[2]string{kind, name}] }

func (n *Node) put(child *Node) {
	if n.first == nil {
		n.first = map[[2]string]*Node{}
	}
	if key := [2]string{child.Kind, child.Name}; n.first[key] == nil {
		n.first[key] = child
	}
	n.Children = append(n.Children, child)
}

// add puts an element below another. What it says is its attributes, as far as they are named.
func (n *Node) add(kind, name string, e *model.Element, attrs ...string) *Node {
	for again, base := 2, name; n.find(kind, name) != nil; again++ {
		name = fmt.Sprintf("%s#%d", base, again) // of models with faults
	}
	c := &Node{Pos: e.Pos, Kind: kind, Name: name}
	for _, attr := range attrs {
		c.say(attr, e.Attr(attr))
	}
	c.say("sentence", e.Doc())
	n.put(c)
	return c
}

// Shape is what there is to say of a project.
func Shape(p *model.Project) *Node {
	all := &Node{Kind: "models"}
	for _, m := range p.Protocols {
		protocol(all, m)
	}
	for _, m := range p.Layouts {
		layout(all, m)
	}
	for _, m := range p.Machines {
		machine(all, m)
	}
	for _, m := range p.Classes {
		class(all, m)
	}
	return all
}

// field is an element of a message or record. Its limits count only if there are some.
func (n *Node) field(kind string, f *model.Field) {
	c := n.add(kind, f.Name(), f.Element, "type", "size", "value", "max", "each", "sum", "fixed", "example")
	if f.Attr("example") == "#" {
		c.Facts = slices.DeleteFunc(c.Facts, func(f Fact) bool { return f.Name == "example" })
	}
}

func protocol(all *Node, p *model.Protocol) {
	n := all.add("protocol", p.Attr("name"), p.Element, "signature")
	for _, f := range p.Header {
		n.field("header field", f)
	}
	for _, m := range p.Messages {
		c := n.add("message", m.Name(), m.Element)
		c.say("id", fmt.Sprint(m.ID))
		for _, f := range m.Fields {
			c.field("field", f)
		}
	}
	for e := range p.All("reserved") {
		n.add("reserved id", e.Attr("id"), e)
	}
	for e := range p.All("limit") {
		n.add("limit", e.Name(), e, "max")
	}
	for e := range p.All("grammar") {
		n.add("grammar", "", &model.Element{Pos: e.Pos}).say("words", e.Doc())
	}
	prose(n, p.Element)
}

func prose(n *Node, root *model.Element) {
	for _, tag := range []string{"section", "scene"} {
		for e := range root.All(tag) {
			c := n.add(tag, e.Name(), e)
			for step := range e.All("step") {
				c.add("step", fmt.Sprintf("%d", len(c.Children)+1), step, "sender", "receiver", "message", "says")
			}
		}
	}
}

func layout(all *Node, l *model.Layout) {
	n := all.add("layout", l.Attr("name"), l.Element)
	for _, e := range l.Numbers {
		n.add("number", e.Name(), e, "value")
	}
	for _, r := range l.Records {
		c := n.add("record", r.Name(), r.Element)
		for _, f := range r.Fields {
			c.field("field", f)
		}
	}
	prose(n, l.Element)
}

func machine(all *Node, m *model.Machine) {
	n := all.add("machine", m.Attr("name"), m.Element, "protocol_class")
	if len(m.States) > 0 {
		n.say("start", m.States[0].Name())
	}
	for _, e := range m.Timeouts {
		n.add("timeout", e.Name(), e, "default", "min", "max")
	}
	for _, e := range m.Reasons {
		n.add("reason", e.Name(), e)
	}
	for _, s := range m.States {
		if s.Abstract {
			continue
		}
		c := n.add("state", s.Name(), s.Element, "final", "timeout")
		for _, step := range s.Steps() {
			to := stays
			if step.Moves() {
				to = "to " + step.Next
			}
			on := c.add("event", step.Name(), step.Element)
			on.say("leads", to)
			on.say("sends", calls(step, true))
			on.say("does", calls(step, false))
		}
	}
}

// stays is where a step leads that leaves the machine in its state.
const stays = "stays"

// calls are the actions of a step that send something, or the others.
func calls(step *model.Step, sends bool) string {
	var list []string
	for _, a := range step.Calls {
		switch {
		case a.Message != "" && sends:
			list = append(list, a.Message)
		case a.Message == "" && !sends && a.Reason != "":
			list = append(list, fmt.Sprintf("%s (%s)", a.Name(), a.Reason))
		case a.Message == "" && !sends:
			list = append(list, a.Name())
		}
	}
	return strings.Join(list, ", ")
}

func class(all *Node, c *model.Class) {
	n := all.add("class", c.Attr("name"), c.Element, "state", "zero")
	for _, e := range c.Constants {
		n.add("constant", e.Name(), e, "value")
	}
	for _, e := range c.Enums {
		enum := n.add("enum", e.Name(), e)
		for constant := range e.All("constant") {
			enum.add("constant", constant.Name(), constant, "value")
		}
	}
	for _, e := range c.Errors {
		n.add("error", e.Name(), e, "closed")
	}
	for _, m := range slices.Concat(c.Methods, c.Callbacks) {
		name := m.Name()
		if m.Tag != "method" && m.Tag != "callback_type" && !m.Has("name") {
			name = ""
		}
		method(n.add(strings.ReplaceAll(m.Tag, "_type", ""), name, m.Element, "state", "singleton", "blocks", "when"), m)
	}
	for _, e := range c.Options {
		n.add("option", e.Name(), e, "type", "default", "many", "fixed", "with")
	}
	for _, e := range c.Events {
		event := n.add("event type", e.Attr("type"), e, "name", "peer", "line")
		for f := range e.All("field") {
			event.add("event field", f.Name(), f, "source", "go_type")
		}
	}
}

// typeFacts say what type an argument or a result is of.
var typeFacts = []string{"type", "format", "size", "enum", "of", "list", "by_reference", "optional"}

func method(n *Node, m *model.Method) {
	for _, e := range m.Arguments {
		n.add("argument", e.Name(), e, append(typeFacts[:len(typeFacts):len(typeFacts)], "min", "max")...)
	}
	for _, e := range m.Returns {
		n.add("return", "", e, append(typeFacts[:len(typeFacts):len(typeFacts)], "fails", "errors", "fresh")...)
	}
	for _, e := range m.Settings {
		s := n.add("setting", e.Attr("name"), e, "default", "otherwise", "many")
		for flag := range e.All("flag") {
			s.add("flag", "--"+flag.Attr("name"), flag, "otherwise")
		}
	}
}
