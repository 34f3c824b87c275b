package vectors

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sjohnr/at-once/src/model"
)

// What a model of zproto leaves open is derived from its types, or is a problem with its place.
func TestDerived(t *testing.T) {
	for field, want := range map[string]string{
		`<field name = "a" type = "number" />`:                                 `"a": 255}, "frames": ["aaa001ff"]`,
		`<field name = "a" type = "number" size = "8" />`:                      `"a": 1}, "frames": ["aaa0010000000000000001"]`,
		`<field name = "a" type = "number" size = "2" value = "THE LIMIT" />`:  `"fields": {}, "frames": ["aaa0010102"]`,
		`<field name = "a" type = "number" value = "A_MACRO" />`:               "a.xml:1: A.a: always has the value A_MACRO, which only the code in C knows",
		`<field name = "a" type = "number" size = "3" />`:                      "a.xml:1: A.a: is a number of 3 octets",
		`<field name = "a" type = "number" example = "007" />`:                 `"a": 7}`,
		`<field name = "a" type = "string" value = "HI" />`:                    `"case": "another a", "error": "constant", "field": "a", "frames": ["aaa001024848"]`,
		`<field name = "a" type = "string" />`:                                 `"a": ""}, "frames": ["aaa00100"]`,
		`<field name = "a" type = "string" value = "a&#10;b" />`:               "a.xml:1: A.a: has an example with a quotation mark",
		`<field name = "a" type = "string" max = "-1" />`:                      "a.xml:1: A.a: max must be a number",
		`<field name = "a" type = "string" max = "9" />`:                       `"case": "a of 10", "error": "limit"`,
		`<field name = "a" type = "strings" />`:                                `"a": ["x", "y"]}, "frames": ["aaa0010000000200000001780000000179"]`,
		`<field name = "a" type = "dictionary" />`:                             `"a": [["k", "x"]]}, "frames": ["aaa00100000001016b0000000178"]`,
		`<field name = "a" type = "uuid" />`:                                   `"a": "00000000000000000000000000000001"}`,
		`<field name = "a" type = "uuid" example = "01" />`:                    "a.xml:1: A.a: has an example that is no uuid",
		`<field name = "a" type = "octets" size = "2" />`:                      `"a": "ffff"}, "frames": ["aaa001ffff"]`,
		`<field name = "a" type = "octets" />`:                                 "a.xml:1: A.a: has size '': write how many octets it has",
		`<field name = "a" type = "octets" size = "20000" />`:                  "a.xml:1: A.a: has size '20000': write how many octets it has",
		`<field name = "a" type = "octets" size = "2" example = "01" />`:       "a.xml:1: A.a: has an example that is not of its size",
		`<field name = "a" type = "pair" />`:                                   `"a left": 1, "a right": "x"}, "frames": ["aaa00100010000000178"]`,
		`<field name = "a" type = "frame" /><field name = "b" type = "msg" />`: `"a": "78", "b": ["78", "79"]}, "frames": ["aaa001", "78", "78", "79"]`,
		`<field name = "a" type = "money" />`:                                  "a.xml:1: A.a: has type 'money', of which nothing can be derived",
		`<field name = "a" type = "chunk" example = "00*9000" /><field name = "b" type = "frame" example = "` + strings.Repeat("x", 9000) + `" />`: "a.xml:1: A.b: has an example that makes the message larger than 16384 octets",
		`<field name = "a" type = "chunk" example = "00*9000 01*9000" />`:                                                                          "a.xml:1: A.a: has an example of more than 16384 octets: '01*9000'",
		`</message><message name = "B" id = "256">`:                                                                                                "a.xml:1: B: id must be a number from 1 to 255",
	} {
		p, err := model.Load(fstest.MapFS{"a.xml": {Data: []byte(`<class name = "a_msg"><define name = "the_limit" value = "258" />` +
			`<type name = "pair"><field name = "left" type = "number" size = "2" /><field name = "right" type = "longstr" /></type>` +
			`<message name = "A">` + field + `</message></class>`)}}, "a.xml")
		if err != nil {
			t.Fatal(err)
		}
		derived, problems := Derived(p.Protocols[0])
		got := ""
		if len(problems) > 0 {
			got = problems[0].String()
		} else if got = GoldenJSON(derived); !json.Valid([]byte(got)) || strings.Contains(got, trailing) {
			t.Errorf("%s: %s", field, got)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
}
