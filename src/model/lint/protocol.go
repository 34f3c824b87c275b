package lint

import (
	"fmt"
	"time"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// protocol checks a protocol, and its examples if all else is right.
func (l *linter) protocol(p *model.Protocol) {
	before := len(l.findings)
	name := p.Attr("name")
	l.named(p.Element, name, name)
	l.leave(p.Element, name, "package", "the Go binding of ZeroMQ", "go_package")
	l.leave(p.Element, name, "source", "the folder that it prints into", "see")
	l.sentence(p.Element, name)
	space := "Go package " + or(p.Element, "go_package", model.CName(name))
	signature := or(p.Element, "signature", "0")
	if !isNumber(signature, 0, 15) || l.once() && !p.Has("signature") {
		l.fault(p.Element, name, "signature must be a number from 0 to 15")
	}
	for reserved := range p.All("reserved") {
		l.sentence(reserved, "reserved "+or(reserved, "id", "?"))
	}
	for limit := range p.All("limit") {
		path := "limit " + limit.Name()
		l.named(limit, path, limit.Name())
		l.sentence(limit, path)
		l.claim(limit, space, "Max"+model.GoName(limit.Name()), path)
		if l.once() && !isNumber(limit.Attr("max"), 1, maxInt) {
			l.fault(limit, path, "max must be a number from 1 to 2147483647")
		}
	}
	header := map[*model.Field]string{}
	for _, f := range p.Header {
		header[f] = l.field(p, f, "header")
		l.headerField(f, space, header[f], len(header) == 1)
	}
	for _, m := range p.Messages {
		l.message(p, m, space, header)
	}
	if len(p.Messages) == 0 {
		l.fault(p.Element, name, "has no messages")
	}
	l.prose(p.Element)
	l.waivers(p.Element)
	if len(l.findings) == before && l.once() {
		for _, m := range p.Messages {
			_, problems := vectors.Example(m)
			for _, problem := range problems {
				l.findings = append(l.findings, Finding(problem))
			}
		}
	}
}

const maxInt = 2147483647

// headerField checks a field of the header: one that always has the same value is a constant.
func (l *linter) headerField(f *model.Field, space, path string, first bool) {
	value, ok := f.Lookup("value")
	if ok {
		goName := model.GoName(f.Name())
		l.avoid(f.Element, "Go codec", goName, path)
		l.claim(f.Element, space, goName, path)
		if f.Type != "number" {
			if l.once() {
				l.fault(f.Element, path, "only a number can have a value that never changes")
			}
		} else if top := top(f); !isNumber(value, 0, top) && (l.once() || digits.MatchString(value)) {
			l.fault(f.Element, path, "has a value that does not fit: at most %d", top)
		}
	}
	l.claim(f.Element, space, model.GoName(f.Name())+"Offset", path)
}

func top(f *model.Field) uint64 {
	if row := model.TypeOf(f); row != nil {
		return number(row.Attr("top"))
	}
	return 0
}

func (l *linter) message(p *model.Protocol, m *model.Message, space string, header map[*model.Field]string) {
	name, goName := m.Name(), model.GoName(m.Name())
	l.named(m.Element, name, name)
	l.sentence(m.Element, name)
	l.avoid(m.Element, "Go codec", goName, name)
	l.claim(m.Element, space, goName, name)
	if l.once() {
		l.claim(m.Element, space, "ID"+goName, name)
		l.claim(m.Element, space, "Max"+goName, name)
	}
	l.id(p, m)
	goSpace := fmt.Sprintf("Go message %s of %s", name, p.Attr("name"))
	cSpace := fmt.Sprintf("C message %s of %s", name, p.Attr("name"))
	for _, f := range m.All() {
		path, isHeader := header[f]
		if !isHeader {
			path = l.field(p, f, name)
			if row := model.TypeOf(f); row != nil && row.Has("last") && f != m.Fields[len(m.Fields)-1] {
				l.fault(f.Element, path, "takes all that follows: put it last")
			}
		}
		fieldName := model.GoName(f.Name())
		l.claim(f.Element, goSpace, fieldName, path)
		l.claim(f.Element, cSpace, model.CName(f.Name()), path)
		if f.Has("max") {
			l.claim(f.Element, space, "Max"+goName+fieldName, path)
		}
		if f.Has("sum") {
			l.claim(f.Element, space, "Max"+goName+fieldName+"Octets", path)
		}
	}
}

func (l *linter) id(p *model.Protocol, m *model.Message) {
	id, given := m.Lookup("id")
	if !given && !l.once() {
		id = fmt.Sprint(m.ID)
	}
	if !isNumber(id, 1, 255) {
		l.fault(m.Element, m.Name(), "id must be a number from 1 to 255")
		return
	}
	for _, twin := range p.Messages {
		if twin == m {
			break
		}
		if twin.ID == m.ID {
			l.fault(m.Element, m.Name(), "has id %s, and so has %s: each message needs its own", id, twin.Name())
		}
	}
	for reserved := range p.All("reserved") {
		if isNumber(reserved.Attr("id"), 0, 255) && number(reserved.Attr("id")) == uint64(m.ID) {
			l.fault(m.Element, m.Name(), "has id %s, which is reserved: take one that was never used", id)
			break
		}
	}
}

// field checks a field by itself, and returns its path.
func (l *linter) field(p *model.Protocol, f *model.Field, owner string) (path string) {
	name := f.Name()
	path = owner + "." + name
	l.named(f.Element, path, name)
	l.sentence(f.Element, path)
	l.avoid(f.Element, "Go codec methods", model.GoName(name), path)
	l.avoid(f.Element, "C codec", model.CName(name), path)
	l.avoid(f.Element, "C keywords", model.CName(name), path)
	row := model.TypeOf(f)
	title := f.Type
	switch {
	case l.once() && row == nil:
		l.fault(f.Element, path, "has unknown type '%s': see gsl/types.xml", spaced(f.Type, f.Attr("size")))
		return path
	case l.once():
		l.limits(f, row, path)
		l.borrow(f, row, path)
		title = row.Attr("title")
	case f.Type == "number" && !sizes[or(f.Element, "size", "1")]:
		l.fault(f.Element, path, "is a number of %s octets: take 1, 2, 4 or 8", f.Attr("size"))
	case !theirTypes[f.Type] && p.Find("type", f.Type) == nil:
		l.fault(f.Element, path, "has unknown type '%s': take number, octets, string, longstr, strings, hash, chunk, frame, msg or uuid", f.Type)
	case f.Type == "octets" && !f.Has("size"):
		l.fault(f.Element, path, "is of octets: write how many as its size")
	case f.Type == "number" || f.Type == "octets": // C has room for the first field of a name
		title = f.Type + " of " + or(f.Element, "size", "1")
	}
	space := "types of " + p.Attr("name")
	if known, ok := l.claims[space][model.CName(name)]; !ok {
		l.claim(f.Element, space, model.CName(name), title)
	} else if known != title {
		l.fault(f.Element, path, "is of type %s, elsewhere %s: one name, one type", title, known)
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
func (l *linter) limits(f *model.Field, row *model.Element, path string) {
	count := row.Int("limits")
	if count == 0 {
		return
	}
	highest := row.Attr("top")
	l.limit(f, path, "max", highest)
	if f.Has("fixed") {
		l.flag(f.Element, path, "fixed")
		if count != 1 || row.Has("last") {
			l.fault(f.Element, path, "is of type %s, which has no one size: leave fixed out", row.Attr("title"))
		}
	}
	if count == 3 {
		l.limit(f, path, "each", highest)
		l.limit(f, path, "sum", highest)
	}
}

func (l *linter) limit(f *model.Field, path, name, top string) {
	switch value := f.Attr(name); {
	case value == "":
		l.fault(f.Element, path, "has no limit: set %s (at most %s)", name, top)
	case !isNumber(value, 1, number(top)):
		l.fault(f.Element, path, "%s must be a number from 1 to %s", name, top)
	}
}

// borrow demands that only a chunk is not copied when it is read.
func (l *linter) borrow(f *model.Field, row *model.Element, path string) {
	if f.Has("borrow") {
		l.flag(f.Element, path, "borrow")
		if !row.Has("borrow") {
			l.fault(f.Element, path, "is of type %s: only a chunk can be borrowed from the frame", row.Attr("title"))
		}
	}
}

// prose checks what a protocol or a layout tells beside its messages.
func (l *linter) prose(root *model.Element) {
	for section := range root.All("section") {
		l.sentence(section, "section "+section.Name())
	}
	for scene := range root.All("scene") {
		path := "scene " + scene.Name()
		l.named(scene, path, scene.Name())
		l.claim(scene, "scenes of "+root.Attr("name"), model.CName(scene.Name()), path)
		l.sentence(scene, path)
		at := 0
		for step := range scene.All("step") {
			at++
			l.step(root, step, fmt.Sprintf("%s, step %d", path, at))
		}
	}
}

func (l *linter) step(root, step *model.Element, path string) {
	l.sentence(step, path)
	message, ok := step.Lookup("message")
	if ok && root.Find("message", message) == nil && root.Find("record", message) == nil {
		l.fault(step, path, "has %s, which is no message of %s", message, root.Attr("name"))
	}
	if or(step, "message", step.Attr("says")) == "" {
		l.fault(step, path, "has no message, nor says what passes")
	}
	if step.Attr("sender") == "" || step.Attr("receiver") == "" {
		l.fault(step, path, "goes from nobody, or to nobody")
	}
}

// waivers checks what a model waives of its changes: each has a reason and an end.
func (l *linter) waivers(root *model.Element) {
	for e := range root.All("waiver") {
		path := fmt.Sprintf("waiver of '%s'", e.Attr("change"))
		if !e.Has("change") {
			l.fault(e, path, "has no change: name the path that once-model diff prints, without the model")
		}
		if e.Doc() == "" {
			l.fault(e, path, "has no reason: write why the change may break something")
		}
		if _, err := time.Parse(time.DateOnly, e.Attr("until")); err != nil {
			l.fault(e, path, "until must be a day, as 2027-03-31")
		}
	}
}
