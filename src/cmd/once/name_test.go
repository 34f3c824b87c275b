package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

func somebody(name, id string) known { return known{name: name, id: uuid.MustParse(id)} }

var (
	ben   = somebody("ben", "2adfff46-0000-8000-8000-000000000001")
	ben2  = somebody("ben", "2adfff46-0000-8000-8000-000000000002")
	maria = somebody("Ana Maria", "cafe0001-0000-8000-8000-000000000003")
	cafe  = somebody("cafe", "99990000-0000-8000-8000-000000000004")
	liar  = somebody("carl(55550000)", "66660000-0000-8000-8000-000000000005")
	carl  = somebody("carl", "55550000-0000-8000-8000-000000000006")
	thief = somebody("55550000-0000-8000-8000-000000000006", "77770000-0000-8000-8000-000000000007")
	odd   = somebody("b\x1b\"en", "88880000-0000-8000-8000-000000000008")
	none  = somebody("", "44440000-0000-8000-8000-000000000009")
	all   = []known{ben, ben2, maria, cafe, liar, carl, thief, odd, none}
)

func TestResolve(t *testing.T) {
	for _, test := range []struct {
		who  string
		want []known
	}{
		{"ben", []known{ben, ben2}},
		{"ben(2adfff46)", []known{ben, ben2}},
		{"ben(2adfff46-0000-8000-8000-000000000001)", []known{ben}},
		{"2adfff46", []known{ben, ben2}},
		{"2ADFFF46-0000-8000-8000-000000000002", []known{ben2}},
		{"Ana Maria", []known{maria}},
		{"Ana", nil},
		{"cafe0001", []known{maria}},
		{"cafe", []known{maria, cafe}}, // to be chosen from: a name, and the beginning of an id
		{"9999", []known{cafe}},
		{"999", nil},
		{"carl(55550000)", []known{liar, carl}}, // a name that looks like a label takes no whisper away
		{"carl(55550000)(6666)", []known{liar}},
		{"55550000-0000-8000-8000-000000000006", []known{carl}}, // nor does one that looks like an id
		{`b\x1b"en`, []known{odd}},
		{"(44440000)", []known{none}},
		{"", []known{none}},
		{"ben(", nil},
	} {
		if got := resolve(test.who, all); !slices.Equal(got, test.want) {
			t.Errorf("%q is %v, want %v", test.who, got, test.want)
		}
	}
}

// TestLabels checks that nobody is shown as another is, and that labels are taken for whom
// they show.
func TestLabels(t *testing.T) {
	shown := map[string]known{}
	for _, k := range all {
		label := k.label(all)
		if other, taken := shown[label]; taken {
			t.Errorf("%v and %v are both shown as %q", k, other, label)
		}
		shown[label] = k
		if found := resolve(label, all); len(found) != 1 || found[0] != k {
			t.Errorf("%q, which %v is shown as, is taken for %v", label, k, found)
		}
	}
	for _, want := range []string{"ben(2adfff46-0000-8000-8000-000000000001)", "Ana Maria", "carl", "carl(55550000)(66660000)", "(44440000)"} {
		if _, found := shown[want]; !found {
			t.Errorf("nobody is shown as %q, but %v", want, shown)
		}
	}
	long := strings.Repeat("x", 100)
	a, b := somebody(long+"a", ben.id.String()), somebody(long+"b", carl.id.String())
	if l := a.label([]known{a, b}); !strings.HasSuffix(l, "…(2adfff46)") {
		t.Errorf("one of two whose long names differ at the end is shown as %q", l)
	}
}

func TestOneOf(t *testing.T) {
	benny := known{name: "benny", id: ben.id} // who has two names
	among := append([]known{benny}, all...)
	for called, want := range map[string]string{
		"ben": "ben", "Ana Maria": "Ana Maria", "nobody": "nobody", "9999": "cafe", "carl(5555)": "carl",
		ben.id.String(): ben.id.String(), "2adfff46-0000-8000-8000-000000000001"[:30]: "", "cafe": "", "2adfff46-0000-8000-8000-00000000000": "",
	} {
		if got, err := oneOf(among, called); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v, want %q", called, got, err, want)
		}
	}
	if got, err := oneOf([]known{ben, benny}, "2adfff46"); got != ben.id.String() || err != nil {
		t.Errorf("the digits of one who has two names are %q, %v", got, err)
	}
}

