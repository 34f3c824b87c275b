package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rivo/uniseg"
)

// paper is a terminal as far as the editor uses one. When it becomes narrower, it wraps its
// rows, or cuts them.
type paper struct {
	t         *testing.T
	wraps     bool
	columns   int
	rows      []string // clusters of characters, with a row that is continued ending in a soft break
	soft      []bool   // whether the row is continued by the next
	x, y      int
	savedX    int
	savedY    int
	questions int // for the cursor's place
}

func newPaper(t *testing.T, columns int) *paper {
	return &paper{t: t, columns: columns, rows: []string{""}, soft: []bool{false}}
}

func (p *paper) Write(b []byte) (int, error) {
	for text := string(b); text != ""; {
		switch {
		case strings.HasPrefix(text, "\x1b7"):
			p.savedX, p.savedY, text = p.x, p.y, text[2:]
		case strings.HasPrefix(text, "\x1b8"):
			p.x, p.y, text = p.savedX, p.savedY, text[2:]
		case strings.HasPrefix(text, "\x1b["):
			n := sequence([]byte(text))
			p.obey(text[2:n-1], text[n-1])
			text = text[n:]
		case text[0] == '\r':
			p.x, text = 0, text[1:]
		case text[0] == '\n':
			p.down(false)
			text = text[1:]
		default:
			cluster, rest, wide, _ := uniseg.FirstGraphemeClusterInString(text, -1)
			p.put(cluster, wide)
			text = rest
		}
	}
	return len(b), nil
}

func (p *paper) obey(parameters string, final byte) {
	switch final {
	case 'J':
		if parameters == "2" {
			p.rows, p.soft, p.y = []string{""}, []bool{false}, 0
			return
		}
		p.rows[p.y] = before(p.rows[p.y], p.x)
		p.rows, p.soft = p.rows[:p.y+1], p.soft[:p.y+1]
		p.soft[p.y] = false
	case 'A':
		n, err := strconv.Atoi(parameters)
		if err != nil || n > p.y {
			p.t.Fatalf("the cursor goes %q rows up from row %d", parameters, p.y)
		}
		p.y -= n
	case 'H':
		p.x, p.y = 0, 0
	case 'n':
		p.questions++
	case 'm', 'h', 'l':
	default:
		p.t.Fatalf("a control sequence with %q", final)
	}
}

// before returns what of a row is before a column.
func before(row string, column int) string {
	row = fitting(row, column)
	return row + strings.Repeat(" ", column-width(row))
}

func (p *paper) put(cluster string, wide int) {
	if p.x+wide > p.columns {
		p.down(true)
		p.x = 0
	}
	after := strings.TrimPrefix(p.rows[p.y], fitting(p.rows[p.y], p.x+wide))
	p.rows[p.y] = before(p.rows[p.y], p.x) + cluster + after
	p.x += wide
}

func (p *paper) down(soft bool) {
	p.soft[p.y] = soft
	if p.y++; p.y == len(p.rows) {
		p.rows, p.soft = append(p.rows, ""), append(p.soft, false)
	}
}

// narrow changes the width, as terminals do: the cursor stays with the character under it, or
// in its row.
func (p *paper) narrow(columns int) {
	p.columns = columns
	if !p.wraps {
		for i, row := range p.rows {
			p.rows[i] = fitting(row, columns)
		}
		p.x = min(p.x, columns-1)
		return
	}
	rows, soft, at := p.rows, p.soft, p.y
	p.rows, p.soft, p.y = []string{""}, []bool{false}, 0
	x := p.x
	p.x = 0
	var cursorX, cursorY int
	for i, row := range rows {
		if i == at {
			cursorY, cursorX = wrapped(before(row, x), columns)
			cursorY += p.y
		}
		for row != "" {
			cluster, rest, wide, _ := uniseg.FirstGraphemeClusterInString(row, -1)
			p.put(cluster, wide)
			row = rest
		}
		if i < len(rows)-1 && !soft[i] {
			p.down(false)
			p.x = 0
		}
	}
	for cursorY >= len(p.rows) {
		p.rows, p.soft = append(p.rows, ""), append(p.soft, false)
	}
	p.x, p.y = cursorX, cursorY
}

