package lint

import (
	"fmt"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// protocol is a protocol that is checked.
type protocol struct {
	*report
	*model.Protocol
	space  string                  // the name space of what is printed from it
	header map[*model.Field]string // the paths of its fields
}

func newProtocol(r *report, p *model.Protocol) protocol {
	return protocol{r, p, packageSpace(p.Element), map[*model.Field]string{}}
}

// check checks the protocol, and its examples if all else is right.
func (p protocol) check() {
	before := len(p.findings)
	name := p.Attr("name")
	p.named(p.Element, name, name)
	p.leave(p.Element, name, "package", "the Go binding of ZeroMQ", "go_package")
	p.leave(p.Element, name, "source", "the folder that it prints into", "see")
	p.sentence(p.Element, name)
	signature := or(p.Element, "signature", "0")
	if !isNumber(signature, 0, 15) || p.once && !p.Has("signature") {
		p.fault(p.Element, name, "signature must be a number from 0 to 15")
	}
	for reserved := range p.All("reserved") {
		p.sentence(reserved, "reserved "+or(reserved, "id", "?"))
	}
	for limit := range p.All("limit") {
		path := "limit " + limit.Name()
		p.named(limit, path, limit.Name())
		p.sentence(limit, path)
		p.claim(limit, p.space, "Max"+model.GoName(limit.Name()), path)
		if p.once && !isNumber(limit.Attr("max"), 1, maxInt) {
			p.fault(limit, path, "max must be a number from 1 to 2147483647")
		}
	}
	for _, f := range p.Header {
		p.header[f] = p.field(f, "header")
		p.headerField(f, p.header[f])
	}
	for _, m := range p.Messages {
		p.message(m)
	}
	if len(p.Messages) == 0 {
		p.fault(p.Element, name, "has no messages")
	}
	prose(p.report, p.Element)
	waivers(p.report, p.Element)
	if len(p.findings) == before && p.once {
		for _, m := range p.Messages {
			_, problems := vectors.Example(m)
			p.add(problems)
		}
	}
}

// headerField checks a field of the header: one that always has the same value is a constant.
func (p protocol) headerField(f *model.Field, path string) {
	value, ok := f.Lookup("value")
	if ok {
		goName := model.GoName(f.Name())
		p.avoid(f.Element, "Go codec", goName, path)
		p.claim(f.Element, p.space, goName, path)
		if f.Type != "number" {
			if p.once {
				p.fault(f.Element, path, "only a number can have a value that never changes")
			}
		} else if top := top(f); !isNumber(value, 0, top) && (p.once || digits.MatchString(value)) {
			p.fault(f.Element, path, "has a value that does not fit: at most %d", top)
		}
	}
	p.claim(f.Element, p.space, model.GoName(f.Name())+"Offset", path)
}

func top(f *model.Field) uint64 {
	if row := model.TypeOf(f); row != nil {
		return number(row.Attr("top"))
	}
	return 0
}

func (p protocol) message(m *model.Message) {
	name, goName := m.Name(), model.GoName(m.Name())
	p.named(m.Element, name, name)
	p.sentence(m.Element, name)
	p.avoid(m.Element, "Go codec", goName, name)
	p.claim(m.Element, p.space, goName, name)
	if p.once {
		p.claim(m.Element, p.space, "ID"+goName, name)
		p.claim(m.Element, p.space, "Max"+goName, name)
	}
	p.id(m)
	goSpace := fmt.Sprintf("Go message %s of %s", name, p.Attr("name"))
	cSpace := fmt.Sprintf("C message %s of %s", name, p.Attr("name"))
	for _, f := range m.All() {
		path, isHeader := p.header[f]
		if !isHeader {
			path = p.field(f, name)
			if row := model.TypeOf(f); row != nil && row.Has("last") && f != m.Fields[len(m.Fields)-1] {
				p.fault(f.Element, path, "takes all that follows: put it last")
			}
		}
		fieldName := model.GoName(f.Name())
		p.claim(f.Element, goSpace, fieldName, path)
		p.claim(f.Element, cSpace, model.CName(f.Name()), path)
		if f.Has("max") {
			p.claim(f.Element, p.space, "Max"+goName+fieldName, path)
		}
		if f.Has("sum") {
			p.claim(f.Element, p.space, "Max"+goName+fieldName+"Octets", path)
		}
	}
}

func (p protocol) id(m *model.Message) {
	id, given := m.Lookup("id")
	if !given && !p.once {
		id = fmt.Sprint(m.ID)
	}
	if !isNumber(id, 1, 255) {
		p.fault(m.Element, m.Name(), "id must be a number from 1 to 255")
		return
	}
	for _, twin := range p.Messages {
		if twin == m {
			break
		}
		if twin.ID == m.ID {
			p.fault(m.Element, m.Name(), "has id %s, and so has %s: each message needs its own", id, twin.Name())
		}
	}
	for reserved := range p.All("reserved") {
		if isNumber(reserved.Attr("id"), 0, 255) && number(reserved.Attr("id")) == uint64(m.ID) {
			p.fault(m.Element, m.Name(), "has id %s, which is reserved: take one that was never used", id)
			break
		}
	}
}

// field checks a field by itself, and returns its path.
func (p protocol) field(f *model.Field, owner string) (path string) {
	name := f.Name()
	path = owner + "." + name
	p.named(f.Element, path, name)
	p.sentence(f.Element, path)
	p.avoid(f.Element, "Go codec methods", model.GoName(name), path)
	p.avoid(f.Element, "C codec", model.CName(name), path)
	p.avoid(f.Element, "C keywords", model.CName(name), path)
	row := model.TypeOf(f)
	title := f.Type
	switch {
	case p.once && row == nil:
		p.fault(f.Element, path, "has unknown type '%s': see gsl/types.xml", spaced(f.Type, f.Attr("size")))
		return path
	case p.once:
		p.limits(f, row, path)
		p.borrow(f, row, path)
		title = row.Attr("title")
	case f.Type == "number" && !sizes[or(f.Element, "size", "1")]:
		p.fault(f.Element, path, "is a number of %s octets: take 1, 2, 4 or 8", f.Attr("size"))
	case !theirTypes[f.Type] && p.Find("type", f.Type) == nil:
		p.fault(f.Element, path, "has unknown type '%s': take number, octets, string, longstr, strings, hash, chunk, frame, msg or uuid", f.Type)
	case f.Type == "octets" && !f.Has("size"):
		p.fault(f.Element, path, "is of octets: write how many as its size")
	case f.Type == "number" || f.Type == "octets": // C has room for the first field of a name
		title = f.Type + " of " + or(f.Element, "size", "1")
	}
	space := "types of " + p.Attr("name")
	if known, ok := p.claims[space][model.CName(name)]; !ok {
		p.claim(f.Element, space, model.CName(name), title)
	} else if known != title {
		p.fault(f.Element, path, "is of type %s, elsewhere %s: one name, one type", title, known)
	}
	return path
}

var (
	sizes      = map[string]bool{"1": true, "2": true, "4": true, "8": true}
	theirTypes = map[string]bool{"number": true, "string": true, "longstr": true, "strings": true, "hash": true,
		"chunk": true, "frame": true, "msg": true, "uuid": true, "octets": true, "dictionary": true}
)

func spaced(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// limits demands as many limits as the row of the type says.
func (p protocol) limits(f *model.Field, row *model.Element, path string) {
	count := row.Int("limits")
	if count == 0 {
		return
	}
	highest := row.Attr("top")
	p.limit(f, path, "max", highest)
	if f.Has("fixed") {
		p.flag(f.Element, path, "fixed")
		if count != 1 || row.Has("last") {
			p.fault(f.Element, path, "is of type %s, which has no one size: leave fixed out", row.Attr("title"))
		}
	}
	if count == 3 {
		p.limit(f, path, "each", highest)
		p.limit(f, path, "sum", highest)
	}
}

func (p protocol) limit(f *model.Field, path, name, top string) {
	switch value := f.Attr(name); {
	case value == "":
		p.fault(f.Element, path, "has no limit: set %s (at most %s)", name, top)
	case !isNumber(value, 1, number(top)):
		p.fault(f.Element, path, "%s must be a number from 1 to %s", name, top)
	}
}

// borrow demands that only a chunk is not copied when it is read.
func (p protocol) borrow(f *model.Field, row *model.Element, path string) {
	if f.Has("borrow") {
		p.flag(f.Element, path, "borrow")
		if !row.Has("borrow") {
			p.fault(f.Element, path, "is of type %s: only a chunk can be borrowed from the frame", row.Attr("title"))
		}
	}
}

// messageOf returns the message that a model names, or nil. For zproto, names that C spells alike
// are one.
func messageOf(r *report, p *model.Protocol, name string) *model.Message {
	for _, m := range p.Messages {
		if m.Name() == name || !r.once && model.CName(m.Name()) == model.CName(name) {
			return m
		}
	}
	return nil
}
