package model

import (
	"fmt"
	"strings"

	"github.com/sjohnr/at-once/gsl"
)

// The generator's tables: types of fields, types of arguments, and words that are taken.
var (
	wireTypes = table("types.xml")
	APITypes  = table("api_types.xml")
	Reserved  = table("reserved.xml")
)

func table(name string) *Element {
	text, err := gsl.Files.ReadFile(name)
	if err != nil {
		panic(err) // it is embedded
	}
	root, err := Parse(name, text)
	if err != nil {
		panic(err)
	}
	return root
}

// TypeOf returns the row of a field's type, or nil.
func TypeOf(f *Field) *Element {
	for row := range wireTypes.All("type") {
		if row.Attr("name") == f.Type && row.Attr("size") == f.Attr("size") {
			return row
		}
	}
	return nil
}

// Says is what the limits of a field are, in words.
func (f *Field) Says() string {
	row := TypeOf(f)
	if row == nil || row.Int("limits") == 0 {
		return ""
	}
	if f.Has("fixed") {
		return fmt.Sprintf("always %s octets", f.Attr("max"))
	}
	return strings.NewReplacer("MAX", f.Attr("max"), "EACH", f.Attr("each"), "SUM", f.Attr("sum")).Replace(row.Attr("says"))
}

// Most is how many octets a field has at the most, 0 if it is frames or of no known type.
func (f *Field) Most() int64 {
	row := TypeOf(f)
	switch {
	case row == nil:
		return 0
	case row.Has("octets"):
		return row.Int("octets")
	case row.Int("limits") == 3:
		return row.Int("lead") + row.Int("entry")*f.Int("max") + f.Int("sum")
	default:
		return row.Int("lead") + f.Int("max")
	}
}
