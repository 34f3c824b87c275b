package lint

import (
	"fmt"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// layout checks a layout: each record a list of fields, each field with a value or an example.
func (l *linter) layout(m *model.Layout) {
	name := m.Attr("name")
	l.named(m.Element, name, name)
	l.sentence(m.Element, name)
	for _, number := range m.Numbers {
		path := "number " + number.Name()
		l.named(number, path, number.Name())
		l.claim(number, "numbers of "+name, number.Name(), path)
		l.sentence(number, path)
		if !isNumber(number.Attr("value"), 0, maxInt) {
			l.fault(number, path, "value must be a number from 0 to 2147483647")
		}
	}
	for _, r := range m.Records {
		l.named(r.Element, r.Name(), r.Name())
		l.claim(r.Element, "records of "+name, r.Name(), r.Name())
		l.sentence(r.Element, r.Name())
		if len(r.Fields) == 0 {
			l.fault(r.Element, r.Name(), "has no fields")
		}
		for _, f := range r.Fields {
			path := r.Name() + "." + f.Name()
			l.named(f.Element, path, f.Name())
			l.claim(f.Element, fmt.Sprintf("fields of %s in %s", r.Name(), name), f.Name(), path)
			l.sentence(f.Element, path)
		}
		_, problems := vectors.Record(r)
		for _, problem := range problems {
			l.findings = append(l.findings, Finding(problem))
		}
	}
	if len(m.Records) == 0 {
		l.fault(m.Element, name, "has no records")
	}
	l.prose(m.Element)
	l.waivers(m.Element)
}
