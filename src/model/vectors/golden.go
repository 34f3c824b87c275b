package vectors

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// What a malformed message has wrong first, in the words of the vectors.
const (
	short      = "short"     // it ends early
	trailing   = "trailing"  // something follows it
	signature  = "signature" // it is of another protocol
	identifier = "id"        // it is another message
	constant   = "constant"  // what is always the same is not
	limit      = "limit"     // it is over a limit of the model
	duplicate  = "duplicate" // a key is there twice
)

// Golden is a case that a codec is to read, or to refuse.
type Golden struct {
	Vector
	Case  string // what is special
	Error string // what is wrong; empty if all is right
	Field string // where
}

// Cases are what a codec of a protocol is to do: each message with its example, with as little
// and with as much as it can have, and the example spoilt in each way there is. The model has no
// faults, or is derived: then no limit is passed that it does not have, and nothing follows a
// message, which codecs of zproto do not mind.
func Cases(p *model.Protocol) (valid, malformed []Golden) {
	for _, m := range p.Messages {
		example, _ := Example(m)
		shown := "as in the document"
		if p.Derived {
			shown = "as derived"
		}
		valid = append(valid, Golden{example, shown, "", ""})
		for _, extreme := range []struct {
			name string
			text func(*model.Field) (string, bool)
		}{{"as little as it can have", least}, {fmt.Sprintf("numbers, and texts of up to %d octets, at their limits", maxText), most}} {
			if v, problems := with(m, extreme.text); len(problems) == 0 {
				valid = append(valid, Golden{v, extreme.name, "", ""})
			}
		}
		malformed = append(malformed, spoil(m, example)...)
	}
	if p.Derived {
		malformed = slices.DeleteFunc(malformed, func(g Golden) bool { return g.Error == trailing || g.Error == duplicate })
	}
	return valid, malformed
}

// with encodes a message with other values than its example's.
func with(m *model.Message, text func(*model.Field) (string, bool)) (Vector, []model.Problem) {
	other := *m.Element
	other.Children = nil
	changed := &model.Message{Element: &other, ID: m.ID}
	change := func(fields []*model.Field) (list []*model.Field) {
		for _, f := range fields {
			e := *f.Element
			e.Attrs = slices.Clone(e.Attrs)
			if value, ok := text(f); ok && !f.Has("value") {
				e.Set("example", value)
			}
			list = append(list, &model.Field{Element: &e, Type: f.Type, Size: f.Size})
		}
		return list
	}
	header := *m.Protocol
	header.Header = change(m.Protocol.Header)
	changed.Protocol, changed.Fields = &header, change(m.Fields)
	return Example(changed)
}

func least(f *model.Field) (string, bool) {
	switch f.Type {
	case "number":
		return "0", true
	case "uuid":
		return "00*16", true
	case "octets":
		return fmt.Sprintf("00*%d", f.Size), true
	}
	return "", !f.Has("fixed")
}

// maxText bounds the texts that vectors have.
const maxText = 300

func most(f *model.Field) (string, bool) {
	switch limit := f.Int("max"); f.Type {
	case "number":
		return strconv.FormatUint(1<<(8*f.Size)-1, 10), f.Size < 8
	case "uuid":
		return "ff*16", true
	case "octets":
		return fmt.Sprintf("ff*%d", f.Size), true
	case "string", "longstr":
		return strings.Repeat("t", int(min(limit, maxText))), limit <= maxText && f.Has("max")
	case "chunk":
		return fmt.Sprintf("ff*%d", limit), limit <= maxText && limit > 0
	}
	return "", false
}

// spoil spoils an example in each way there is.
func spoil(m *model.Message, v Vector) (cases []Golden) {
	first := v.Frames[0]
	add := func(name, wrong, field string, frame []byte) {
		frames := append([][]byte{frame}, v.Frames[1:]...)
		cases = append(cases, Golden{Vector{Name: v.Name, Frames: frames}, name, wrong, field})
	}
	add("nothing", short, "signature", nil)
	add("half a signature", short, "signature", first[:1])
	add("no id", short, "signature", first[:2])
	add("no signature of ZeroMQ", signature, "signature", replace(first, 0, 0xAB))
	add("signature of another protocol", signature, "signature", replace(first, 1, first[1]^1))
	add("id of no message", identifier, "id", replace(first, 2, unused(m.Protocol)))
	add("an octet too many", trailing, "", append(slices.Clone(first), 0))
	for _, part := range v.Parts {
		name := part.Field.Name()
		if part.To > part.From {
			add("ends before "+name, short, name, first[:part.From])
			if part.To > part.From+1 {
				add("ends within "+name, short, name, first[:part.To-1])
			}
		}
		if part.Field.Has("value") {
			add("another "+name, constant, name, replace(first, part.To-1, first[part.To-1]^1))
		}
		if lead, limited := over(part.Field); limited {
			add(fmt.Sprintf("%s of %d", name, part.Field.Int("max")+1), limit, name, append(slices.Clone(first[:part.From]), lead...))
		}
		switch part.Field.Type {
		case "strings", "hash":
			cases = append(cases, entries(v, part)...)
		}
	}
	if !slices.ContainsFunc(m.All(), func(f *model.Field) bool { return f.Type == "msg" }) {
		cases = append(cases, Golden{Vector{Name: v.Name, Frames: [][]byte{first, {}}}, "a frame too many", trailing, ""})
	}
	return cases
}

