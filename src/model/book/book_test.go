package book

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sjohnr/at-once/src/model"
)

const root = "../../.."

func project(t testing.TB) *model.Project {
	t.Helper()
	p, err := model.Load(model.Disk{}, root+"/project.xml")
	if err != nil || len(p.Problems) > 0 {
		t.Fatal(err, p.Problems)
	}
	return p
}

// volumeOf makes the project's book.
func volumeOf(t testing.TB, change func(*Book)) string {
	t.Helper()
	b, err := New(project(t), os.DirFS(root+"/generated/doc"))
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	text, err := b.HTML()
	if err != nil || len(b.Notes()) > 0 {
		t.Fatal(err, b.Notes())
	}
	return text
}

var (
	allIDs   = regexp.MustCompile(`\bid="([^"]+)"`)
	allLinks = regexp.MustCompile(`href="([^"]*)"`)
	allUses  = regexp.MustCompile(`url\(#([^)]+)\)`)
	tags     = regexp.MustCompile(`<[^>]*>`)
)

// Each link leads somewhere, no name is given twice, and nothing is fetched.
func TestLinks(t *testing.T) {
	text := volumeOf(t, func(*Book) {})
	ids := map[string]bool{}
	for _, id := range allIDs.FindAllStringSubmatch(text, -1) {
		if ids[id[1]] {
			t.Errorf("%s is there twice", id[1])
		}
		ids[id[1]] = true
	}
	for _, link := range append(allLinks.FindAllStringSubmatch(text, -1), allUses.FindAllStringSubmatch(text, -1)...) {
		id := html.UnescapeString(strings.TrimPrefix(link[1], "#"))
		switch {
		case strings.HasPrefix(id, "https://"):
		case !ids[id] && (strings.HasSuffix(id, ".json") || strings.HasPrefix(id, "../")):
			if _, err := os.Stat(root + "/generated/doc/" + id); err != nil {
				t.Errorf("%s: %v", id, err)
			}
		case !ids[id]:
			t.Errorf("nothing is called %s", id)
		}
	}
	if strings.Contains(text, mark) || strings.Contains(text, "<img") || strings.Contains(text, " src=") {
		t.Error("the book needs another file, or has a link that is not settled")
	}
}

// part returns the text of a section.
func sectionOf(t *testing.T, text, id string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, fmt.Sprintf(`<section id="%s"`, id))
	if !found {
		t.Errorf("there is no section %s", id)
	}
	rest, _, _ = strings.Cut(rest, "</section>")
	return html.UnescapeString(tags.ReplaceAllString(rest, " "))
}

// Every message, state, event, method and limit of the models occurs, where it belongs.
func TestEverythingOccurs(t *testing.T) {
	p, text := project(t), volumeOf(t, func(*Book) {})
	occurs := func(id, what string) {
		if !strings.Contains(sectionOf(t, text, id), what) {
			t.Errorf("%s lacks %s", id, what)
		}
	}
	n := 0
	for _, m := range p.Protocols {
		for _, message := range m.Messages {
			id := m.Name() + "-" + slug(message.Name())
			if !strings.Contains(text, fmt.Sprintf(`<section id="%s"`, id)) {
				id = m.Name() + "-messages-" + slug(message.Name()) // a section of prose has the name
			}
			for _, f := range message.Fields {
				n++
				occurs(id, f.Name())
				if max := f.Attr("max"); max != "" {
					occurs(id, max)
				}
			}
		}
		for limit := range m.All("limit") {
			n++
			occurs(m.Name()+"-further-limits", limit.Name())
			occurs(m.Name()+"-further-limits", limit.Attr("max"))
		}
	}
	for _, m := range p.Machines {
		for _, s := range m.States {
			for _, e := range s.Events {
				n++
				occurs(m.Name()+"-"+slug(s.Name()), e.Name())
				occurs(m.Name()+"-"+slug(s.Name()), e.Doc())
			}
		}
		for _, timeout := range m.Timeouts {
			occurs(m.Name()+"-time-outs", timeout.Name())
		}
	}
	for _, c := range p.Classes {
		for method := range c.All("method") {
			n++
			sectionOf(t, text, "api-"+c.Name()+"-"+slug(method.Name()))
		}
	}
	for _, talk := range p.Talks {
		for shows := range talk.All("shows") {
			n++
			occurs("conversation_"+talk.Name()+"-"+slug(shows.Name()), shows.Doc())
		}
	}
	if n < 300 {
		t.Errorf("only %d things were looked for", n)
	}
}

