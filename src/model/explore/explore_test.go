package explore

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sjohnr/at-once/src/model"
)

// load reads the conversations of a project or a model.
func load(t testing.TB, name string) map[string]*model.Talk {
	t.Helper()
	project, err := model.Load(model.Disk{}, name)
	if err != nil || len(project.Problems) > 0 {
		t.Fatal(err, project.Problems)
	}
	talks := map[string]*model.Talk{}
	for _, talk := range project.Talks {
		talks[talk.Name()] = talk
	}
	return talks
}

// explored explores a conversation that has to be sound.
func explored(t testing.TB, talk *model.Talk) *Report {
	t.Helper()
	r, problems := Explore(talk)
	if problems != nil {
		t.Fatal(problems)
	}
	return r
}

// drawn is the way to a fault as people see it.
func drawn(r *Report) string {
	var text strings.Builder
	r.Chart(&text)
	return text.String()
}

// TestProject explores the project's conversations.
func TestProject(t *testing.T) {
	if testing.Short() {
		t.Skip("make models does so")
	}
	for name, talk := range load(t, "../../../project.xml") {
		t.Run(name, func(t *testing.T) {
			if r := explored(t, talk); r.Fault != nil {
				t.Errorf("%s: %s\n%s", r.Fault.Kind, r.Fault.Text, drawn(r))
			}
		})
	}
}

// TestHistory finds what went wrong in earlier designs: in the prototype of @Once, and in three
// implementations of sessions that are resumed by halves.
func TestHistory(t *testing.T) {
	for name, want := range map[string]string{
		"prototype/deadlock":    "deadlock: nothing went wrong, and peer waits in waiting",
		"prototype/unhandled":   "unhandled event: host in authenticating has no step for the event whisper",
		"resume/whole":          "",
		"resume/half_reset":     "broken promise: ben: it is not so that every message comes once",
		"resume/half_direction": "broken promise: ben: it is not so that every message comes once",
		"resume/half_bound":     "broken promise: ben: it is not so that every message comes once",
	} {
		talk := load(t, "testdata/"+name+".xml")[path.Base(name)]
		switch r := explored(t, talk); {
		case r.Fault == nil && want == "":
			if r.States < few {
				t.Errorf("%s has %d joint states", name, r.States)
			}
		case r.Fault == nil:
			t.Errorf("%s: nothing was found", name)
		case want == "" || !strings.HasPrefix(r.Fault.Kind+": "+r.Fault.Text, want):
			t.Errorf("%s: %s: %s\n%s", name, r.Fault.Kind, r.Fault.Text, drawn(r))
		}
	}
}