func TestAmbiguous(t *testing.T) {
	crowd := slices.Repeat([]known{ben}, 1000)
	for i := range crowd {
		crowd[i].id = uuid.New()
	}
	if text := ambiguous("ben", crowd).Error(); len(text) > 500 || !strings.Contains(text, "1000 peers") || !strings.Contains(text, "and 995 more") {
		t.Errorf("a crowd is told as %q", text)
	}
}

func TestFirstWord(t *testing.T) {
	for _, test := range []struct{ line, word, rest, fault string }{
		{"ben hi there", "ben", "hi there", ""},
		{"ben", "ben", "", ""},
		{`"Ana Maria"  hi`, "Ana Maria", "hi", ""},
		{`'Ana "Maria"' hi`, `Ana "Maria"`, "hi", ""},
		{`"Ana \"Maria\"" hi`, `Ana "Maria"`, "hi", ""},
		{`"b\x1ben" hi`, "b\x1ben", "hi", ""},
		{`"C:\Ana" hi`, `C:\Ana`, "hi", ""}, // no escape sequence
		{`"Ana Maria hi`, "", "", "a quote is not closed"},
		{`"Ana"Maria hi`, "", "", "leave a blank after the closing quote"},
		{"", "", "", ""},
	} {
		word, rest, err := firstWord(test.line)
		fault := ""
		if err != nil {
			fault = err.Error()
		}
		if word != test.word || rest != test.rest || fault != test.fault {
			t.Errorf("%q is %q, %q, %q", test.line, word, rest, fault)
		}
	}
}

func TestCompleteWord(t *testing.T) {
	names := []string{"ana", "Ana Maria", "Ana Moore", "ben", `qu"ote`, "quiet", "ünal", "ümit"}
	for _, test := range []struct {
		word, want string
		choice     []string
	}{
		{"b", "ben ", nil},
		{"x", "x", nil},
		{"a", "ana ", nil},
		{"A", `"Ana M`, nil},
		{`"Ana M`, `"Ana M`, []string{"Ana Maria", "Ana Moore"}},
		{`"Ana Ma`, `"Ana Maria" `, nil},
		{`'Ana Mo`, `"Ana Moore" `, nil},
		{`qu"`, `"qu\"ote" `, nil},
		{"q", "qu", nil},
		{"qu", "qu", []string{`qu"ote`, "quiet"}},
		{"ü", "ü", []string{"ünal", "ümit"}},
	} {
		got, choice := completeWord("/whisper ", test.word, slices.Clone(names), quote)
		if got != "/whisper "+test.want || !slices.Equal(choice, test.choice) {
			t.Errorf("%q becomes %q with a choice of %q", test.word, got, choice)
		}
	}
	many := make([]string, 1000)
	if _, choice := completeWord("", "", many, quote); len(choice) != maxChoice+1 || choice[maxChoice] != "and 970 more" {
		t.Errorf("of a thousand one has to choose from %d", len(choice))
	}
}

// FuzzWords checks that each name can be said in quotes, and that no line makes a fault of
// the program.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"ana", "Ana Maria", `"`, `'`, `\`, "\x1b", "\xff", "", "ü", `"\`, "a`b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		word, rest, err := firstWord(quote(s) + " hi")
		if err != nil || word != s || rest != "hi" {
			t.Errorf("%q, quoted as %s, is %q, %q, %v", s, quote(s), word, rest, err)
		}
		if _, _, err := firstWord(s); err != nil && s[0] != '"' && s[0] != '\'' {
			t.Errorf("%q: %v", s, err)
		}
		_ = openQuote(s)
		k := known{name: s, id: ben.id}
		if found := resolve(k.label(nil), []known{k}); len(found) != 1 {
			t.Errorf("%q, shown as %q, is not found", s, k.label(nil))
		}
	})
}