// What a branch changes stands where it belongs, and where a node has been is highlighted.
func TestReview(t *testing.T) {
	text := volumeOf(t, func(b *Book) {
		b.Changed([]Change{
			{Model: "zre_msg", Path: "HELLO.endpoint", Class: "WIRE", Text: "is a chunk", Breaks: true},
			{Model: "peer", Path: "probing on word", Class: "STATE", Text: "leads elsewhere"},
			{Model: "once_node", Path: "join", Class: "API", Text: "has <one> more"},
			{Model: "once_gone", Path: "x", Class: "API", Text: "is gone"},
		})
		b.Visited("peer", "probing", 2, false)
		b.Visited("zmtp_handshake", "null ready", 1, true)
	})
	for id, want := range map[string]string{
		"zre_msg-hello": "WIRE BREAKS  HELLO.endpoint: is a chunk", "peer-probing": "STATE  probing on word: leads elsewhere",
		"api-once_node-join": "API  join: has <one> more", "changes": "once_gone",
	} {
		if got := sectionOf(t, text, id); !strings.Contains(got, want) {
			t.Errorf("%s is %.200s, want %s", id, got, want)
		}
	}
	for _, want := range []string{
		`class="node visited" data-times="2" data-state="peer.probing"`,
		`class="node visited last" data-times="1" data-state="zmtp_handshake.null ready"`,
		`class="node" data-times="0" data-state="peer.ready"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s", want)
		}
	}
}

// A name that no lint has seen is text in the book, and no tag.
func TestNames(t *testing.T) {
	const name = `a"&gt;&lt;b&gt;`
	p, err := model.Load(fstest.MapFS{
		"project.xml": {Data: []byte(`<project name = "p"><machine name = "m" api = "m.xml" /></project>`)},
		"m.xml":       {Data: []byte(`<machine name = "m"><state name = "` + strings.ReplaceAll(name, `"`, "&quot;") + `" /></machine>`)},
	}, "project.xml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(p, fstest.MapFS{
		"README.md": {Data: []byte("# A\n\n[m](m.md)\n")},
		"m.md":      {Data: []byte("# m\n\n```mermaid\n```\n\n[SVG](m.svg)\n")},
		"m.svg":     {Data: []byte("<svg><g id=\"node1\" class=\"node\">\n<title>" + name + "</title>\n<path/></g></svg>")},
	})
	if err != nil {
		t.Fatal(err)
	}
	drawn := b.sections[len(b.sections)-1].body.String()
	if !strings.Contains(drawn, `data-state="m.a&#34;&gt;&lt;b&gt;"`) || strings.Contains(drawn, "<b>") {
		t.Error(drawn)
	}
}

// A browser runs the book's own script and no other, whatever pictures have in them; and what is
// printed on paper is dark on light.
func TestBrowser(t *testing.T) {
	text := volumeOf(t, func(*Book) {})
	_, script, _ := strings.Cut(text, "<script>")
	script, _, _ = strings.Cut(script, "</script>")
	sum := sha256.Sum256([]byte(script))
	if want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; script == "" || !strings.Contains(html.UnescapeString(text), want) {
		t.Errorf("there is no %s", want)
	}
	dark := 0
	for line := range strings.Lines(text) {
		if strings.Contains(line, "; color-scheme: dark; }") {
			if dark++; !strings.HasPrefix(line, "@media screen ") {
				t.Errorf("not for screens only: %s", line)
			}
		}
	}
	if dark != 2 {
		t.Errorf("%d times dark", dark)
	}
}