// talk makes a conversation of two sides that run one machine, from its states, and what the
// conversation has for both sides and besides.
func talk(t testing.TB, states, side, rest string) *model.Talk {
	t.Helper()
	root := func(text string) *model.Element {
		e, err := model.Parse("test.xml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	folder := t.TempDir()
	write := func(name, text string) {
		root(text)
		if err := os.WriteFile(folder+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("m.xml", `<class name = "m" title = "M">`+states+`</class>`)
	write("t.xml", `<conversation name = "t" title = "T" early = "0">
		<signal name = "CALL" /><signal name = "ANSWER" /><few>test</few>
		<link name = "wire" between = "a, b" stands = "1" breaks = "0" />
		<side name = "a" machine = "m" rests = "idle">`+side+`</side>
		<side name = "b" machine = "m" rests = "idle" like = "a" swaps = "a b" />`+rest+`</conversation>`)
	return load(t, folder+"/t.xml")["t"]
}

// TestFaults has a conversation for each kind of fault.
func TestFaults(t *testing.T) {
	calls := `<may name = "calls" only = "a"><send message = "CALL" /></may>`
	for name, test := range map[string]struct{ states, side, rest, want string }{
		"nothing": {
			`<state name = "idle"><event name = "call"><action name = "send" message = "ANSWER" /></event><event name = "answer" /></state>`,
			calls, ``, "",
		},
		"names as zproto has them": {
			`<state name = "idle"><event name = "CALL"><action name = "send" message = "ANSWER" /></event><event name = "Answer" /></state>`,
			calls, ``, "",
		},
		"deadlock": {
			`<state name = "idle"><event name = "call" next = "busy" /></state><state name = "busy"><event name = "*" /></state>`,
			calls, ``, "deadlock: nothing went wrong, and b waits in busy",
		},
		"deadlock after trouble": {
			`<state name = "idle"><event name = "call" next = "busy" /></state><state name = "busy"><event name = "*" /></state>`,
			`<may name = "calls" only = "a" trouble = "1"><send message = "CALL" /></may>`, ``, "deadlock: b never comes to rest from busy",
		},
		"livelock": {
			`<state name = "idle"><event name = "call"><action name = "send" message = "CALL" /></event></state>`,
			calls, ``, "livelock: messages follow each other for ever",
		},
		"livelock of time-outs": {
			`<state name = "idle"><event name = "call" next = "one" /></state>
			 <state name = "one" timeout = "t"><event name = "timeout" next = "two" /></state>
			 <state name = "two" timeout = "t"><event name = "timeout" next = "one" /></state>`,
			`<rests state = "one" when = "0" /><may name = "calls" only = "a" trouble = "1"><send message = "CALL" /></may>`, ``, "livelock: b never comes to rest from",
		},
		"queue": {
			`<state name = "idle"><event name = "call"><action name = "send" message = "CALL" /><action name = "send" message = "CALL" /></event></state>`,
			calls, ``, "queue without bound: ",
		},
		"message": {
			`<state name = "idle"><event name = "answer" /></state>`,
			calls, ``, "unhandled message: b in idle takes no CALL",
		},
		"event": {
			`<state name = "idle"><event name = "answer" next = "deaf" /></state><state name = "deaf"><event name = "call" /></state>`,
			calls, ``, "unhandled event: b in idle has no step for the event call",
		},
		"always": {
			`<state name = "idle"><event name = "call" next = "idle" /></state>`,
			`<number name = "n" /><may name = "counts" only = "a"><set name = "n" to = "n + 1" /></may>`, `<always that = "a.n = 0">it is 0</always>`, "broken promise: it is not so that it is 0",
		},
		"never": {
			`<state name = "idle"><event name = "call" next = "idle" /></state>`,
			`<number name = "n" /><may name = "counts" only = "a"><set name = "n" to = "n + 1" /></may><may name = "counts far" times = "0"><set name = "n" to = "n + 2" /></may>`, `<always that = "a.n = 0">it is 0</always><always that = "a.n != 2">it is 2</always>`, "broken promise: it is not so that it is 0",
		},
		"calm": {
			`<state name = "idle"><event name = "call" next = "idle" /></state>`,
			`<number name = "n" /><may name = "counts" only = "a"><set name = "n" to = "n + 1" /></may>`, `<calm that = "a.n = 0">it is 0</calm>`, "broken promise: nothing went wrong, and it is not so that it is 0",
		},
		"finally": {
			`<state name = "idle"><event name = "call" next = "idle" /></state>`,
			`<number name = "n" /><may name = "counts" only = "a"><set name = "n" to = "n + 1" /></may>`, `<finally that = "a.n = 0">it is 0</finally>`, "deadlock: it never becomes so that it is 0",
		},
		"number": {
			`<state name = "idle"><event name = "call" next = "idle" /></state>`,
			`<number name = "n" max = "1" /><may name = "counts" only = "a"><set name = "n" to = "n + 2" /></may>`, ``, "number out of range: n of a would be 2",
		},
		"choices": {
			`<state name = "idle"><event name = "call" next = "idle" /></state>`,
			`<may name = "chooses">` + strings.Repeat(`<choose><case /><case /></choose>`, 40) + `</may>`, ``, "too many choices: what follows may go on in more than 1024 ways",
		},
	} {
		r := explored(t, talk(t, test.states, test.side, test.rest))
		switch {
		case r.Fault == nil && test.want == "":
		case r.Fault == nil || test.want == "" || !strings.HasPrefix(r.Fault.Kind+": "+r.Fault.Text, test.want):
			t.Errorf("%s: %+v, want %s\n%s", name, r.Fault, test.want, drawn(r))
		}
	}
}

// TestProblems has a model for each thing that keeps one from being explored.
func TestProblems(t *testing.T) {
	states := `<state name = "idle"><event name = "call"><action name = "ponder" /></event></state>`
	does := `<does action = "ponder" />`
	for side, want := range map[string]string{
		``:                                   `say with <does> what that means`,
		does + `<does action = "sleep" />`:   `has no action "sleep"`,
		does + `<hears message = "SHOUT" />`: `nobody says "SHOUT"`,
		does + `<hears message = "CALL" fires = "ring" />`:                     `has no event "ring"`,
		does + `<hears message = "CALL"><sing /></hears>`:                      `<sing> is nothing that happens`,
		does + `<may name = "x&#10;y" />`:                                      `has an end of line in name`,
		does + `<may name = "x" times = "99" />`:                               `times is a number from 0 to 8`,
		does + `<may name = "x" when = "y" />`:                                 `nothing here is called "y"`,
		does + `<may name = "x" when = "1 1" />`:                               `"1" is too much`,
		does + `<may name = "x" when = "(1" />`:                                `a parenthesis is not closed`,
		does + `<may name = "x" when = "1 +" />`:                               `it ends too early`,
		does + `<may name = "x" when = "a?" />`:                                `"?" means nothing`,
		does + `<may name = "x" when = "state = 'gone'" />`:                    `has no state "gone"`,
		does + `<may name = "x" when = "state &lt; 'idle'" />`:                 `compared by = or !=`,
		does + `<may name = "x" when = "state = 'idle" />`:                     `a quote is not closed`,
		does + `<may name = "x" when = "'idle'" />`:                            `is not beside the name of a side`,
		does + `<may name = "x"><send message = "CALL" link = "air" /></may>`:  `links called "air"`,
		does + `<may name = "x"><send message = "CALL" numbers = "1" /></may>`: `carries 0 numbers, and is sent with 1`,
		does + `<may name = "x"><send message = "SHOUT" /></may>`:              `"SHOUT" is no message`,
		does + `<may name = "x"><set name = "n" to = "1" /></may>`:             `<set> gives a number`,
		does + `<may name = "x"><fire event = "ring" /></may>`:                 `has no event "ring"`,
		does + `<may name = "x"><fire event = "call" side = "c" /></may>`:      `there is no side "c"`,
		does + `<may name = "x"><choose /></may>`:                              `<choose> has a <case>`,
		does + `<may name = "x"><do part = "y" /></may>`:                       `has no <part> called "y"`,
		does + `<may name = "x"><check /></may>`:                               `<check> says with that`,
		does + `<rests state = "gone" when = "1" />`:                           `which is no state of its machine`,
	} {
		problems := Check(talk(t, states, side, ""))
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Text, want) && p.Line > 0 }) {
			t.Errorf("%s: %v, want %s", side, problems, want)
		}
	}
	for rest, want := range map[string]string{
		`<link name = "air" between = "a, c" />`:                 `between names two sides`,
		`<link name = "air" between = "a, b" kind = "radio" />`:  `kind is datagram`,
		`<side name = "c" machine = "none" />`:                   `cannot be read`,
		`<side name = "c" machine = "m" like = "d" />`:           `is like "d", which is no side`,
		`<side name = "c" machine = "m" like = "a" swaps="x" />`: `swaps has pairs`,
		`<always />`: `<always> says with that`,
		`<always that = "` + strings.Repeat("(", 1001) + `" />`:       `an expression has at most 1000 words, and this has 1001`,
		strings.Repeat(`<link name = "air" between = "a, b" />`, 300): `octets, and may take 512: have fewer sides`,
	} {
		problems := Check(talk(t, states, does, rest))
		if !slices.ContainsFunc(problems, func(p Problem) bool { return strings.Contains(p.Text, want) }) {
			t.Errorf("%s: %v, want %s", rest, problems, want)
		}
	}
}

// TestExpressions evaluates what needs no conversation.
func TestExpressions(t *testing.T) {
	for text, want := range map[string]int{
		"1": 1, "1 + 2 - 1": 2, "1 < 2": 1, "2 <= 1": 0, "1 = 1 and not 2 > 3": 1, "0 or 0": 0,
		"not 0 and 0": 0, "(1 or 0) and 0": 0, "1 != 1 or 3 >= 3": 1, "1 - 2 < 0": 1,
	} {
		e, err := parse(text, names{&compiler{system: &system{}}, nil})
		if err != nil || e(&scope{}) != want {
			t.Errorf("%s: %v, want %d", text, err, want)
		}
	}
}

// TestChart holds the sequence chart to a form.
func TestChart(t *testing.T) {
	r := explored(t, load(t, "testdata/prototype/deadlock.xml")["deadlock"])
	want := `      peer                          host
      * begins: entering            |
      * start                       |
      * sends ENTER                 |
      |                             * begins: start
   1  |---------- ENTER ----------->|
      |                             * enter: start -> authenticating
      |                             * sends CHALLENGE
   2  |<-------- CHALLENGE ---------|
      * challenge: entering -> waiting
      * sends WHISPER               |
   3  |--------- WHISPER ---------->|
      |                             * whisper means nothing
      = waiting                     = authenticating
`
	if got := drawn(r); got != want {
		t.Errorf("the chart is\n%s, want\n%s", got, want)
	}
}

// TestGraph holds the search for components to a naive one.
func TestGraph(t *testing.T) {
	for seed := range 200 {
		n, x := 1+seed%7, uint32(seed)*2654435761+1
		var g graph
		reach := make([][]bool, n)
		for i := range n {
			reach[i] = make([]bool, n)
			reach[i][i] = true
			g.first = append(g.first, int32(len(g.to)))
			for k := range n {
				if x = x*1664525 + 1013904223; x>>29 < 2 {
					g.to = append(g.to, int32(k))
					reach[i][k] = true
				}
			}
		}
		for k := range n {
			for i := range n {
				for m := range n {
					reach[i][m] = reach[i][m] || reach[i][k] && reach[k][m]
				}
			}
		}
		want, got := map[string]bool{}, map[string]bool{}
		for i := range n {
			var members []int32
			last := true
			for k := range n {
				if reach[i][k] && reach[k][i] {
					members = append(members, int32(k))
				}
				last = last && (!reach[i][k] || reach[k][i])
			}
			want[fmt.Sprint(members, last)] = true
		}
		g.components(func(members []int32, last bool) bool {
			got[fmt.Sprint(members, last)] = true
			return false
		})
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("seed %d: %v, want %v", seed, got, want)
		}
	}
}

