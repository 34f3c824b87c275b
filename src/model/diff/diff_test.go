package diff_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/diff"
)

const good = "../../../gsl/testdata/good/"

// load reads the good models, after some changes of one: old and new, by turns.
func load(t testing.TB, file string, changes ...string) *model.Project {
	t.Helper()
	files := fstest.MapFS{}
	paths, err := filepath.Glob(good + "*.xml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no models: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		if name == file {
			for i := 0; i < len(changes); i += 2 {
				if !strings.Contains(string(text), changes[i]) {
					t.Fatalf("%s has no %s", file, changes[i])
				}
				text = []byte(strings.Replace(string(text), changes[i], changes[i+1], 1))
			}
		}
		files["gsl/testdata/good/"+name] = &fstest.MapFile{Data: text}
	}
	files["project.xml"] = files["gsl/testdata/good/project.xml"]
	p, err := model.Load(files, "project.xml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func shown(changes []diff.Change) (lines []string) {
	for _, c := range changes {
		note := "ok"
		if c.Breaks() {
			note = "BREAKS"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s", c.Class, note, c.Subject(), c.Text))
	}
	return lines
}

// Each kind of change has a model that shows it, one way and back.
var cases = []struct {
	file, old, new string
	there, back    string
}{
	{"tiny_msg.xml", `signature = "15"`, `signature = "14"`,
		"WIRE BREAKS tiny_msg: signature is 14, and was 15: old peers take it for another protocol",
		"WIRE BREAKS tiny_msg: signature is 15, and was 14: old peers take it for another protocol"},
	{"tiny_msg.xml", `<field name = "sequence" type = "number" size = "4" example = "16909060">cyclic number</field>`, ``,
		"WIRE BREAKS tiny_msg header field sequence: is gone: old peers expect it in each message",
		"WIRE BREAKS tiny_msg header field sequence: is new: old peers do not expect it in any message"},
	{"tiny_msg.xml", `value = "258"`, `value = "259"`,
		"WIRE BREAKS tiny_msg header field version: value is 259, and was 258: old peers refuse it",
		"WIRE BREAKS tiny_msg header field version: value is 258, and was 259: old peers refuse it"},
	{"tiny_msg.xml", `<message name = "HELLO" id = "255">greets.</message>`, ``,
		"WIRE BREAKS tiny_msg HELLO: is gone: old peers may send it; reserve its id",
		"WIRE ok tiny_msg HELLO: is new: old peers do not know it"},
	{"tiny_msg.xml", `<message name = "HELLO" id = "255">greets.</message>`, `<reserved id = "255">HELLO, which nobody says.</reserved>`,
		"WIRE BREAKS tiny_msg HELLO: is gone: old peers may send it; its id is reserved",
		"WIRE BREAKS tiny_msg reserved id 255: is gone: another message may take it, which old peers understand otherwise"},
	{"tiny_msg.xml", `id = "255"`, `id = "254"`,
		"WIRE BREAKS tiny_msg HELLO: id is 254, and was 255: old peers take it for another message, or none",
		"WIRE BREAKS tiny_msg HELLO: id is 255, and was 254: old peers take it for another message, or none"},
	{"tiny_msg.xml", `name = "HELLO" id`, `name = "SALUTE" id`,
		"WIRE ok tiny_msg HELLO: is called SALUTE now; its octets are the same",
		"WIRE ok tiny_msg SALUTE: is called HELLO now; its octets are the same"},
	{"tiny_msg.xml", `name = "tiny"`, `name = "wee"`,
		"WIRE ok tiny_msg EVERY.tiny: is called wee now; its octets are the same",
		"WIRE ok tiny_msg EVERY.wee: is called tiny now; its octets are the same"},
	{"tiny_msg.xml", `<field name = "blob" type = "chunk" max = "5" example = "00 ff">some octets</field>`, ``,
		"WIRE BREAKS tiny_msg EVERY.blob: is gone: old peers expect it",
		"WIRE BREAKS tiny_msg EVERY.blob: is new: old peers do not expect it"},
	{"tiny_msg.xml", `name = "small" type = "number" size = "2"`, `name = "small" type = "number" size = "4"`,
		"WIRE BREAKS tiny_msg EVERY.small: size is 4, and was 2: old peers read other octets",
		"WIRE BREAKS tiny_msg EVERY.small: size is 2, and was 4: old peers read other octets"},
	{"tiny_msg.xml", `type = "longstr"`, `type = "chunk"`,
		"WIRE BREAKS tiny_msg EVERY.text: type is chunk, and was longstr: old peers read other octets",
		"WIRE BREAKS tiny_msg EVERY.text: type is longstr, and was chunk: old peers read other octets"},
	{"tiny_msg.xml", `max = "300"`, `max = "299"`,
		"WIRE BREAKS tiny_msg EVERY.text: max is 299, and was 300: what old peers may send is refused",
		"WIRE ok tiny_msg EVERY.text: max is 300, and was 299: old peers refuse what is more than before"},
	{"tiny_msg.xml", `each = "4" sum = "9"`, `each = "3" sum = "9"`,
		"WIRE BREAKS tiny_msg EVERY.list: each is 3, and was 4: what old peers may send is refused",
		"WIRE ok tiny_msg EVERY.list: each is 4, and was 3: old peers refuse what is more than before"},
	{"tiny_msg.xml", `sum = "9"`, `sum = "8"`,
		"WIRE BREAKS tiny_msg EVERY.list: sum is 8, and was 9: what old peers may send is refused",
		"WIRE ok tiny_msg EVERY.list: sum is 9, and was 8: old peers refuse what is more than before"},
	{"tiny_msg.xml", ` fixed = "1"`, ``,
		"WIRE BREAKS tiny_msg PARCEL.load: fixed was 1, and is not given: other lengths are allowed than before",
		"WIRE BREAKS tiny_msg PARCEL.load: fixed is 1, and was not given: other lengths are allowed than before"},
	{"tiny_msg.xml", `<reserved id = "3">GOODBYE, which nobody sends any more.</reserved>`, ``,
		"WIRE BREAKS tiny_msg reserved id 3: is gone: another message may take it, which old peers understand otherwise",
		"WIRE ok tiny_msg reserved id 3: is new"},
	{"tiny_msg.xml", `max = "1000"`, `max = "999"`,
		"STATE BREAKS tiny_msg limit talk: max is 999, and was 1000: what old peers may do is refused",
		"STATE ok tiny_msg limit talk: max is 1000, and was 999"},
	{"tiny_msg.xml", `<limit name = "talk" max = "1000">octets that all say together</limit>`, ``,
		"STATE BREAKS tiny_msg limit talk: is gone", "STATE ok tiny_msg limit talk: is new"},
	{"tiny_msg.xml", `EVERY / PARCEL /`, `EVERY /`,
		"STATE BREAKS tiny_msg grammar: is another: something may not be said any more",
		"STATE ok tiny_msg grammar: is another: what may be said when is another"},
	{"tiny_msg.xml", `>greets.<`, `>nods.<`,
		"DOC ok tiny_msg HELLO: has another sentence", "DOC ok tiny_msg HELLO: has another sentence"},
	{"tiny_msg.xml", `example = "254"`, `example = "253"`,
		"DOC ok tiny_msg EVERY.tiny: example is 253, and was 254", "DOC ok tiny_msg EVERY.tiny: example is 254, and was 253"},
	{"tiny_msg.xml", `<section name = "Notes">`, `<section name = "Remarks">`,
		"DOC BREAKS tiny_msg section Notes: is gone: links to it lead nowhere", "DOC BREAKS tiny_msg section Remarks: is gone: links to it lead nowhere"},
	{"tiny_msg.xml", `says = "a nod"`, `says = "a bow"`,
		"DOC ok tiny_msg scene A talk step 2: says is a bow, and was a nod", "DOC ok tiny_msg scene A talk step 2: says is a nod, and was a bow"},
	{"tiny_wire.xml", `value = "7"`, `value = "8"`,
		"WIRE BREAKS tiny_wire number port: value is 8, and was 7: old peers have the other number",
		"WIRE BREAKS tiny_wire number port: value is 7, and was 8: old peers have the other number"},
	{"tiny_wire.xml", `name = "PACKET"`, `name = "DATAGRAM"`,
		"WIRE BREAKS tiny_wire PACKET: is gone: old peers may send it", "WIRE BREAKS tiny_wire DATAGRAM: is gone: old peers may send it"},
	{"tiny_wire.xml", `size = "3"`, `size = "2"`,
		"WIRE BREAKS tiny_wire PACKET.count: size is 2, and was 3: old peers read other octets",
		"WIRE BREAKS tiny_wire PACKET.count: size is 3, and was 2: old peers read other octets"},
	{"door.xml", `default = "30"`, `default = "31"`,
		"STATE ok door timeout ajar: default is 31, and was 30", "STATE ok door timeout ajar: default is 30, and was 31"},
	{"door.xml", `min = "10"`, `min = "11"`,
		"STATE BREAKS door timeout ajar: min is 11, and was 10: settings of before may be refused", "STATE ok door timeout ajar: min is 10, and was 11"},
	{"door.xml", `max = "40"`, `max = "39"`,
		"STATE BREAKS door timeout ajar: max is 39, and was 40: settings of before may be refused", "STATE ok door timeout ajar: max is 40, and was 39"},
	{"door.xml", `<reason name = "fire">it burned</reason>`, ``,
		"STATE BREAKS door reason fire: is gone", "STATE ok door reason fire: is new"},
	{"door.xml", `<event name = "lock" next = "locked">`, `<event name = "lock" next = "open">`,
		"STATE BREAKS door closed on lock: leads to open, and led to locked", "STATE BREAKS door closed on lock: leads to locked, and led to open"},
	{"door.xml", `<action name = "ring" /><action name = "send" message = "HELLO" />`, `<action name = "ring" />`,
		"STATE BREAKS door closed on pull: sends nothing, and sent HELLO: the far side hears something else",
		"STATE BREAKS door closed on pull: sends HELLO, and sent nothing: the far side hears something else"},
	{"door.xml", `<action name = "rattle" /></event>`, `<action name = "shake" /></event>`,
		"STATE ok door open on pull: does shake, and did rattle", "STATE ok door open on pull: does rattle, and did shake"},
	{"door.xml", `<event name = "kick" next = "broken">It gives way.<action name = "fall" reason = "force" /></event>`, ``,
		"STATE BREAKS door closed, open on kick: is gone", "STATE ok door closed, open on kick: is new"},
	{"door.xml", `<event name = "*">Nothing else moves it.`, `<event name = "tickle">It laughs.</event><event name = "*">Nothing else moves it.`,
		"STATE ok door locked on tickle: does nothing, and did rattle", "STATE ok door locked on tickle: does rattle, and did nothing"},
	{"door.xml", ` timeout = "ajar"`, ``,
		"STATE BREAKS door open: timeout was ajar, and is not given: it may last for ever", "STATE ok door open: timeout is ajar, and was not given"},
	{"door.xml", ` final = "1"`, ``,
		"STATE BREAKS door broken: final was 1, and is not given", "STATE BREAKS door broken: final is 1, and was not given"},
	{"door.xml", `<state name = "closed"`, `<state name = "shut"`,
		"STATE BREAKS door: start is shut, and was closed: conversations begin otherwise", "STATE BREAKS door shut: is gone"},
	{"door.xml", `protocol_class = "tiny_msg"`, `protocol_class = "tiny_wire"`,
		"STATE BREAKS door: protocol_class is tiny_wire, and was tiny_msg: it speaks another protocol",
		"STATE BREAKS door: protocol_class is tiny_msg, and was tiny_wire: it speaks another protocol"},
	{"tiny_box.xml", `state = "stable"`, `state = "draft"`,
		"API BREAKS tiny_box: state is draft, and was stable: what was promised is not", "API ok tiny_box: state is stable, and was draft"},
	{"tiny_box.xml", `zero = "shut"`, `zero = "full"`,
		"API ok tiny_box: zero is full, and was shut", "API ok tiny_box: zero is shut, and was full"},
	{"tiny_box.xml", `<constant name = "extra large" value = "9">for many things</constant>`, ``,
		"API BREAKS tiny_box enum size class constant extra large: is gone", "API ok tiny_box enum size class constant extra large: is new"},
	{"tiny_box.xml", `value = "9"`, `value = "8"`,
		"API BREAKS tiny_box enum size class constant extra large: value is 8, and was 9: programs that were compiled have the other",
		"API BREAKS tiny_box enum size class constant extra large: value is 9, and was 8: programs that were compiled have the other"},
	{"tiny_box.xml", `<error name = "full">the box is full</error>`, ``,
		"API BREAKS tiny_box error full: is gone", "API ok tiny_box error full: is new"},
	{"tiny_box.xml", ` closed = "1"`, ``,
		"API BREAKS tiny_box error shut: closed was 1, and is not given", "API ok tiny_box error shut: closed is 1, and was not given"},
	{"tiny_box.xml", `<method name = "shake">`, `<method name = "stir">`,
		"API BREAKS tiny_box shake: is gone", "API BREAKS tiny_box stir: is gone"},
	{"tiny_box.xml", `<callback_type name = "watch_fn">`, `<callback_type name = "see_fn">`,
		"API BREAKS tiny_box callback watch_fn: is gone", "API ok tiny_box callback watch_fn: is new"},
	{"tiny_box.xml", ` blocks = "1" state = "draft"`, ` state = "draft"`,
		"API BREAKS tiny_box put: blocks was 1, and is not given", "API BREAKS tiny_box put: blocks is 1, and was not given"},
	{"tiny_box.xml", `blocks = "1" state = "draft"`, `blocks = "1" state = "stable"`,
		"API ok tiny_box put: state is stable, and was draft", "API BREAKS tiny_box put: state is draft, and was stable: what was promised is not"},
	{"tiny_box.xml", ` singleton = "1"`, ``,
		"API BREAKS tiny_box names: singleton was 1, and is not given", "API BREAKS tiny_box names: singleton is 1, and was not given"},
	{"tiny_box.xml", `name = "watch" when = "stopped"`, `name = "watch"`,
		"API BREAKS tiny_box watch: when was stopped, and is not given", "API BREAKS tiny_box watch: when is stopped, and was not given"},
	{"tiny_box.xml", `<argument name = "fragile" type = "boolean">whether to take care</argument>`, ``,
		"API BREAKS tiny_box put.fragile: is gone: callers give it", "API BREAKS tiny_box put.fragile: is new: callers do not give it"},
	{"tiny_box.xml", `name = "colour code" type = "number" size = "2"`, `name = "colour code" type = "number" size = "4"`,
		"API BREAKS tiny_box put.colour code: size is 4, and was 2", "API BREAKS tiny_box put.colour code: size is 2, and was 4"},
	{"tiny_box.xml", `format = "uuid">whose`, `>whose`,
		"API BREAKS tiny_box put.owner: format was uuid, and is not given", "API BREAKS tiny_box put.owner: format is uuid, and was not given"},
	{"tiny_box.xml", `type = "size" min = "1" max = "9"`, `type = "size" min = "2" max = "9"`,
		"API BREAKS tiny_box put.room: min is 2, and was 1: what callers give may be refused", "API ok tiny_box put.room: min is 1, and was 2"},
	{"tiny_box.xml", `type = "size" min = "1" max = "9"`, `type = "size" min = "1" max = "8"`,
		"API BREAKS tiny_box put.room: max is 8, and was 9: what callers give may be refused", "API ok tiny_box put.room: max is 9, and was 8"},
	{"tiny_box.xml", `<return type = "tiny_lid" list = "1" />`, `<return type = "tiny_lid" />`,
		"API BREAKS tiny_box lids by name return: list was 1, and is not given", "API BREAKS tiny_box lids by name return: list is 1, and was not given"},
	{"tiny_box.xml", `<return type = "tiny_lid" fails = "1">`, `<return type = "tiny_lid" fails = "1" errors = "shut">`,
		"API ok tiny_box lid return: errors is shut, and was not given", "API ok tiny_box lid return: errors was shut, and is not given"},
	{"tiny_box.xml", `<return type = "zlist" fails = "1">`, `<return type = "zlist">`,
		"API BREAKS tiny_box names return: fails was 1, and is not given", "API BREAKS tiny_box names return: fails is 1, and was not given"},
	{"tiny_box.xml", `enum = "size class" />`, `/>`,
		"API BREAKS tiny_box size class return: enum was size class, and is not given", "API BREAKS tiny_box size class return: enum is size class, and was not given"},
	{"tiny_box.xml", `<setting default = "15">`, `<setting default = "16">`,
		"API ok tiny_box set wait setting: default is 16, and was 15", "API ok tiny_box set wait setting: default is 15, and was 16"},
	{"tiny_box.xml", `otherwise = "nobody"`, `otherwise = "all"`,
		"DOC ok tiny_box watch setting watcher: otherwise is all, and was nobody", "DOC ok tiny_box watch setting watcher: otherwise is nobody, and was all"},
	{"tiny_box.xml", `name = "colours" many = "1"`, `name = "colours"`,
		"API BREAKS tiny_box paint setting colours: many was 1, and is not given", "API BREAKS tiny_box paint setting colours: many is 1, and was not given"},
	{"tiny_box.xml", `<flag name = "wait">`, `<flag name = "pause">`,
		"API BREAKS tiny_box set wait setting --wait: is gone: command lines with it are refused", "API ok tiny_box set wait setting --wait: is new"},
	{"project.xml", `<class name = "tiny_lid" api = "gsl/testdata/good/tiny_lid.xml" />`, ``, "API BREAKS tiny_lid: is gone", "API ok tiny_lid: is new"},
	{"project.xml", `<machine name = "door" api = "gsl/testdata/good/door.xml" />`, ``, "STATE BREAKS door: is gone", "STATE ok door: is new"},
	{"project.xml", `<layout name = "tiny_wire" api = "gsl/testdata/good/tiny_wire.xml" />`, ``, "WIRE BREAKS tiny_wire: is gone: nobody speaks it any more", "WIRE ok tiny_wire: is new"},
	{"project.xml", `<protocol name = "tiny_msg" api = "gsl/testdata/good/tiny_msg.xml" />`, ``, "WIRE BREAKS tiny_msg: is gone: nobody speaks it any more", "WIRE ok tiny_msg: is new"},
}

func TestChanges(t *testing.T) {
	old := diff.Shape(load(t, ""))
	for _, c := range cases {
		now := diff.Shape(load(t, c.file, c.old, c.new))
		if got := shown(diff.Compare(old, now)); !slices.Contains(got, c.there) {
			t.Errorf("%s: %q\nwant %s", c.new, got, c.there)
		}
		if got := shown(diff.Compare(now, old)); !slices.Contains(got, c.back) {
			t.Errorf("%s: %q\nwant %s", c.old, got, c.back)
		}
	}
	if got := diff.Compare(old, old); len(got) > 0 {
		t.Errorf("nothing changed: %q", shown(got))
	}
}

// What changes only in its place within a file, or from a state into one that it inherits from, is
// no change.
func TestNoChanges(t *testing.T) {
	old := diff.Shape(load(t, ""))
	const kick = `<event name = "kick" next = "broken">It gives way.<action name = "fall" reason = "force" /></event>`
	for _, changes := range [][]string{
		{"door.xml", "<timeout", "\n\n<!-- a comment -->\n<timeout"},
		{"door.xml", kick, "", `<event name = "unlock"`, kick + `<event name = "unlock"`, `<event name = "knock" takes`, kick + `<event name = "knock" takes`},
	} {
		if got := diff.Compare(old, diff.Shape(load(t, changes[0], changes[1:]...))); len(got) > 0 {
			t.Errorf("%q: %q", changes, shown(got))
		}
	}
}

// The order of fields and arguments counts.
func TestOrder(t *testing.T) {
	const small, tiny = `<field name = "small" type = "number" size = "2" example = "65244">two octets</field>`, `<field name = "tiny" `
	got := shown(diff.Compare(diff.Shape(load(t, "")), diff.Shape(load(t, "tiny_msg.xml", small, "", tiny, small+tiny))))
	if len(got) != 1 || !strings.HasPrefix(got[0], "WIRE BREAKS tiny_msg EVERY: has its fields in another order: small, tiny, large,") {
		t.Errorf("%q", got)
	}
}

// A lock reads as what was locked, but for what people read; and comparing with it finds the rest.
func TestLock(t *testing.T) {
	old := diff.Shape(load(t, ""))
	text := diff.Lock(old)
	locked, err := diff.ParseLock("model.lock", text)
	if err != nil || diff.Lock(locked) != text {
		t.Fatalf("%v:\n%s", err, diff.Lock(locked))
	}
	for _, c := range cases {
		got := shown(diff.Compare(locked, diff.Shape(load(t, c.file, c.old, c.new))))
		if isDoc := strings.HasPrefix(c.there, "DOC"); slices.Contains(got, c.there) == isDoc {
			t.Errorf("%s: %q\nwant %s: %v", c.new, got, c.there, !isDoc)
		}
	}
	for _, bad := range []string{"", "protocol x", text + "    nothing x\n", text + "\nunheard of=1\n"} {
		if _, err := diff.ParseLock("model.lock", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestWaivers(t *testing.T) {
	old := diff.Shape(load(t, ""))
	waived := load(t, "tiny_msg.xml", `<reserved`, `<waiver change = "EVERY" until = "2027-03-31">nobody sends it</waiver><reserved`, `max = "300"`, `max = "200"`)
	for _, test := range []struct {
		day    string
		breaks bool
	}{{"2027-03-31", false}, {"2027-04-01", true}} {
		day, err := time.Parse(time.DateOnly, test.day)
		if err != nil {
			t.Fatal(err)
		}
		changes, waivers := diff.Compare(old, diff.Shape(waived)), diff.Waivers(waived, day)
		diff.Waive(changes, waivers)
		if len(changes) != 1 || !changes[0].Breaking || changes[0].Breaks() != test.breaks || len(waivers) != 1 || !waivers[0].Used {
			t.Errorf("%s: %q, %+v", test.day, shown(changes), waivers)
		}
		if text := diff.Text(changes); !strings.Contains(text, "nobody sends it") || !strings.Contains(text, "2027-03-31") {
			t.Errorf("printed %s", text)
		}
	}
}

// TestWaiverOfAModel waives what is of a model itself, and nothing that is below it.
func TestWaiverOfAModel(t *testing.T) {
	day, err := time.Parse(time.DateOnly, "2027-03-31")
	if err != nil {
		t.Fatal(err)
	}
	waived := load(t, "tiny_msg.xml", `<reserved`, `<waiver change = "" until = "2027-03-31">nobody has it</waiver><reserved`, `max = "300"`, `max = "200"`, `signature = "15"`, `signature = "14"`)
	changes := diff.Compare(diff.Shape(load(t, "")), diff.Shape(waived))
	diff.Waive(changes, diff.Waivers(waived, day))
	broken := 0
	for _, c := range changes {
		if c.Breaking && c.Breaks() == (c.Path == "") {
			t.Errorf("%q: breaks: %v", c.Path, c.Breaks())
		}
		if c.Breaking {
			broken++
		}
	}
	if broken < 2 {
		t.Errorf("%d changes break something", broken)
	}
}

func TestPrints(t *testing.T) {
	changes := diff.Compare(diff.Shape(load(t, "")), diff.Shape(load(t, "tiny_msg.xml", `max = "300"`, `max = "200"`, ">greets.<", ">nods.<")))
	const text = "WIRE: what passes between programs\n" +
		"  gsl/testdata/good/tiny_msg.xml:28: BREAKS tiny_msg EVERY.text: max is 200, and was 300: what old peers may send is refused\n" +
		"DOC: what people read\n  gsl/testdata/good/tiny_msg.xml:39: tiny_msg HELLO: has another sentence\n"
	if got := diff.Text(changes); got != text {
		t.Errorf("text:\n%s\nwant:\n%s", got, text)
	}
	if got := diff.Markdown(changes); !strings.Contains(got, "| **BREAKS** | tiny\\_msg EVERY.text | max is 200, and was 300: what old peers may send is refused | `gsl/testdata/good/tiny_msg.xml:28` |") {
		t.Errorf("markdown:\n%s", got)
	}
	if got, err := diff.JSON(changes); err != nil || !strings.Contains(got, `"path": "EVERY.text"`) || !strings.Contains(got, `"breaking": true`) {
		t.Errorf("json: %v\n%s", err, got)
	}
}

// What is in a model begins no line of what is printed, and is no markup.
func TestPrintsHostile(t *testing.T) {
	changes := []diff.Change{{Class: diff.Wire, Model: "a", Path: "B\n::error::c", Text: "type is \\|[d](e)\r\n`f` $g$ ~h~ &lt;", Breaking: true}}
	changes[0].Pos.File = "i`|.xml"
	if got := diff.Text(changes); got != "WIRE: what passes between programs\n  i`|.xml: BREAKS a B\\n::error::c: type is \\|[d](e)\\r\\n`f` $g$ ~h~ &lt;\n" {
		t.Errorf("text: %q", got)
	}
	const row = "| **BREAKS** | a B ::error::c | type is \\\\\\|\\[d\\](e)  \\`f\\` \\$g\\$ \\~h\\~ &amp;lt; | `i'\\|.xml` |\n"
	if got := diff.Markdown(changes); !strings.HasSuffix(got, "|---|---|---|---|\n"+row) {
		t.Errorf("markdown: %q", got)
	}
}