// What is not as the generator prints it is an error, not a book with a hole.
func TestErrors(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no pages":   {},
		"no page":    {"README.md": {Data: []byte("# A\n[peer](peer.md)")}},
		"no picture": {"README.md": {Data: []byte("# A\n```mermaid\n```\n")}},
		"no svg":     {"README.md": {Data: []byte("# A\n```mermaid\n```\n[SVG](a.svg)")}},
	} {
		b, err := New(project(t), files)
		if err == nil {
			_, err = b.HTML()
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A link that leads nowhere, which a sentence of a model may have, is text, and noted.
func TestNotes(t *testing.T) {
	for link, want := range map[string]string{
		"[b](b.md)":           "README.md links to b.md, which is not there",
		"[b](#c)":             "README links to README#c, which is no heading",
		"[b](peer.md#c)":      "README links to peer#c, which is no heading",
		`[b](b" style="c.md)`: `README.md links to "b\" style=\"c.md", which is no page that the generator prints`,
	} {
		b, err := New(project(t), fstest.MapFS{"README.md": {Data: []byte("# A\n" + link)}, "peer.md": {Data: []byte("# B\n")}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := b.HTML()
		if notes := b.Notes(); err != nil || len(notes) == 0 || notes[0] != want {
			t.Errorf("%s: %q, %v", link, notes, err)
		}
		if got := strings.TrimSpace(sectionOf(t, text, "README")); !strings.HasSuffix(got, "b") || strings.Contains(text, mark) {
			t.Errorf("%s: %q", link, got)
		}
	}
}

// A picture that is more than a drawing is refused: its style would be that of the whole book.
func TestPictures(t *testing.T) {
	for picture, good := range map[string]bool{
		`<svg viewBox="0 0 1 1"><!-- a --><g id="b" class="node"><title>c</title><path d="M0 0"/><text x="1">d</text></g></svg>`: true,
		`<svg><style>#changes { display: none }</style></svg>`:                                                                   false,
		`<svg><foreignObject><meta http-equiv="refresh" content="0"/></foreignObject></svg>`:                                     false,
		`<svg><script/></svg>`:           false,
		`<svg><svg/></svg>`:              false,
		`<svg><title><g/></title></svg>`: false,
		`<svg style="position: fixed"/>`: false,
		`<svg overflow="visible"/>`:      false,
		`<svg onload="a()"/>`:            false,
		`<svg><g class="review"/></svg>`: false,
		`<svg/><svg/>`:                   false,
		`<svg></svg></figure>`:           false,
		`<svg><![CDATA[<style>]]></svg>`: false,
		`<?a ><style>b</style>?><svg/>`:  false,
		`<!a ">"><svg/>`:                 false,
		`<!-<!-- -->- --><svg/>`:         false,
		`<p/>`:                           false,
	} {
		b, err := New(project(t), fstest.MapFS{
			"README.md": {Data: []byte("# A\n```mermaid\n```\n[SVG](a.svg)")},
			"a.svg":     {Data: []byte(picture)},
		})
		if (err == nil) != good {
			t.Errorf("%s: %v, %v", picture, b, err)
		}
	}
}

// A page that begins in the middle, and a file with a name that ends comments, are a book, too.
func TestOddPages(t *testing.T) {
	p := project(t)
	p.File = "a--><style>/project.xml"
	b, err := New(p, fstest.MapFS{"README.md": {Data: []byte("[api](api.md)")}, "api.md": {Data: []byte("### a\n")}})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := b.HTML(); err != nil || strings.Contains(text, "a-->") || !strings.Contains(text, `id="api-a"`) {
		t.Errorf("%.200s, %v", text, err)
	}
}

// FuzzPage reads anything as a page. What comes of it has no tags but those of the book.
func FuzzPage(f *testing.F) {
	f.Add("# A\n\n- b\n  c\n1. d\n\n| e | f |\n|---|---:|\n| `g` | [h](#a) |\n\n```\ni\n```\n## J\n### K\n")
	f.Add("```\n")
	f.Add("| a\n|\n#\n")
	p := project(f)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := New(p, fstest.MapFS{"README.md": {Data: []byte(text)}})
		if err != nil {
			return
		}
		for _, s := range b.sections {
			if strings.Contains(strings.ToLower(s.body.String()), "<script") {
				t.Errorf("%q becomes %q", text, s.body.String())
			}
		}
	})
}
