package lint_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/lint"
)

var update = flag.Bool("update", false, "write what is found beside the bad models; review it")

const bad = "../../../gsl/testdata/bad/"

// project names one model; its kind is the first word of its name.
func project(name, api string) string {
	kind, _, _ := strings.Cut(name, "_")
	return `<project name = "` + kind + `" script = "gsl/project.gsl" module = "example.org/bad" license = "MPL-2.0">
		<` + kind + ` name = "` + name + `" api = "` + api + `" />
	</project>`
}

// tree is a project with the bad and the good models beside it.
func tree(t testing.TB, project string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{"project.xml": {Data: []byte(project)}}
	for _, pattern := range []string{bad + "*.xml", bad + "../good/*.xml", bad + "../theirs/*.xml", bad + "../theirs/*.api"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no models %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files[strings.TrimPrefix(filepath.ToSlash(filepath.Clean(path)), "../../../")] = &fstest.MapFile{Data: text}
		}
	}
	return files
}

// found is what lint finds in a project, a finding on a line.
func found(t testing.TB, files fstest.MapFS, path string) (lines []string) {
	t.Helper()
	p, err := model.Load(files, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range lint.Check(p, lint.DialectOf(p)) {
		lines = append(lines, f.String())
	}
	return lines
}

// Each bad model has exactly the faults that stand beside it.
func TestBadModels(t *testing.T) {
	models, err := filepath.Glob(bad + "*.xml")
	if err != nil || len(models) == 0 {
		t.Fatalf("no bad models: %v", err)
	}
	for _, path := range models {
		name := strings.TrimSuffix(filepath.Base(path), ".xml")
		t.Run(name, func(t *testing.T) {
			got := strings.Join(found(t, tree(t, project(name, "gsl/testdata/bad/"+name+".xml")), "project.xml"), "\n") + "\n"
			faults := strings.TrimSuffix(path, ".xml") + ".faults"
			if *update {
				if err := os.WriteFile(faults, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(faults)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) || got == "\n" {
				t.Errorf("found:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestBadProjects(t *testing.T) {
	const tiny = "gsl/testdata/good/tiny_msg.xml"
	for _, test := range []struct{ name, project, want string }{
		{"a model that is not there", project("protocol_gone", "gsl/gone.xml"),
			"project.xml:2: protocol_gone: cannot be read: there is no gsl/gone.xml"},
		{"a model with another name", project("protocol_msg", tiny),
			tiny + ":1: protocol_msg: is called 'tiny_msg' inside: use one name"},
		{"a model that names no file", strings.Replace(project("protocol_msg", ""), ` api = ""`, "", 1),
			"project.xml:2: protocol_msg: names no file: say where it is with api"},
		{"no license", strings.Replace(project("layout_wire", "gsl/testdata/bad/layout_records.xml"), ` license = "MPL-2.0"`, "", 1),
			"project.xml:1: layout: has no attribute license, which zproject's Python binding needs: name the license, as in MPL-2.0"},
		{"a class of another project", strings.Replace(project("class_zyre", "gsl/testdata/bad/class_zyre.xml"), `name = "class"`, `name = "other"`, 1),
			"gsl/testdata/bad/class_zyre.xml:1: class_zyre: must begin with other_"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := found(t, tree(t, test.project), "project.xml"); !slices.Contains(got, test.want) {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

// A model that is no XML is a fault with its line.
func TestUnreadableModels(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "has no element"},
		{"<class>\n<message>", "ends within <message>, which begins in line 2"},
		{"<class>\n</other>", "text.xml:2: protocol_text: cannot be read: has </other>, which ends nothing"},
		{"<class a='1' a='2'/>", "has a twice in one <class>"},
		{"<class/><class/>", "has <class> behind its root, which is <class>"},
		{strings.Repeat("<a>", 100), "has more than 64 elements within each other"},
		{"<class name=>", ":1: "},
	} {
		files := tree(t, project("protocol_text", "text.xml"))
		files["text.xml"] = &fstest.MapFile{Data: []byte(test.text)}
		if got := found(t, files, "project.xml"); len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("%q: found %q, want %q", test.text, got, test.want)
		}
	}
}

// The project's own models and those that test the generator have no fault.
func TestGoodModels(t *testing.T) {
	t.Chdir("../../..")
	for _, path := range []string{"project.xml", "gsl/testdata/good/project.xml"} {
		p, err := model.Load(model.Disk{}, path)
		if err != nil || len(p.Models()) < 5 || lint.DialectOf(p) != lint.Once {
			t.Fatalf("%s: %d models, %v", path, len(p.Models()), err)
		}
		for _, f := range lint.Check(p, lint.Once) {
			t.Error(f)
		}
	}
}

// Models of other projects have no fault that zproto and zproject do not mind.
func TestTheirModels(t *testing.T) {
	if got := found(t, tree(t, ""), "gsl/testdata/theirs"); got != nil {
		t.Errorf("found %q", got)
	}
	if p, err := model.Load(tree(t, ""), "gsl/testdata/theirs"); err != nil || len(p.Models()) != 4 || lint.DialectOf(p) != lint.Zproto {
		t.Errorf("%d models, %v", len(p.Models()), err)
	}
}

// A server is one by its script, too, and * may stand before what it is not for.
func TestTheirServers(t *testing.T) {
	files := fstest.MapFS{
		"a_msg.xml": {Data: []byte(`<class name = "a_msg" signature = "1"><grammar>a = C:HELLO S:OK</grammar><message name = "HELLO" /><message name = "OK" /></class>`)},
		"a.xml": {Data: []byte(`<class name = "a" script = "zproto_server_c" protocol_class = "a_msg"><state name = "start">
			<event name = "*"><action name = "terminate" /></event><event name = "HELLO"><action name = "send" message = "OK" /></event></state></class>`)},
		"b.xml": {Data: []byte(`<class name = "b" script = "zproto_client_c.gsl" protocol_class = "a_msg"><state name = "start">
			<event name = "constructor"><action name = "send" message = "HELLO" /></event><event name = "OK"><action name = "terminate" /></event></state></class>`)},
	}
	if got := found(t, files, "."); got != nil {
		t.Errorf("found %q", got)
	}
	files["b.xml"].Data = bytes.Replace(files["b.xml"].Data, []byte(`name = "OK"`), []byte(`name = "NO"`), 1)
	if got := found(t, files, "."); len(got) != 2 || !strings.Contains(got[1], "sends OK, for which b has no event") {
		t.Errorf("found %q", got)
	}
}

// What is wrong for zproto and zproject is found in their models.
func TestTheirFaults(t *testing.T) {
	for _, test := range []struct{ file, old, new, want string }{
		{"chat_msg.xml", `signature = "7"`, `signature = "70"`, ":2: chat_msg: signature must be a number from 0 to 15"},
		{"chat_msg.xml", `size = "2" />~    </header>`, `size = "3" />~    </header>`, ":15: header.sequence: is a number of 3 octets: take 1, 2, 4 or 8"},
		{"chat_msg.xml", `name = "why" type = "longstr"`, `name = "why" type = "text"`, ":24: REFUSE.why: has unknown type 'text': take number, octets, string, longstr, strings, hash, chunk, frame, msg or uuid"},
		{"chat_msg.xml", `name = "PONG"><field`, `name = "PONG"><field name = "port" type = "number" size = "4" /><field name = "from port" type = "octets" /><field`, ":28: PONG.from port: is of octets: write how many as its size"},
		{"chat_msg.xml", `name = "WELCOME" />`, `name = "WELCOME"><field name = "count" type = "number" size = "4" /></message>`, ":28: PONG.count: is of type number of 1, elsewhere number of 4: one name, one type"},
		{"chat_msg.xml", `name = "text" type = "longstr" /><field name = "seen"`, `name = "text" type = "string" /><field name = "seen"`, ":26: SAID.text: is of type string, elsewhere longstr: one name, one type"},
		{"chat_msg.xml", `name = "PONG">`, `name = "PONG" id = "6">`, ":28: PONG: has id 6, and so has PING IT: each message needs its own"},
		{"chat_msg.xml", `S:REFUSE )`, `S:REFUSED )`, ":9: grammar: has S:REFUSED, which is no message of chat_msg"},
		{"chat_server.xml", `next = "chatting"`, `next = "talking"`, ":5: start.LOGIN: leads to talking, which is no concrete state"},
		{"chat_server.xml", `inherit = "defaults">~        <event name = "SAY">`, `inherit = "default">~        <event name = "SAY">`, ":11: chatting: inherits from default, which is no state"},
		{"chat_server.xml", `message = "SAID"`, `message = "SAYS"`, ":12: chatting.SAY: sends SAYS, which is no message of chat_msg"},
		{"chat_server.xml", `protocol_class = "chat_msg"`, `protocol_class = "talk_msg"`, ":1: chat_server: there is no gsl/testdata/theirs/talk_msg.xml: correct protocol_class, or protocol_dir, which leads there from the folder of the model"},
		{"chat_server.xml", `name = "PING IT"`, `name = "PING HER"`, ":13: chatting.tick: sends PING-IT, for which chat_server has no event: add one, or name it in the takes of the event that it is"},
		{"chat_client.xml", `<event name = "PONG" />`, ``, ":10: grammar: has PONG, for which chat_client has no event: add one, or name it in the takes of the event that it is"},
		{"chat_client.xml", `next = "waiting"`, `next = "chatting"`, ":6: waiting: is never reached from start: remove it, or lead to it"},
		{"chat_client.xml", `<action name = "terminate" /></event>~    </state>~    <method`, `</event>~    </state>~    <method`, ":11: chatting: has no way out: add an event that leads on, or the action terminate"},
		{"chat_room.api", `state = "stable"`, `state = "final"`, ":1: chat_room: has state 'final': take draft, stable, legacy or deprecated"},
		{"chat_room.api", `state = "draft"`, `state = "drafty"`, ":7: chat_room.people: has state 'drafty': take draft, stable, legacy or deprecated"},
		{"chat_room.api", `name = "say"`, `name = "people"`, ":8: chat_room.people: would be called 'chat_room_people' in C functions, as chat_room.people is: rename it"},
		{"chat_room.api", `type = "boolean"`, `type = "enum"`, ":9: chat_room.test: has type enum, which prints a pointer in C: write integer, and enum with the name of one"},
		{"chat_room.api", `name = "verbose"`, `name = "int"`, ":9: chat_room.test.int: would be called 'int', which is taken (gsl/reserved.xml, C keywords): rename it"},
		{"chat_room.api", `<return type = "zlist" fresh = "1" />`, `<return type = "zlist" /><return type = "zlist" />`, ":7: chat_room.people: has more than one return: leave one"},
	} {
		files := tree(t, "")
		file := files["gsl/testdata/theirs/"+test.file]
		text := strings.Replace(string(file.Data), strings.ReplaceAll(test.old, "~", "\n"), strings.ReplaceAll(test.new, "~", "\n"), 1)
		if text == string(file.Data) {
			t.Errorf("%s has no %s", test.file, test.old)
		}
		file.Data = []byte(text)
		if got := found(t, files, "gsl/testdata/theirs"); !slices.ContainsFunc(got, func(line string) bool { return strings.HasSuffix(line, test.want) }) {
			t.Errorf("%s: found %q, want %q", test.new, got, test.want)
		}
	}
}

// A name with an end of line is one line of what is printed.
func TestOneLine(t *testing.T) {
	p, err := model.Load(fstest.MapFS{"a.xml": {Data: []byte(`<class name = "a" signature = "1"><message name = "B&#10;::error::c&#13;" id = "1" /></class>`)}}, "a.xml")
	if err != nil {
		t.Fatal(err)
	}
	findings := lint.Check(p, lint.Zproto)
	if len(findings) == 0 {
		t.Error("nothing is found")
	}
	for _, f := range findings {
		if strings.ContainsAny(f.String(), "\r\n") {
			t.Errorf("%q", f)
		}
	}
}

// What is printed as it is written stays what it is.
func TestPrinted(t *testing.T) {
	const rest = `><message name = "A" id = "1">a.</message></class>`
	desk := func(engine, title, sentence string) string {
		return `<class name = "p_desk" state = "draft" zero = "closed" engine = "` + engine + `" title = "` + title + `">a
			<error name = "closed">` + sentence + `</error><method name = "a">says "a" and b</method></class>`
	}
	for _, test := range []struct{ module, file, text, want string }{
		{"example.org/p", "p_msg", `<class name = "p_msg" signature = "1" go_package = "../../p"` + rest, "p_msg: go_package must be"},
		{"example.org/p", "p_msg", `<class name = "p_msg" signature = "1" go_package = "pmsg"` + rest, ""},
		{"example.org/p", "p_msg", `<class name = "p_msg" signature = "1" title = "a&#10;var b = 1"` + rest, "p_msg: has an end of line in title"},
		{"x&quot;; import &quot;os", "p_msg", `<class name = "p_msg" signature = "1"` + rest, "project.xml:1: p: module must be a path"},
		{"../p", "p_msg", `<class name = "p_msg" signature = "1"` + rest, "project.xml:1: p: module must be a path"},
		{"example.org/p", "p_desk", desk("Desk", "a", "b"), ""},
		{"example.org/p", "p_desk", desk("Desk; a()", "a", "b"), "p_desk: engine must be a name in Go"},
		{"example.org/p", "p_desk", desk("Desk", "a */ b", "b"), "p_desk: has */ where"},
		{"example.org/p", "p_desk", desk("Desk", "a", `b" + c() + "d`), `p_desk.closed: has " where`},
		{"example.org/p", "p_desk", desk("Desk", "a", `b \n`), `p_desk.closed: has \ where`},
	} {
		kind := map[string]string{"p_msg": "protocol", "p_desk": "class"}[test.file]
		files := fstest.MapFS{
			"project.xml":      {Data: []byte(`<project name = "p" script = "gsl/project.gsl" license = "MPL-2.0" module = "` + test.module + `"><` + kind + ` name = "` + test.file + `" api = "` + test.file + `.xml" /></project>`)},
			test.file + ".xml": {Data: []byte(test.text)},
		}
		lines := strings.Join(found(t, files, "project.xml"), "\n")
		clean := !strings.Contains(lines, " must be a") && !strings.Contains(lines, "has an end of line") && !strings.Contains(lines, " where ")
		if !strings.Contains(lines, test.want) || clean != (test.want == "") {
			t.Errorf("%s: found %s, want %s", test.text, lines, test.want)
		}
	}
}

// Names that are taken only in the Go of this generator are free in models of other projects.
func TestTheirNames(t *testing.T) {
	const text = `<class name = "a_msg" signature = "1"><message name = "NEW"><field name = "size" type = "number" size = "4" /></message>
		<message name = "MAX NEW" /><message name = "PEEK" /></class>`
	if got := found(t, fstest.MapFS{"a_msg.xml": {Data: []byte(text)}}, "a_msg.xml"); got != nil {
		t.Errorf("found %q", got)
	}
}
