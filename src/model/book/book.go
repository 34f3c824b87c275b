// Package book makes one readable volume in HTML of the pages that the generator prints from
// models: with all diagrams, links both ways, a search, and perhaps what a branch changes and
// where a node has been.
//
// Programs import bindings/go/once: what is here may change at any time.
package book

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

//go:embed book.html book.css book.js
var files embed.FS

// Book is a volume that is being made.
type Book struct {
	project  *model.Project
	pages    fs.FS
	sections []*section
	anchors  map[string]string // by PAGE#HEADING
	figures  int
	changes  []Change
	visits   map[string]int // of states, by MACHINE.STATE
	last     map[string]bool
	stray    []Change // changes that no section is about
	notes    []string
}

// Notes are links of the pages that lead nowhere: they stand as text. All are known when the book
// is made.
func (b *Book) Notes() []string { return b.notes }

func (b *Book) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.notes, text) {
		b.notes = append(b.notes, text)
	}
}

// Change is something that a reviewer is to see.
type Change struct {
	Model, Path string
	Class       string // as WIRE
	Text        string
	Breaks      bool
}

// New reads the pages of a project. README.md is the first, and names the others.
func New(project *model.Project, pages fs.FS) (*Book, error) {
	b := &Book{project: project, pages: pages, anchors: map[string]string{}, visits: map[string]int{}, last: map[string]bool{}}
	index, err := fs.ReadFile(pages, "README.md")
	if err != nil {
		return nil, fmt.Errorf("%w: make generate prints the pages", err)
	}
	ids := map[string]bool{}
	names := []string{"README"}
	for _, link := range links.FindAllStringSubmatch(hide(comment.ReplaceAllString(string(index), "")), -1) {
		if name, is := strings.CutSuffix(link[2], ".md"); is && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if !pageName.MatchString(name) {
			b.note("README.md links to %q, which is no page that the generator prints", name+".md")
			continue
		}
		text, err := fs.ReadFile(pages, name+".md")
		if errors.Is(err, fs.ErrNotExist) && !b.printed(name) {
			b.note("README.md links to %s.md, which is not there", name)
			continue
		} else if err != nil {
			return nil, err
		}
		r := &reader{page: name, ids: ids, anchors: b.anchors, figure: func(file string) (string, error) { return b.figure(name, file) }}
		r.read(b.linked(name, string(text)))
		if r.err != nil {
			return nil, r.err
		}
		b.anchors[name+"#"] = name
		b.sections = append(b.sections, r.sections...)
	}
	return b, nil
}

// printed tells whether the generator prints a page of a name.
func (b *Book) printed(name string) bool {
	return name == "api" || name == "README" || slices.ContainsFunc(b.project.Models(), func(e *model.Element) bool {
		return e.Name() == name || "conversation_"+e.Name() == name
	})
}

// Changed draws changes into the sections that they are about.
func (b *Book) Changed(changes []Change) { b.changes = changes }

// Visited highlights a state in which a machine has been; it is the last that it was in, if that
// is so.
func (b *Book) Visited(machine, state string, times int, last bool) {
	name := machine + "." + state
	b.visits[name] += times
	b.last[name] = b.last[name] || last
}

// pageName is the name of a page, which becomes part of HTML.
var pageName = regexp.MustCompile(`^[A-Za-z0-9_. -]+$`)

var (
	ids   = regexp.MustCompile(`\bid="([^"]+)"`)
	uses  = regexp.MustCompile(`url\(#([^)]+)\)`)
	nodes = regexp.MustCompile(`(?s)<g id="([^"]*)" class="node">\n<title>(.*?)</title>\n(.*?)</g>`)
)

