// Package vectors encodes the examples of models by the rules of the type table, once more beside
// the codecs, so that a test can hold the two together; and spoils them in each way that a codec
// has to find.
//
// Programs import bindings/go/once: what is here may change at any time.
package vectors

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Vector is a message, and how it is encoded.
type Vector struct {
	Name   string
	Fields []Value  // those that vary, in the order of the model
	Frames [][]byte // the first, and those of content
	Parts  []Part
}

// Value is a field's value as JSON has it: octets and frames are in hexadecimal.
type Value struct {
	Name string
	JSON string
}

// Part is where a field is in the first frame.
type Part struct {
	Field    *model.Field
	From, To int
	Shown    string // what it says, if that is not in hexadecimal anyway
}

// example gathers a vector, and what is wrong with the example of each field.
type example struct {
	Vector
	at       *model.Field
	path     string
	size     int // of all fields so far, in octets
	problems []model.Problem
}

func (x *example) fault(format string, args ...any) {
	x.problems = append(x.problems, model.Problem{Pos: x.at.Pos, Path: x.path, Text: fmt.Sprintf(format, args...)})
}

// Example encodes the example of a message. A number's example is decimal, or # for the place of
// the message in the model. That of a text or a frame is the text, entries of a list and frames are parted by
// bars, keys stand before an equals sign. A chunk and a uuid are in hexadecimal; 0a*32 is 32 times
// 0a.
func Example(m *model.Message) (Vector, []model.Problem) {
	x := &example{Vector: Vector{Name: m.Name()}}
	first := []byte{0xAA, 0xA0 | byte(m.Protocol.Int("signature")&15), byte(m.ID)}
	x.Frames = [][]byte{nil}
	for i, f := range m.All() {
		owner := m.Name()
		if i < len(m.Protocol.Header) {
			owner = "header"
		}
		x.at, x.path = f, owner+"."+f.Name()
		text, ok := f.Lookup("value")
		if !ok {
			text, ok = f.Lookup("example")
		}
		if text == "#" {
			text = strconv.Itoa(1 + slices.Index(m.Protocol.Messages, m))
		}
		if !ok {
			x.fault("has no example: give each message one that can be encoded")
			continue
		}
		octets, value := x.encode(f, text)
		if x.size += len(octets); x.size > maxOctets {
			x.fault("has an example that makes the message larger than %d octets: take a shorter one", maxOctets)
			break
		}
		from := len(first)
		first = append(first, octets...)
		x.Parts = append(x.Parts, Part{f, from, len(first), shown(f, text)})
		switch {
		case f.Has("max") && f.Type != "msg" && int64(len(octets)) > f.Most(), x.over(f, value):
			x.fault("has an example over its own limit")
		case f.Has("fixed") && int64(len(octets)) != f.Most():
			x.fault("has an example that is not of its size")
		}
		if !f.Has("value") {
			x.Fields = append(x.Fields, Value{f.Name(), value})
		}
	}
	x.Frames[0] = first
	return x.Vector, x.problems
}

func shown(f *model.Field, text string) string {
	if f.Type == "chunk" || f.Type == "uuid" || f.Type == "octets" {
		return ""
	}
	return text
}

// over tells whether a list's example has too many entries.
func (x *example) over(f *model.Field, value string) bool {
	if !f.Has("max") || f.Type != "strings" && f.Type != "hash" && f.Type != "msg" {
		return false
	}
	var list []any
	return json.Unmarshal([]byte(value), &list) == nil && int64(len(list)) > f.Int("max")
}

// encode returns the octets of a value in the first frame, and its JSON.
func (x *example) encode(f *model.Field, text string) (octets []byte, value string) {
	switch f.Type {
	case "number":
		n, _ := strconv.ParseUint(text, 10, 64) // what is no number is a problem, and 0
		return x.number(text, f.Size), strconv.FormatUint(n, 10)
	case "string":
		return withLength(text), x.text(text)
	case "longstr":
		return long(text), x.text(text)
	case "chunk":
		octets = x.octets(text)
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(octets))), octets...), quoted(octets)
	case "uuid":
		if octets = x.octets(text); len(octets) != 16 {
			x.fault("has an example that is no uuid: give 16 octets")
		}
		return octets, quoted(octets)
	case "octets":
		if octets = x.octets(text); int64(len(octets)) != f.Size {
			x.fault("has an example that is not of its size")
		}
		return octets, quoted(octets)
	case "frame": // of its own, behind the first
		x.frame(text)
		return nil, quoted([]byte(text))
	}
	entries := split(text)
	octets = binary.BigEndian.AppendUint32(nil, uint32(len(entries)))
	var shown []string
	for _, entry := range entries {
		switch f.Type {
		case "strings":
			octets = append(octets, long(entry)...)
			shown = append(shown, x.text(entry))
		case "hash":
			key, content, _ := strings.Cut(entry, "=")
			octets = append(append(octets, withLength(key)...), long(content)...)
			shown = append(shown, "["+x.text(key)+", "+x.text(content)+"]")
		default: // msg
			x.frame(entry)
			shown = append(shown, quoted([]byte(entry)))
		}
	}
	if f.Type == "msg" {
		octets = nil
	}
	return octets, "[" + strings.Join(shown, ", ") + "]"
}

// frame adds a frame behind the first.
func (x *example) frame(text string) {
	x.Frames = append(x.Frames, []byte(text))
	x.size += len(text)
}

// split parts the entries of a list: none if there is nothing.
func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "|"), "|")
}

func (x *example) number(text string, size int64) []byte {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || size < 1 || size > 8 || size < 8 && n>>(8*size) != 0 {
		x.fault("has an example that is no number of %d octets: '%s'", size, text)
		n, size = 0, min(max(size, 1), 8)
	}
	return binary.BigEndian.AppendUint64(nil, n)[8-size:]
}

func withLength(text string) []byte { return append([]byte{byte(len(text))}, text...) }

func long(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func quoted(octets []byte) string { return `"` + hex.EncodeToString(octets) + `"` }

// text is JSON of a text, without what readers of the document would have to decode.
func (x *example) text(text string) string {
	if strings.ContainsAny(text, "\"\\\t\r\n") {
		x.fault("has an example with a quotation mark, a backslash, a tab or an end of line: take another")
	}
	return `"` + text + `"`
}

var octetsForm = regexp.MustCompile(`^(([0-9a-f][0-9a-f])+)(?:\*([0-9]+))?$`)

// maxOctets bounds the examples of a message, which is printed once for each way to spoil it.
const maxOctets = 1 << 14

// octets are those of a text in hexadecimal: "01 02*3" is 01020202.
func (x *example) octets(text string) (octets []byte) {
	for part := range strings.FieldsSeq(text) {
		form := octetsForm.FindStringSubmatch(part)
		if form == nil {
			x.fault("has an example that is not in hexadecimal: '%s'", part)
			return octets
		}
		once, _ := hex.DecodeString(form[1]) // it is, by its form
		times := 1
		if form[3] != "" {
			n, err := strconv.Atoi(form[3])
			if err != nil || n > maxOctets {
				n = maxOctets + 1
			}
			times = n
		}
		if len(octets)+times*len(once) > maxOctets {
			x.fault("has an example of more than %d octets: '%s'", maxOctets, part)
			return octets
		}
		for range times {
			octets = append(octets, once...)
		}
	}
	return octets
}