// TestRecords finds what the project's conversations show.
func TestRecords(t *testing.T) {
	for name, talk := range load(t, "../../../project.xml") {
		records, problems := Records(talk)
		if len(records) == 0 || len(problems) > 0 {
			t.Errorf("%s: %d records, %v", name, len(records), problems)
		}
		for _, r := range records {
			var text strings.Builder
			r.Chart(&text)
			if svg := r.SVG(); len(r.path) < 2 || !strings.HasSuffix(svg, "</svg>\n") {
				t.Errorf("%s: %s has %d steps", name, r.Name, len(r.path))
			}
			t.Logf("%s: %s\n%s", name, r.Name, text.String())
		}
	}
}

// FuzzCheck reads anything as a conversation.
func FuzzCheck(f *testing.F) {
	files := fstest.MapFS{}
	for _, name := range []string{"resume.xml", "resume_msg.xml", "whole.xml"} {
		text, err := os.ReadFile("testdata/resume/" + name)
		if err != nil {
			f.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: text}
	}
	f.Add(string(files["whole.xml"].Data))
	f.Add(`<conversation><side like="a" swaps="b c"/><link between="a, b"/><signal numbers="a"/></conversation>`)
	f.Fuzz(func(t *testing.T, text string) {
		files["whole.xml"] = &fstest.MapFile{Data: []byte(text)}
		project, err := model.Load(files, "whole.xml")
		if err != nil {
			return
		}
		for _, talk := range project.Talks {
			Check(talk)
		}
	})
}