// figure is a picture of a page, with names of its own. The states of a machine lead to their
// sections.
func (b *Book) figure(page, file string) (string, error) {
	svg, err := fs.ReadFile(b.pages, file)
	if err != nil {
		return "", fmt.Errorf("%w: dot (apt-get install graphviz) draws it from the .dot of that name", err)
	}
	b.figures++
	text := comment.ReplaceAllString(string(svg), "")
	if err := drawing(file, text); err != nil {
		return "", err
	}
	own := fmt.Sprintf("f%d-", b.figures)
	text = ids.ReplaceAllString(text, `id="`+own+`$1"`)
	text = uses.ReplaceAllString(text, "url(#"+own+"$1)")
	m := b.machine(page)
	if m == nil {
		return text, nil
	}
	return nodes.ReplaceAllStringFunc(text, func(node string) string {
		parts := nodes.FindStringSubmatch(node)
		for _, s := range m.States {
			if strings.ReplaceAll(s.Name(), " ", "_") == html.UnescapeString(parts[2]) {
				return fmt.Sprintf("<g id=\"%s\" class=\"node\" data-state=\"%s.%s\"><a href=\"%s%s#%s\">\n<title>%s</title>\n%s</a></g>",
					parts[1], html.EscapeString(page), html.EscapeString(s.Name()), mark, html.EscapeString(page), slug(s.Name()), html.EscapeString(s.Name()), parts[3])
			}
		}
		return node
	}), nil
}

func (b *Book) machine(name string) *model.Machine {
	for _, m := range b.project.Machines {
		if m.Name() == name || model.CName(m.Name()) == name {
			return m
		}
	}
	return nil
}

var (
	sends   = regexp.MustCompile(`\bsend ([A-Z][A-Z0-9-]*)`)
	inherit = regexp.MustCompile(`^It inherits from (.*)\.$`)
	timeout = regexp.MustCompile(`^Its time-out is (.*)\.$`)
)

// linked puts links into a page of a machine: from actions to the messages that they send, and
// from steps to the states that they lead to.
func (b *Book) linked(page, text string) string {
	m := b.machine(page)
	if m == nil {
		return text
	}
	state := func(name string) string {
		if m.State(bare(name)) == nil {
			return name
		}
		return fmt.Sprintf("[%s](#%s)", name, slug(bare(name)))
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if of := inherit.FindStringSubmatch(line); of != nil {
			line = "It inherits from " + state(hide(of[1])) + "."
		}
		line = timeout.ReplaceAllString(line, "Its time-out is [$1](#time-outs).")
		if !strings.HasPrefix(line, "|") {
			lines[i] = line
			continue
		}
		parts := cells(line)
		if len(parts) == 4 && strings.HasPrefix(parts[0], "`") {
			parts[2] = state(parts[2])
		}
		if len(parts) == 2 && strings.Contains(parts[1], ".") {
			parts[1] = places(parts[1], state)
		}
		line = "| " + strings.Join(parts, " | ") + " |"
		lines[i] = sends.ReplaceAllStringFunc(line, func(action string) string {
			name := strings.TrimPrefix(action, "send ")
			if m.Protocol == nil || !has(b.project, m.Protocol) || m.Protocol.Message(name) == nil {
				return action
			}
			return fmt.Sprintf("send [%s](%s.md#%s)", name, model.CName(m.Protocol.Name()), slug(name))
		})
	}
	return strings.Join(lines, "\n")
}

// places links the states in a list of STATE.EVENT.
func places(list string, state func(string) string) string {
	items := strings.Split(list, ", ")
	for i, item := range items {
		if of, event, ok := strings.Cut(item, "."); ok {
			items[i] = state(of) + "." + event
		}
	}
	return strings.Join(items, ", ")
}

var within = regexp.MustCompile(`(?s)<a href="` + mark + `([^"]*)">(.*?)</a>`)

// settle turns the links within the book into what they lead to, and tells each section who
// refers to it.
func (b *Book) settle() map[string][]*section {
	from := map[string][]*section{}
	for _, s := range b.sections {
		body := within.ReplaceAllStringFunc(s.body.String(), func(link string) string {
			parts := within.FindStringSubmatch(link)
			name := parts[1]
			id := b.anchors[name]
			if id == "" {
				b.note("%s links to %s, which is no heading", s.id, html.UnescapeString(name))
				return parts[2]
			}
			if id != s.id && !strings.HasPrefix(name, "README#") && s.page != "README" && !slices.Contains(from[id], s) {
				from[id] = append(from[id], s)
			}
			return fmt.Sprintf(`<a href="#%s">%s</a>`, id, parts[2])
		})
		s.body.Reset()
		s.body.WriteString(body)
	}
	return from
}

