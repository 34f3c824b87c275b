package book

import (
	"fmt"
	"html"
	"regexp"
	"strings"
)

// The pages are printed by the generator, so only the Markdown that it prints is read: headings,
// paragraphs, lists, tables, code, and diagrams as Mermaid or as a chart, in place of which stands
// the SVG that is named behind them. Whatever else a sentence of a model has stands as it is.

// section is a heading with what stands below it, up to the next.
type section struct {
	id    string
	level int // 1 for a page
	title string
	body  strings.Builder // HTML
	page  string
	above *section // of the next lower level, nil for a page
}

// reader makes sections of a page.
type reader struct {
	page     string
	ids      map[string]bool // of the whole book
	anchors  map[string]string
	figure   func(file string) (string, error)
	sections []*section
	lines    []string
	err      error
}

var (
	notSlug  = regexp.MustCompile(`[^a-z0-9 _-]`)
	codes    = regexp.MustCompile("`([^`]*)`")
	links    = regexp.MustCompile(`\[([^\]\n]*)\]\(([^)\n]*)\)`)
	autoLink = regexp.MustCompile(`&lt;(https?://[^&\s]*)&gt;`)
	picture  = regexp.MustCompile(`\[SVG\]\(([^)]*)\)`)
	comment  = regexp.MustCompile(`(?s)<!--.*?-->\s*`)
)

// slug is the name by which GitHub links to a heading.
func slug(heading string) string {
	return strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

func (r *reader) read(text string) {
	r.lines = strings.Split(hide(comment.ReplaceAllString(text, "")), "\n")
	for len(r.lines) > 0 && r.err == nil {
		r.block()
	}
}

func (r *reader) next() string {
	line := r.lines[0]
	r.lines = r.lines[1:]
	return line
}

// while takes the lines that hold, and lines that go on with the last one.
func (r *reader) while(holds func(string) bool) (taken []string) {
	for len(r.lines) > 0 && holds(r.lines[0]) {
		taken = append(taken, r.next())
	}
	return taken
}

func (r *reader) block() {
	line := r.lines[0]
	switch {
	case strings.TrimSpace(line) == "":
		r.next()
	case strings.HasPrefix(line, "#"):
		r.heading(r.next())
	case strings.HasPrefix(line, "```"):
		r.code()
	case strings.HasPrefix(line, "|"):
		r.table(r.while(func(line string) bool { return strings.HasPrefix(line, "|") }))
	case strings.HasPrefix(line, "- "), ordered.MatchString(line):
		r.list()
	default:
		text := strings.Join(r.while(func(line string) bool {
			return strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "```") && !strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "#")
		}), " ")
		if !picture.MatchString(text) { // it stands where the Mermaid was
			r.say("<p>%s</p>\n", r.inline(text))
		}
	}
}

func (r *reader) say(format string, args ...any) {
	if len(r.sections) == 0 {
		r.heading("# " + r.page)
	}
	fmt.Fprintf(&r.sections[len(r.sections)-1].body, format, args...)
}

func (r *reader) heading(line string) {
	title := strings.TrimLeft(line, "#")
	s := &section{level: len(line) - len(title), title: bare(strings.TrimSpace(title)), page: r.page}
	name := slug(s.title)
	for i := len(r.sections) - 1; i >= 0 && s.above == nil; i-- {
		if r.sections[i].level < s.level {
			s.above = r.sections[i]
		}
	}
	switch {
	case s.level == 1:
		s.id = r.page
	case s.level == 3 && r.page == "api" && s.above != nil:
		s.id = s.above.id + "-" + name
	default:
		s.id = r.page + "-" + name
	}
	if r.ids[s.id] && s.above != nil {
		s.id = s.above.id + "-" + name
	}
	for base, n := s.id, 1; r.ids[s.id]; n++ {
		s.id = fmt.Sprintf("%s-%d", base, n)
	}
	r.ids[s.id] = true
	if anchor := r.page + "#" + name; r.anchors[anchor] == "" {
		r.anchors[anchor] = s.id
	}
	r.sections = append(r.sections, s)
}

func (r *reader) code() {
	kind := strings.TrimPrefix(r.next(), "```")
	lines := r.while(func(line string) bool { return !strings.HasPrefix(line, "```") })
	if len(r.lines) > 0 {
		r.next()
	}
	if kind != "mermaid" && kind != "chart" {
		r.say("<pre>%s</pre>\n", shown(html.EscapeString(strings.Join(lines, "\n")), true))
		return
	}
	named := picture.FindStringSubmatch(strings.Join(r.lines, "\n"))
	if named == nil {
		r.err = fmt.Errorf("%s has a diagram without a picture", r.page)
		return
	}
	svg, err := r.figure(named[1])
	r.err = err
	r.say("<figure>%s</figure>\n", svg)
}

func cells(line string) []string {
	cells := strings.Split(strings.Trim(strings.TrimSpace(hide(line)), "|"), "|")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

func (r *reader) table(lines []string) {
	var right []bool
	if len(lines) > 1 {
		for _, cell := range cells(lines[1]) {
			right = append(right, strings.HasSuffix(cell, ":"))
		}
	}
	r.say("<div class=\"table\"><table>\n")
	for i, line := range lines {
		if i == 1 {
			continue
		}
		tag := "td"
		if i == 0 {
			tag = "th"
		}
		r.say("<tr>")
		for k, cell := range cells(line) {
			class := ""
			if k < len(right) && right[k] {
				class = ` class="right"`
			}
			r.say("<%s%s>%s</%s>", tag, class, r.inline(cell), tag)
		}
		r.say("</tr>\n")
	}
	r.say("</table></div>\n")
}

var ordered = regexp.MustCompile(`^\d+\. `)

func (r *reader) list() {
	tag := "ul"
	if ordered.MatchString(r.lines[0]) {
		tag = "ol"
	}
	r.say("<%s>\n", tag)
	for len(r.lines) > 0 && (strings.HasPrefix(r.lines[0], "- ") || ordered.MatchString(r.lines[0])) {
		item := ordered.ReplaceAllString(strings.TrimPrefix(r.next(), "- "), "")
		for _, more := range r.while(func(line string) bool { return strings.HasPrefix(line, "  ") }) {
			item += " " + strings.TrimSpace(more)
		}
		r.say("<li>%s</li>\n", r.inline(item))
	}
	r.say("</%s>\n", tag)
}

// inline is text within a line. Links stay as they are written, until all pages are read.
func (r *reader) inline(text string) string {
	text = html.EscapeString(text)
	text = codes.ReplaceAllStringFunc(text, func(code string) string { return "<code>" + shown(strings.Trim(code, "`"), true) + "</code>" })
	text = links.ReplaceAllStringFunc(text, func(link string) string {
		parts := links.FindStringSubmatch(link)
		return fmt.Sprintf(`<a href="%s">%s</a>`, r.target(parts[2]), parts[1])
	})
	return shown(autoLink.ReplaceAllString(text, `<a href="$1">$1</a>`), false)
}

// target is where a link leads: to a page of the book and a heading of it, as PAGE#HEADING behind
// a mark, or elsewhere.
func (r *reader) target(link string) string {
	file, heading, _ := strings.Cut(link, "#")
	switch page, is := strings.CutSuffix(file, ".md"); {
	case strings.HasPrefix(link, "https://"), strings.HasPrefix(link, "http://"):
		return link
	case strings.Contains(link, ":"):
		return "#"
	case file == "":
		return mark + r.page + "#" + heading
	case is && !strings.Contains(page, "/"):
		return mark + page + "#" + heading
	}
	return link
}

// mark begins a link within the book that is not settled yet.
const mark = "book:"
