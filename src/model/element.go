package model

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxFile     = 16 << 20 // octets of a model
	maxProject  = 64 << 20 // of all models of a project
	maxDepth    = 64       // elements within each other
	maxAttrs    = 256      // of one element
	maxElements = 1 << 12  // of a model
	maxStates   = 1 << 8   // of a machine: each may inherit from all others
)

// Pos is where an element stands.
type Pos struct {
	File string
	Line int
}

func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Attr is an attribute of an element.
type Attr struct{ Name, Value string }

// Element is an element of a model, as it is written.
type Element struct {
	Pos
	Tag      string
	Attrs    []Attr
	Text     string // its own text, with its white space
	Children []*Element
	Parent   *Element // nil for the root
}

// Lookup returns an attribute, and whether it is there.
func (e *Element) Lookup(name string) (string, bool) {
	for _, a := range e.Attrs {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// Attr returns an attribute, or nothing.
func (e *Element) Attr(name string) string {
	value, _ := e.Lookup(name)
	return value
}

// Has tells whether an attribute is there.
func (e *Element) Has(name string) bool {
	_, ok := e.Lookup(name)
	return ok
}

// Set gives an attribute a value.
func (e *Element) Set(name, value string) {
	for i := range e.Attrs {
		if e.Attrs[i].Name == name {
			e.Attrs[i].Value = value
			return
		}
	}
	e.Attrs = append(e.Attrs, Attr{name, value})
}

// Add puts a child behind the others, with names and values of attributes in turn, and returns it.
func (e *Element) Add(tag string, attrs ...string) *Element {
	child := &Element{Pos: e.Pos, Tag: tag, Parent: e}
	for i := 0; i < len(attrs); i += 2 {
		child.Set(attrs[i], attrs[i+1])
	}
	e.Children = append(e.Children, child)
	return child
}

// Name returns the attribute name. An element without one goes by its place among those of its
// tag, as #2.
func (e *Element) Name() string {
	if name, ok := e.Lookup("name"); ok || e.Parent == nil {
		return name
	}
	at := 0
	for c := range e.Parent.All(e.Tag) {
		at++
		if c == e {
			break
		}
	}
	return "#" + strconv.Itoa(at)
}

// Doc returns the sentence of an element: its text in one line.
func (e *Element) Doc() string { return strings.Join(strings.Fields(e.Text), " ") }

// Int returns an attribute that is a whole number, or 0.
func (e *Element) Int(name string) int64 {
	n, err := strconv.ParseInt(e.Attr(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// All are the children with a tag.
func (e *Element) All(tag string) iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for _, c := range e.Children {
			if c.Tag == tag && !yield(c) {
				return
			}
		}
	}
}

// Find returns the first child with a tag and a name, or nil.
func (e *Element) Find(tag, name string) *Element {
	for c := range e.All(tag) {
		if c.Attr("name") == name && c.Has("name") {
			return c
		}
	}
	return nil
}

// Count counts the children with a tag.
func (e *Element) Count(tag string) (n int) {
	for range e.All(tag) {
		n++
	}
	return n
}

// SyntaxError is a file that is no model, and where.
type SyntaxError struct {
	Pos
	Err error
}

func (e *SyntaxError) Error() string { return e.Pos.String() + ": " + e.Err.Error() }
func (e *SyntaxError) Unwrap() error { return e.Err }

// Parse reads the text of a model; file is what its elements say that they stand in.
func Parse(file string, text []byte) (*Element, error) {
	if len(text) > maxFile {
		return nil, &SyntaxError{Pos{file, 0}, fmt.Errorf("a model has at most %d octets", maxFile)}
	}
	if bytes.HasPrefix(text, []byte("\ufeff")) {
		return nil, &SyntaxError{Pos{file, 1}, errors.New("begins with a byte-order mark, which gsl cannot read: write the model without")}
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(charset string, text io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") {
			return text, nil
		}
		return nil, errors.New("write the model in UTF-8")
	}
	var root, now *Element
	var texts [][]byte // of the elements around, and of this one
	var depth, elements, states int
	fail := func(err error) (*Element, error) {
		line, _ := d.InputPos()
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) {
			line, err = syntax.Line, errors.New(syntax.Msg)
		}
		return nil, &SyntaxError{Pos{file, line}, err}
	}
	for {
		line, _ := d.InputPos()
		token, err := d.RawToken()
		switch {
		case err == io.EOF && now != nil:
			return fail(fmt.Errorf("ends within <%s>, which begins in line %d", now.Tag, now.Line))
		case err == io.EOF && root == nil:
			return fail(errors.New("has no element"))
		case err == io.EOF:
			return root, nil
		case err != nil:
			return fail(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			elements++
			if token.Name.Local == "state" {
				states++
			}
			switch {
			case depth > maxDepth:
				return fail(fmt.Errorf("has more than %d elements within each other", maxDepth))
			case elements > maxElements:
				return fail(fmt.Errorf("has more than %d elements", maxElements))
			case states > maxStates:
				return fail(fmt.Errorf("has more than %d states", maxStates))
			case len(token.Attr) > maxAttrs:
				return fail(fmt.Errorf("has more than %d attributes in one <%s>", maxAttrs, join(token.Name)))
			}
			e := &Element{Pos: Pos{file, line}, Tag: join(token.Name), Parent: now}
			for _, a := range token.Attr {
				if at := strings.IndexFunc(a.Value, unseen); at >= 0 {
					return fail(unseenError(a.Value[at:]))
				}
				if e.Has(join(a.Name)) {
					return fail(fmt.Errorf("has %s twice in one <%s>", join(a.Name), e.Tag))
				}
				e.Attrs = append(e.Attrs, Attr{join(a.Name), a.Value})
			}
			switch {
			case now != nil:
				now.Children = append(now.Children, e)
			case root != nil:
				return fail(fmt.Errorf("has <%s> behind its root, which is <%s>", e.Tag, root.Tag))
			default:
				root = e
			}
			now = e
			texts = append(texts, nil)
		case xml.EndElement:
			if now == nil || join(token.Name) != now.Tag {
				return fail(fmt.Errorf("has </%s>, which ends nothing", join(token.Name)))
			}
			depth--
			now.Text, texts = string(texts[depth]), texts[:depth]
			now = now.Parent
		case xml.CharData:
			if at := bytes.IndexFunc(token, unseen); at >= 0 {
				return fail(unseenError(string(token[at:])))
			}
			if now != nil {
				texts[depth-1] = append(texts[depth-1], token...)
			}
		}
	}
}

// unseen tells whether a reader of a model is deceived by a character: one that directs a terminal,
// or the order in which others are shown.
func unseen(r rune) bool {
	return unicode.IsControl(r) && !strings.ContainsRune("\t\r\n", r) || unicode.Is(unicode.Bidi_Control, r)
}

func unseenError(text string) error {
	r, _ := utf8.DecodeRuneInString(text)
	return fmt.Errorf("has the character %U, which nobody sees: leave it out", r)
}

// join puts prefix and name together again: a model knows no name spaces.
func join(name xml.Name) string {
	if name.Space != "" {
		return name.Space + ":" + name.Local
	}
	return name.Local
}

var escaped = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// String is an element as XML. Its text stands before its children.
func (e *Element) String() string {
	var b strings.Builder
	e.write(&b)
	b.WriteByte('\n')
	return b.String()
}

func (e *Element) write(b *strings.Builder) {
	b.WriteString("<" + e.Tag)
	for _, a := range e.Attrs {
		b.WriteString(" " + a.Name + ` = "` + escaped.Replace(a.Value) + `"`)
	}
	b.WriteString(">" + escaped.Replace(e.Text))
	for _, c := range e.Children {
		c.write(b)
	}
	b.WriteString("</" + e.Tag + ">")
}
