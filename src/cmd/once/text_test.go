package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, test := range []struct{ given, want string }{
		{"", ""},
		{"Ana Ünïcode 你好 ", "Ana Ünïcode 你好 "},
		{"👩\u200d👩\u200d👧 نمی\u200cخواهم", "👩\u200d👩\u200d👧 نمی\u200cخواهم"},
		{"\x1b[2J\a\r\n\t", `\x1b[2J\a\r\n\t`},
		{"\u009b31m", `\u009b31m`},                  // CSI in one character
		{"a\u202eb\u2066c", `a\u202eb\u2066c`},      // changes of direction
		{"a\u2028b", `a\u2028b`},                    // line separator
		{"\xff\xc3(\ufffd", `\xff\xc3(` + "\ufffd"}, // not UTF-8, and the character that stands for it
		{`"quotes" and \`, `"quotes" and \`},
	} {
		if got := clean(test.given); got != test.want {
			t.Errorf("clean(%q) = %q, want %q", test.given, got, test.want)
		}
	}
}

func TestContent(t *testing.T) {
	for _, test := range []struct {
		frames []string
		limit  int
		want   string
	}{
		{nil, 0, ""},
		{[]string{""}, 0, ""},
		{[]string{"one", "", "three\n"}, 0, `one |  | three\n`},
		{[]string{"four", "five"}, 8, "four | five"},
		{[]string{"four", "five"}, 7, "four | fiv… (8 octets)"},
		{[]string{"aé"}, 2, "a… (3 octets)"},
		{[]string{strings.Repeat("x", 5000)}, 10, "xxxxxxxxxx… (5000 octets)"},
	} {
		frames := make([][]byte, len(test.frames))
		for i, frame := range test.frames {
			frames[i] = []byte(frame)
		}
		if got := content(frames, test.limit); got != test.want {
			t.Errorf("content(%q, %d) = %q, want %q", test.frames, test.limit, got, test.want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct {
		given string
		width int
		want  string
	}{
		{"ana", 3, "ana"},
		{"anna", 3, "an…"},
		{"äöüß", 3, "äö…"},
		{"\x1b\x1b", 5, `\x1b…`},
	} {
		if got := cut(test.given, test.width); got != test.want {
			t.Errorf("cut(%q, %d) = %q, want %q", test.given, test.width, got, test.want)
		}
	}
}

func TestEncode(t *testing.T) {
	text, encoding := encode([][]byte{[]byte("é"), {}})
	if len(text) != 2 || text[0] != "é" || text[1] != "" || encoding != "" {
		t.Errorf("text became %q, %q", text, encoding)
	}
	text, encoding = encode([][]byte{[]byte("hi"), {0xff}})
	if len(text) != 2 || text[0] != "aGk=" || text[1] != "/w==" || encoding != "base64" {
		t.Errorf("octets became %q, %q", text, encoding)
	}
}

// What is not text goes in the shorter of two ways; text does as it is.
func TestEncodeIsShort(t *testing.T) {
	for given, want := range map[string]string{
		"":                                   "",
		"text\r\n\twith \"quotes\"":          "",
		strings.Repeat("\n", 100):            "",
		"\x00":                               "base64", // 4 octets against 6
		"\x1b[31mred and long enough\x1b[0m": "",
		strings.Repeat("\x01", 9) + "text":   "base64",
		"\xff":                               "base64",
	} {
		content, encoding := encode([][]byte{[]byte(given)})
		if encoding != want || encoding == "" && content[0] != given {
			t.Errorf("%q became %q, %q", given, content, encoding)
		}
	}
	for _, text := range []string{"\x00\b\f\n\r\t\v\x7f\u009b\u2028\u202e😀\U000e0001é\"\\<&>", ""} {
		var written bytes.Buffer
		if err := writeJSON(&written, text); err != nil {
			t.Fatal(err)
		}
		size := len(`""` + "\n")
		for _, r := range text {
			size += escapedSize(r)
		}
		if size != written.Len() {
			t.Errorf("%q takes %d octets, and not %d: %s", text, written.Len(), size, written.String())
		}
	}
}

// FuzzClean checks that nothing from the network can make a terminal do more
// than show a line, and that JSON keeps its meaning.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "ana", "\x1b]0;title\a", "\u009b2J", "\u202eevil", "\xc3\x28", "😀\U000e0001", "\u2028"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := clean(s); !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !safe(r) }) {
			t.Errorf("clean(%q) = %q is not safe", s, got)
		}
		want, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		got := cleanJSON(want)
		if strings.ContainsFunc(string(got), func(r rune) bool { return !safe(r) && r <= 0xffff }) {
			t.Errorf("cleanJSON(%q) = %q is not safe", want, got)
		}
		var before, after string
		if json.Unmarshal(want, &before) != nil || json.Unmarshal(got, &after) != nil || before != after {
			t.Errorf("JSON of %q became %q", before, after)
		}
	})
}