// shows checks the rows, but for empty ones, and what is before the cursor in its row.
func (p *paper) shows(cursor string, want ...string) {
	p.t.Helper()
	var got []string
	for _, row := range p.rows {
		if row = strings.TrimRight(row, " "); row != "" {
			got = append(got, row)
		}
	}
	if !slices.Equal(got, want) {
		p.t.Errorf("the terminal shows\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := before(p.rows[p.y], p.x); got != cursor {
		p.t.Errorf("before the cursor is %q, not %q", got, cursor)
	}
}

// editing returns an editor on a terminal.
func editing(t *testing.T, columns int) (*editor, *paper) {
	p := newPaper(t, columns)
	e := &editor{out: p, columns: func() int { return p.columns }, wait: newLineQueue(), prompt: "room> ",
		offer: func(before string) (string, []string) { return before, nil }}
	if err := e.open(); err != nil {
		t.Fatal(err)
	}
	return e, p
}

func types(t *testing.T, e *editor, text string) {
	t.Helper()
	if err := e.feed([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// waiting returns the lines that were entered.
func (q *lineQueue) waiting() []typed { return append([]typed(nil), q.lines...) }

func TestNarrowing(t *testing.T) {
	for _, wraps := range []bool{true, false} {
		t.Run(fmt.Sprintf("wraps %t", wraps), func(t *testing.T) {
			e, p := editing(t, 30)
			p.wraps = wraps
			fmt.Fprintln(e, "ana: hello")
			types(t, e, "one two 你好 four")
			p.shows("room> one two 你好 four", "ana: hello", "room> one two 你好 four")
			for _, step := range []struct {
				columns int
				line    string
			}{{18, "room> … 你好 four"}, {12, "room> …four"}, {40, "room> one two 你好 four"}, {22, "room> … two 你好 four"}} {
				p.narrow(step.columns)
				asked := p.questions
				if err := e.resized(); err != nil {
					t.Fatal(err)
				}
				if p.questions > asked {
					types(t, e, fmt.Sprintf("\x1b[%d;%dR", p.y+1, p.x+1))
				}
				p.shows(step.line, fitting("ana: hello", step.columns), step.line)
			}
			types(t, e, "\x01") // Home
			fmt.Fprintln(e, "ben: hi")
			p.shows("room> ", "ana: hello", "ben: hi", "room> one two 你好 f…")
			types(t, e, "\r")
			if got := e.wait.waiting(); !slices.Equal(got, []typed{{"one two 你好 four", false}}) {
				t.Errorf("entered %v", got)
			}
		})
	}
}

// TestNarrowedMeanwhile has something written after the terminal has become narrower and before
// it tells where its cursor is, or without a word of that.
func TestNarrowedMeanwhile(t *testing.T) {
	e, p := editing(t, 30)
	p.wraps = true
	types(t, e, "one two three four five")
	p.narrow(12)
	if err := e.resized(); err != nil || p.questions != 1 {
		t.Fatal(err, p.questions)
	}
	fmt.Fprintln(e, "ana: hello")
	p.shows("room> …five", "ana: hello", "room> …five")
	types(t, e, "\x1b[9;9R")
	p.shows("room> …five", "ana: hello", "room> …five")
	p.narrow(9)
	types(t, e, "!")
	p.shows("roo……ve!", "ana: hell", "o", "roo……ve!")
}

func TestEditing(t *testing.T) {
	for _, test := range []struct{ keys, before, after string }{
		{"abc\x1b[D\x1b[Dx", "ax", "bc"},
		{"e\u0301x\x7f\x7f", "", ""},
		{"a👩\u200d👩\u200d👧\x1b[D", "a", "👩\u200d👩\u200d👧"},
		{"你好\x1b[D\x1b[3~", "你", ""},
		{"one two  three\x17\x17", "one ", ""},
		{"one two three\x1b[1;5D\x1bb\x0b", "one ", ""},
		{"one two\x01\x1b[1;5C\x15", "", "two"},
		{"one\x1b[H\x1b[C\x1bOF!", "one!", ""},
		{"one\x1b[99;99~\x1b[5~\x00\x1b?two", "onetwo", ""},
		{"one\xfftwo", "onetwo", ""},
		{"first\rsecond\x1b[A", "first", ""},
		{"first\rsecond\x1b[A\x1b[A\x1b[B", "second", ""},
		{"a\tb", "ab", ""},
	} {
		e, _ := editing(t, 40)
		for i := range len(test.keys) { // however it is cut into reads
			types(t, e, test.keys[i:i+1])
		}
		if e.line.before != test.before || e.line.after != test.after {
			t.Errorf("%q makes %q and %q", test.keys, e.line.before, e.line.after)
		}
	}
	e, _ := editing(t, 40)
	if err := e.feed([]byte("half\x03")); err != errQuit {
		t.Errorf("Ctrl-C is %v", err)
	}
	types(t, e, "\x15\x04")
	if got := e.wait.waiting(); !slices.Equal(got, []typed{{"/quit", false}}) {
		t.Errorf("Ctrl-D enters %v", got)
	}
}

func TestPasting(t *testing.T) {
	paste := func(text string) string { return "\x1b[200~" + text + "\x1b[201~" }
	for _, test := range []struct {
		name, keys string
		before     string
		want       []typed
	}{
		{"one line is not sent", paste("one\tline\r"), "one\tline", nil},
		{"yes", "see: " + paste("one\r\n/two\n\nthree") + "y", "", []typed{{"see: one", true}, {"/two", true}, {"three", true}}},
		{"no", "see: " + paste("one\rtwo\r") + "n", "see: ", nil},
		{"Ctrl-C", paste("one\rtwo\r") + "\x03", "", nil},
		{"Enter", paste("one\rtwo\r") + "\r", "", nil},
		{"controls are text", paste("\x03\x04\x1b[Aone\x1b[20"), "\x03\x04\x1b[Aone\x1b[20", nil},
		{"too much", paste(strings.Repeat("line\r", 1<<19)), "", nil},
		{"too many lines", paste(strings.Repeat("\r", maxWaits+2)), "", nil},
		{"too long a line", paste(strings.Repeat("x", maxTyped+1)), "", nil},
		{"not UTF-8", paste("\xff"), "\ufffd", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, p := editing(t, 60)
			for chunk := range slices.Chunk([]byte(test.keys), 1000) {
				types(t, e, string(chunk))
			}
			if got := e.wait.waiting(); !slices.Equal(got, test.want) || e.line.text() != test.before {
				t.Errorf("entered %v, and %q is in the line", got, e.line.text())
			}
			if len(e.paste) > 0 || e.pasting || e.question != nil {
				t.Error("it is not over")
			}
			if strings.HasPrefix(test.name, "too") && !strings.Contains(strings.Join(p.rows, ""), "dropped") {
				t.Errorf("dropped without a word: %q", p.rows)
			}
		})
	}
	e, p := editing(t, 80)
	types(t, e, paste("one\rtwo\r"))
	const question = "send each line as a message? [y/N]"
	p.shows(question+" ", `* pasted 2 lines, 8 octets, from "one" to "two"; to be said, no commands`, question)
	fmt.Fprintln(e, "ana: hello")
	p.shows(question+" ", `* pasted 2 lines, 8 octets, from "one" to "two"; to be said, no commands`, "ana: hello", question)
}

// TestLinesThatWait checks that what waits is bounded, and that what is not taken stays.
func TestLinesThatWait(t *testing.T) {
	e, p := editing(t, 80)
	types(t, e, strings.Repeat("x\r", maxWaits))
	types(t, e, "one more\r")
	if len(e.wait.waiting()) != maxWaits || e.line.text() != "one more" {
		t.Errorf("%d lines wait, and %q is typed", len(e.wait.waiting()), e.line.text())
	}
	if got := p.rows[len(p.rows)-2]; got != "* not sent: 4096 lines wait already" {
		t.Errorf("told %q", got)
	}
	types(t, e, "\x15"+strings.Repeat("x", maxTyped))
	types(t, e, "y")
	if e.line.text() != strings.Repeat("x", maxTyped) {
		t.Errorf("a line has %d octets", len(e.line.text()))
	}
}

// FuzzEditor checks that nothing that is typed or arrives makes the row wrap, or a fault.
func FuzzEditor(f *testing.F) {
	f.Add("one two\x1b[D", "ana: hi", uint8(20))
	f.Add("\x1b[200~a\rb\x1b[201~y", "", uint8(1))
	f.Add("你好\x7f👩\u200d👩\x1b[1;5D", "é", uint8(3))
	f.Add("\x1b[1;9R\x1b[6n\x1b", "\x1b[2J", uint8(9))
	f.Fuzz(func(t *testing.T, keys, text string, columns uint8) {
		p := newPaper(t, int(columns)+1)
		e := &editor{out: io.Discard, columns: func() int { return p.columns }, wait: newLineQueue(), prompt: "room> ",
			offer: func(before string) (string, []string) { return before + "x", []string{before} }}
		for i := range len(keys) {
			if err := e.feed([]byte(keys[i : i+1])); err != nil && err != errQuit {
				t.Fatal(err)
			}
			if row, _ := wrapped(e.left, p.columns); row > 0 && p.columns > 4 {
				t.Fatalf("the row is wider than %d: %q", p.columns, e.left)
			}
		}
		if strings.ContainsFunc(e.left, func(r rune) bool { return !safe(r) }) {
			t.Errorf("the row is not safe: %q", e.left)
		}
		fmt.Fprintln(e, clean(text))
	})
}