func replace(frame []byte, at int, with byte) []byte {
	frame = slices.Clone(frame)
	frame[at] = with
	return frame
}

// unused is an id that no message has.
func unused(p *model.Protocol) byte {
	for id := byte(255); id > 0; id-- {
		if !slices.ContainsFunc(p.Messages, func(m *model.Message) bool { return m.ID == int(id) }) {
			return id
		}
	}
	return 0
}

// over is a length over the limit of a field, whatever follows.
func over(f *model.Field) (lead []byte, limited bool) {
	more := f.Int("max") + 1
	if !f.Has("max") {
		return nil, false
	}
	switch f.Type {
	case "string":
		return []byte{byte(more)}, more <= 255
	case "longstr", "chunk", "strings", "hash":
		return binary.BigEndian.AppendUint32(nil, uint32(more)), true
	}
	return nil, false
}

// entries spoils the entries of a list.
func entries(v Vector, part Part) (cases []Golden) {
	f, before := part.Field, v.Frames[0][:part.From]
	add := func(name, wrong string, count uint32, entries ...[]byte) {
		frame := binary.BigEndian.AppendUint32(slices.Clone(before), count)
		for _, entry := range entries {
			frame = append(frame, entry...)
		}
		frame = append(frame, v.Frames[0][part.To:]...)
		cases = append(cases, Golden{Vector{Name: v.Name, Frames: append([][]byte{frame}, v.Frames[1:]...)}, name, wrong, f.Name()})
	}
	long := binary.BigEndian.AppendUint32(nil, uint32(f.Int("each")+1))
	var key []byte
	if f.Type == "hash" {
		key = []byte{1, 'k'}
		if f.Int("max") > 1 && f.Int("sum") > 1 {
			same := []byte{1, 'k', 0, 0, 0, 0}
			add("a key twice in "+f.Name(), duplicate, 2, same, same)
		}
	}
	if !f.Has("each") {
		return cases
	}
	// As many octets as the least of one entry follow, so that it is the length that is wrong.
	add(fmt.Sprintf("an entry of %s of %d", f.Name(), f.Int("each")+1), limit, 1, key, long)
	return cases
}

// JSON are the examples of a protocol: what each message's fields hold, and its frames in
// hexadecimal.
func JSON(p *model.Protocol) string {
	var lines []string
	for _, m := range p.Messages {
		v, _ := Example(m)
		lines = append(lines, fmt.Sprintf("  {\"name\": %s, \"fields\": {%s}, \"frames\": [%s]}", text(v.Name), values(v), frames(v)))
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n]\n"
}

// GoldenJSON are the cases of a protocol.
func GoldenJSON(p *model.Protocol) string {
	valid, malformed := Cases(p)
	var right, wrong []string
	for _, v := range valid {
		right = append(right, fmt.Sprintf("    {\"name\": %s, \"case\": %s, \"fields\": {%s}, \"frames\": [%s]}", text(v.Name), text(v.Case), values(v.Vector), frames(v.Vector)))
	}
	for _, v := range malformed {
		wrong = append(wrong, fmt.Sprintf("    {\"name\": %s, \"case\": %s, \"error\": %s, \"field\": %s, \"frames\": [%s]}", text(v.Name), text(v.Case), text(v.Error), text(v.Field), frames(v.Vector)))
	}
	about := ""
	if p.Derived {
		about = "  \"derived\": \"where the model has no examples and limits, they are derived from types\",\n"
	}
	return fmt.Sprintf("{\n  \"protocol\": %s,\n  \"signature\": %d,\n%s  \"valid\": [\n%s\n  ],\n  \"malformed\": [\n%s\n  ]\n}\n",
		text(p.Attr("name")), p.Int("signature"), about, strings.Join(right, ",\n"), strings.Join(wrong, ",\n"))
}

// LayoutJSON are the numbers of a layout, and the examples of its records.
func LayoutJSON(l *model.Layout) string {
	var numbers, records []string
	for _, n := range l.Numbers {
		numbers = append(numbers, fmt.Sprintf("    %s: %s", text(n.Name()), n.Attr("value")))
	}
	for _, r := range l.Records {
		v, _ := Record(r)
		records = append(records, fmt.Sprintf("    {\"name\": %s, \"fields\": {%s}, \"octets\": %s}", text(v.Name), values(v), frames(v)))
	}
	return "{\n  \"numbers\": {\n" + lines(numbers) + "  },\n  \"records\": [\n" + lines(records) + "  ]\n}\n"
}

func lines(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return strings.Join(list, ",\n") + "\n"
}

func text(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		return `""` // no text fails
	}
	return string(quoted)
}

func values(v Vector) string {
	var list []string
	for _, f := range v.Fields {
		list = append(list, text(f.Name)+": "+f.JSON)
	}
	return strings.Join(list, ", ")
}

func frames(v Vector) string {
	var list []string
	for _, f := range v.Frames {
		list = append(list, quoted(f))
	}
	return strings.Join(list, ", ")
}
