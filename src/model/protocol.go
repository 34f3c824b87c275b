package model

import "strconv"

// Protocol is a set of messages.
type Protocol struct {
	*Element
	Header   []*Field // fields that each message begins with
	Messages []*Message
	Derived  bool // it is a protocol of zproto that states less: see package vectors
}

// Message is one of them.
type Message struct {
	*Element
	Protocol *Protocol
	ID       int      // as given, else its place, as zproto has it; 0 if it is no number
	Fields   []*Field // its own; Header of the protocol comes before
}

// Field is a value in a message. What it lacks is zero.
type Field struct {
	*Element
	Type string
	Size int64 // of a number, in octets
}

func newProtocol(root *Element) *Protocol {
	p := &Protocol{Element: root}
	for header := range root.All("header") {
		p.Header = append(p.Header, newFields(header)...)
	}
	for e := range root.All("message") {
		m := &Message{Element: e, Protocol: p, ID: len(p.Messages) + 1, Fields: newFields(e)}
		if id, ok := e.Lookup("id"); ok {
			m.ID = 0
			if n, err := strconv.ParseUint(id, 10, 31); err == nil {
				m.ID = int(n)
			}
		}
		p.Messages = append(p.Messages, m)
	}
	return p
}

func newFields(owner *Element) (fields []*Field) {
	for e := range owner.All("field") {
		fields = append(fields, &Field{Element: e, Type: e.Attr("type"), Size: e.Int("size")})
	}
	return fields
}

// Message returns the message with a name, or nil.
func (p *Protocol) Message(name string) *Message {
	for _, m := range p.Messages {
		if m.Name() == name {
			return m
		}
	}
	return nil
}

// All are the fields of a message, those of the header first.
func (m *Message) All() []*Field {
	return append(append([]*Field{}, m.Protocol.Header...), m.Fields...)
}

// Layout is a set of records: octets that are written and read by hand.
type Layout struct {
	*Element
	Numbers []*Element // fixed points, with a value each
	Records []*Record
}

// Record is a list of fields.
type Record struct {
	*Element
	Fields []*Field
}

func newLayout(root *Element) *Layout {
	l := &Layout{Element: root}
	for e := range root.All("number") {
		l.Numbers = append(l.Numbers, e)
	}
	for e := range root.All("record") {
		l.Records = append(l.Records, &Record{e, newFields(e)})
	}
	return l
}