// about finds the section that a change is about: of the model's page, or of its part of the API,
// that with the longest title which the path begins with.
func (b *Book) about(c Change) *section {
	var best *section
	for _, s := range b.sections {
		mine := s.page == c.Model || s.page == "api" && (s.title == c.Model || s.above != nil && s.above.title == c.Model)
		switch {
		case !mine:
		case best == nil:
			best = s
		case s.level > 1 && (c.Path == s.title || strings.HasPrefix(c.Path, s.title) && !letter(c.Path[len(s.title)])) &&
			(len(s.title) > len(best.title) || best.level < 3 && best.title != s.title):
			best = s
		}
	}
	return best
}

func letter(c byte) bool {
	return c == '-' || c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// HTML is the whole volume.
func (b *Book) HTML() (string, error) {
	from := b.settle()
	changed := map[*section][]Change{}
	for _, c := range b.changes {
		if s := b.about(c); s != nil {
			changed[s] = append(changed[s], c)
		} else {
			b.stray = append(b.stray, c)
		}
	}
	pages, err := template.New("book.html").ParseFS(files, "book.html")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	fmt.Fprintf(&out, "<!-- Code generated by once-model from %s; DO NOT EDIT. -->\n", html.EscapeString(model.OneLine(b.project.File)))
	err = pages.Execute(&out, b.volume(from, changed))
	return out.String(), err
}

func embedded(name string) (string, error) {
	text, err := files.ReadFile(name)
	return string(text), err
}

// volume is what the template needs.
type volume struct {
	Title   string
	Style   template.CSS
	Script  template.JS
	Allowed string // the one script that a browser may run, whatever pages and pictures have
	Parts   []*part
	Changes []shownChange
	Visits  int
}

// part is a section, as the template needs it.
type part struct {
	ID, Title string
	Short     string // title in the contents
	Level     int
	Body      template.HTML
	From      []*section
	Changes   []Change
}

// shownChange is a change with where it is shown.
type shownChange struct {
	Change
	ID string
}

func (s *section) ID() string { return s.id }

// Name is how others refer to the section.
func (s *section) Name() string {
	if s.above != nil && s.above.level > 1 && s.page == "api" {
		return s.above.title + " " + s.title
	}
	if s.level > 1 {
		return s.page + " " + s.title
	}
	return s.title
}

func (b *Book) volume(from map[string][]*section, changed map[*section][]Change) *volume {
	style, _ := embedded("book.css")
	script, _ := embedded("book.js")
	sum := sha256.Sum256([]byte(script))
	v := &volume{Title: b.project.Name(), Style: template.CSS(style), Script: template.JS(script),
		Allowed: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), Visits: len(b.visits)}
	for _, s := range b.sections {
		body := s.body.String()
		if s.page != "README" {
			body = b.highlighted(body)
		}
		v.Parts = append(v.Parts, &part{s.id, s.title, short(s), s.level, template.HTML(body), from[s.id], changed[s]})
		for _, c := range changed[s] {
			v.Changes = append(v.Changes, shownChange{c, s.id})
		}
	}
	for _, c := range b.stray {
		v.Changes = append(v.Changes, shownChange{c, ""})
	}
	return v
}

// short is the title of a section in the contents: of a page, the name before the colon.
func short(s *section) string {
	if name, _, named := strings.Cut(s.title, ":"); named && s.level == 1 {
		return name
	}
	return s.title
}

var drawn = regexp.MustCompile(`class="node" data-state="([^"]*)"`)

// highlighted marks the states in the diagrams that machines have been in.
func (b *Book) highlighted(body string) string {
	return drawn.ReplaceAllStringFunc(body, func(node string) string {
		name := html.UnescapeString(drawn.FindStringSubmatch(node)[1])
		class := "node"
		if b.visits[name] > 0 {
			class += " visited"
		}
		if b.last[name] {
			class += " last"
		}
		return fmt.Sprintf(`class="%s" data-times="%d" data-state="%s"`, class, b.visits[name], html.EscapeString(name))
	})
}
