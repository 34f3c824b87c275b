package vectors

import (
	"strconv"

	"github.com/sjohnr/at-once/src/model"
)

// Record encodes a record of a layout: what a field always is, else its example. A text is filled
// up to its size with zeros.
func Record(r *model.Record) (Vector, []model.Problem) {
	x := &example{Vector: Vector{Name: r.Name(), Frames: [][]byte{nil}}}
	for _, f := range r.Fields {
		x.at, x.path = f, r.Name()+"."+f.Name()
		text, ok := f.Lookup("value")
		if !ok {
			text = f.Attr("example")
		}
		if text == "" {
			x.fault("has neither a value nor an example")
			continue
		}
		octets, value, ok := x.field(f, text)
		if !ok {
			continue
		}
		if f.Attr("size") != "" && strconv.Itoa(len(octets)) != f.Attr("size") {
			x.fault("has a value or example that is not of its size")
		}
		from := len(x.Frames[0])
		x.Frames[0] = append(x.Frames[0], octets...)
		x.Parts = append(x.Parts, Part{f, from, len(x.Frames[0]), shown(f, text)})
		x.Fields = append(x.Fields, Value{f.Name(), value})
	}
	return x.Vector, x.problems
}

func (x *example) field(f *model.Field, shown string) (octets []byte, value string, ok bool) {
	switch f.Type {
	case "number":
		n, err := strconv.ParseUint(shown, 10, 53)
		if err != nil || n > 9007199254740991 || f.Size < 1 || f.Size > 8 {
			x.fault("is a number: size must be from 1 to 8, and its value or example decimal")
			return nil, "", false
		}
		return x.number(shown, f.Size), shown, true
	case "text":
		octets, value = []byte(shown), x.text(shown)
		for int64(len(octets)) < min(f.Size, maxOctets) {
			octets = append(octets, 0)
		}
		return octets, value, true
	case "octets":
		octets = x.octets(shown)
		return octets, quoted(octets), true
	}
	x.fault("has unknown type '%s': a field is a number, a text, or octets", f.Type)
	return nil, "", false
}
