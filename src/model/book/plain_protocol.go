package book

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// encodings are how zproto encodes its types, in words.
var encodings = map[string]string{
	"number": "the highest octet first", "string": "one octet with the length, then the text",
	"longstr": "four octets with the length, then the text", "strings": "four octets with the count, then each as a longstr",
	"hash": "four octets with the count, then each key as a string and its value as a longstr", "dictionary": "as a hash",
	"chunk": "four octets with the length, then the octets", "uuid": "16 octets",
	"octets": "as they are",
	"frame":  "a frame of its own behind the first", "msg": "all frames that follow",
}

func plainProtocol(m *model.Protocol) string {
	p, open := &page{}, &unsaid{}
	p.head(m.Element)
	if !m.Has("signature") {
		open.add("No signature, so zproto takes 0", m.Name())
	}
	p.line("A message begins with the octets AA and A%X, then one with its id.\n", m.Int("signature")&15)
	for grammar := range m.All("grammar") {
		p.line("## Grammar\n\n%s\n", block("", unindentedBlock(grammar.Text)))
	}
	if len(m.Header) > 0 {
		p.line("## Header\n\nThe fields of each message begin with these.\n")
		p.fields(m, m.Header, "header", open)
	}
	for own := range m.All("type") {
		p.line("\n## Type %s\n\nA field of this type is these fields.\n", plain(own.Name()))
		var parts []*model.Field
		for e := range own.All("field") {
			parts = append(parts, &model.Field{Element: e, Type: e.Attr("type"), Size: e.Int("size")})
		}
		p.fields(m, parts, own.Name(), open)
	}
	p.line("\n## Messages")
	derived, problems := vectors.Derived(m)
	for i, message := range m.Messages {
		p.line("\n### %s\n\n%s\n", plain(message.Name()), prose(message.Text))
		p.line("Its id is %d.\n", message.ID)
		if !message.Has("id") {
			open.add("No id, so that it is the message's place: a message that is put before changes it", message.Name())
		}
		if message.Doc() == "" {
			open.add("No sentence", message.Name())
		}
		if len(message.Fields) > 0 {
			p.fields(m, message.Fields, message.Name(), open)
		}
		if len(problems) == 0 {
			v, _ := vectors.Example(derived.Messages[i])
			var frames []string
			for _, f := range v.Frames {
				frames = append(frames, hex.EncodeToString(f))
			}
			p.line("\nAn example, whose values are derived from the types where the model has none:\n\n%s", block("", strings.Join(frames, "\n")))
		}
	}
	if len(problems) > 0 {
		open.add("What an example is to have", problems[0].String())
	}
	open.print(p)
	return p.String()
}

func (p *page) fields(m *model.Protocol, fields []*model.Field, owner string, open *unsaid) {
	p.line("| field | type | encoded | value | |\n|---|---|---|---|---|")
	for _, f := range fields {
		path := owner + "." + f.Name()
		kind, how := plain(f.Type), encodings[f.Type]
		switch own := m.Find("type", f.Type); {
		case own != nil:
			kind, how = fmt.Sprintf("[%s](#%s)", kind, slug("Type "+own.Name())), "its parts"
		case how == "":
			open.add("What a type of its own is", path)
		case f.Type == "number":
			size := f.Attr("size")
			if size == "" {
				size = "1"
				open.add("No size of a number, so it has one octet", path)
			}
			kind = "number of " + plain(size)
		case f.Type == "octets" && !f.Has("size"):
			open.add("No size of octets, which zproto needs", path)
		case f.Type == "octets":
			kind = plain(f.Attr("size")) + " octets"
		case f.Has("max"):
			how += ", " + plain(f.Says())
		case f.Type == "string":
			open.add("No limit, so it is 255 octets, which is all that can be encoded", path)
		case f.Type != "uuid" && f.Type != "frame":
			open.add("No limit: whoever reads it has to set one", path)
		}
		if f.Doc() == "" {
			open.add("No sentence", path)
		}
		p.line("| %s | %s | %s | %s | %s |", plain(f.Name()), kind, how, plain(f.Attr("value")), plain(f.Doc()))
	}
}

// unindentedBlock takes the indent of the first line from all.
func unindentedBlock(text string) string {
	text = strings.TrimRight(strings.TrimLeft(text, "\r\n"), " \t\r\n")
	indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], indent)
	}
	return strings.Join(lines, "\n")
}
