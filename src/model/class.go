package model

// Class is a part of a public API.
type Class struct {
	*Element
	Methods   []*Method // constructors and destructors, too
	Callbacks []*Method
	Enums     []*Element
	Errors    []*Element
	Constants []*Element
	Events    []*Element
	Options   []*Element
}

// Method is what can be called: a constructor, destructor, method, or callback type.
type Method struct {
	*Element
	Arguments []*Element
	Returns   []*Element
	Settings  []*Element
}

func newClass(root *Element) *Class {
	c := &Class{Element: root}
	for _, e := range root.Children {
		switch e.Tag {
		case "constructor", "destructor", "method":
			c.Methods = append(c.Methods, newMethod(e))
		case "callback_type":
			c.Callbacks = append(c.Callbacks, newMethod(e))
		case "enum":
			c.Enums = append(c.Enums, e)
		case "error":
			c.Errors = append(c.Errors, e)
		case "constant":
			c.Constants = append(c.Constants, e)
		case "event":
			c.Events = append(c.Events, e)
		case "option":
			c.Options = append(c.Options, e)
		}
	}
	return c
}

func newMethod(e *Element) *Method {
	m := &Method{Element: e}
	for _, c := range e.Children {
		switch c.Tag {
		case "argument":
			m.Arguments = append(m.Arguments, c)
		case "return":
			m.Returns = append(m.Returns, c)
		case "setting":
			m.Settings = append(m.Settings, c)
		}
	}
	return m
}
