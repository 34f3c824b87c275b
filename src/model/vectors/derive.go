package vectors

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/sjohnr/at-once/src/model"
)

// derived are examples of what a model gives none for, by the type of zproto.
var derived = map[string]string{
	"number": "1", "string": "x", "longstr": "x", "strings": "x|y", "hash": "k=x", "chunk": "01",
	"uuid": "00*15 01", "msg": "x|y", "frame": "x",
}

// older are names of types that are others now.
var older = map[string]string{"dictionary": "hash"}

// Derived is a protocol of zproto as its codecs read it, with examples that are derived from the
// types of fields where it has none. A field of a type of the model's own is its parts, and a number
// has one octet if nothing is said. What has no limit in the model is not limited. A problem is what
// nothing can be derived from.
func Derived(p *model.Protocol) (*model.Protocol, []model.Problem) {
	d := &deriver{of: p, constants: map[string]string{}}
	for define := range p.All("define") {
		d.constants[model.CName(define.Attr("name"))] = define.Attr("value")
	}
	whole := &model.Protocol{Element: p.Element, Derived: true}
	for _, f := range p.Header {
		whole.Header = append(whole.Header, d.fields(f, "header")...)
	}
	if !isDecimal(p.Attr("signature"), 15) && p.Has("signature") {
		d.fault(p.Element, p.Name(), "signature must be a number from 0 to 15")
	}
	for _, m := range p.Messages {
		if m.ID < 1 || m.ID > 255 {
			d.fault(m.Element, m.Name(), "id must be a number from 1 to 255")
		}
		own := &model.Message{Element: m.Element, Protocol: whole, ID: m.ID}
		for _, f := range m.Fields {
			own.Fields = append(own.Fields, d.fields(f, m.Name())...)
		}
		whole.Messages = append(whole.Messages, own)
	}
	for _, m := range whole.Messages {
		if d.problems == nil {
			_, d.problems = Example(m)
		}
	}
	return whole, d.problems
}

type deriver struct {
	of        *model.Protocol
	constants map[string]string // by how C spells them
	problems  []model.Problem
}

func (d *deriver) fault(e *model.Element, path, format string, args ...any) {
	d.problems = append(d.problems, model.Problem{Pos: e.Pos, Path: path, Text: fmt.Sprintf(format, args...)})
}

// fields are what zproto makes of a field: its parts, if its type is one of the model's own.
func (d *deriver) fields(f *model.Field, owner string) (list []*model.Field) {
	own := d.of.Find("type", f.Type)
	if own == nil {
		return []*model.Field{d.field(f.Element, f.Name(), owner)}
	}
	for part := range own.All("field") {
		list = append(list, d.field(part, f.Name()+" "+part.Name(), owner))
	}
	return list
}

func (d *deriver) field(of *model.Element, name, owner string) *model.Field {
	e := *of
	e.Attrs = slices.Clone(of.Attrs)
	e.Set("name", name)
	f := &model.Field{Element: &e, Type: e.Attr("type"), Size: e.Int("size")}
	if now, ok := older[f.Type]; ok {
		f.Type = now
	}
	if f.Type == "number" && !e.Has("size") {
		f.Size = 1
		e.Set("size", "1")
	}
	text, known := derived[f.Type]
	if f.Type == "octets" {
		text, known = fmt.Sprintf("00*%d", f.Size), true
		if f.Size < 1 || f.Size > maxOctets {
			d.fault(of, owner+"."+name, "has size '%s': write how many octets it has, at most %d", e.Attr("size"), maxOctets)
		}
	}
	switch value, constant := e.Lookup("value"); {
	case !known:
		d.fault(of, owner+"."+name, "has type '%s', of which nothing can be derived: take number, octets, string, longstr, strings, hash, chunk, frame, msg or uuid", f.Type)
	case f.Type == "number" && constant && !isDecimal(value, math.MaxUint64):
		number, defined := d.constants[model.CName(value)]
		if !defined || !isDecimal(number, math.MaxUint64) {
			d.fault(of, owner+"."+name, "always has the value %s, which only the code in C knows: write its number, or a <define> that has it", value)
		}
		e.Set("value", number)
	case !constant && !e.Has("example"):
		e.Set("example", text)
	}
	for _, limit := range []string{"max", "each", "sum"} {
		if value, limited := e.Lookup(limit); limited && !isDecimal(value, math.MaxInt32) {
			d.fault(of, owner+"."+name, "%s must be a number from 0 to %d", limit, math.MaxInt32)
		}
	}
	if f.Type == "number" && !slices.Contains([]int64{1, 2, 4, 8}, f.Size) {
		d.fault(of, owner+"."+name, "is a number of %s octets: take 1, 2, 4 or 8", e.Attr("size"))
	}
	if f.Type == "string" && !e.Has("max") {
		e.Set("max", "255") // no more can be encoded
	}
	return f
}

func isDecimal(text string, most uint64) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	return err == nil && n <= most
}
