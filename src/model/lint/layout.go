package lint

import (
	"fmt"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// layout checks a layout: each record a list of fields, each field with a value or an example.
func layout(r *report, m *model.Layout) {
	name := m.Attr("name")
	r.named(m.Element, name, name)
	r.sentence(m.Element, name)
	for _, number := range m.Numbers {
		path := "number " + number.Name()
		r.named(number, path, number.Name())
		r.claim(number, "numbers of "+name, number.Name(), path)
		r.sentence(number, path)
		if !isNumber(number.Attr("value"), 0, maxInt) {
			r.fault(number, path, "value must be a number from 0 to 2147483647")
		}
	}
	for _, record := range m.Records {
		r.named(record.Element, record.Name(), record.Name())
		r.claim(record.Element, "records of "+name, record.Name(), record.Name())
		r.sentence(record.Element, record.Name())
		if len(record.Fields) == 0 {
			r.fault(record.Element, record.Name(), "has no fields")
		}
		for _, f := range record.Fields {
			path := record.Name() + "." + f.Name()
			r.named(f.Element, path, f.Name())
			r.claim(f.Element, fmt.Sprintf("fields of %s in %s", record.Name(), name), f.Name(), path)
			r.sentence(f.Element, path)
		}
		_, problems := vectors.Record(record)
		r.add(problems)
	}
	if len(m.Records) == 0 {
		r.fault(m.Element, name, "has no records")
	}
	prose(r, m.Element)
	waivers(r, m.Element)
}
