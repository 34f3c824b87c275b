package book

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Draw draws a graph that dot reads, as SVG; it returns nothing where there is nobody to draw.
type Draw func(graph string) (svg string, err error)

// Plain are pages of models that the generator prints none of, as those of zproto and zproject
// alone: files by their names. They say what the models say, and what they do not. The findings are
// those of lint.
func Plain(p *model.Project, findings []string, draw Draw) (map[string]string, error) {
	files := map[string]string{}
	index := &page{}
	index.line("%s\n", marker(p.File))
	title := p.Name()
	if title == "" {
		title = p.File
	}
	index.line("# Models of %s\n", plain(title))
	index.line("These pages are printed from models of zproto and zproject. Each ends with what its model does not state.\n")
	index.section("Messages", p.Protocols != nil)
	for _, m := range p.Protocols {
		file := name(files, m.Name())
		index.entry(file, m.Element)
		files[file+".md"] = plainProtocol(m)
	}
	index.section("State machines", p.Machines != nil)
	for _, m := range p.Machines {
		file := name(files, m.Name())
		index.entry(file, m.Element)
		text, svg, err := plainMachine(p, file, m, draw)
		if err != nil {
			return nil, err
		}
		if files[file+".md"] = text; svg != "" {
			files[file+".svg"] = marker(m.File) + "\n" + svg
		}
	}
	index.section("Conversations", p.Talks != nil)
	for _, t := range p.Talks {
		index.entry("conversation_"+t.Name(), t.Element)
		pages, err := Talk(t)
		if err != nil {
			return nil, err
		}
		maps.Copy(files, pages)
	}
	index.section("Classes", p.Classes != nil)
	if p.Classes != nil {
		index.line("- [api](api.md): What programs call")
		files["api.md"] = plainClasses(p.Classes)
	}
	index.line("\n## What lint finds\n")
	if len(findings) == 0 {
		index.line("Nothing is wrong for zproto and zproject.")
	}
	for _, f := range findings {
		index.line("- %s", plain(f))
	}
	files["README.md"] = index.String()
	return files, nil
}

// name is a file name for a model: its own, as C spells it, unless another has that.
func name(files map[string]string, of string) string {
	base := model.CName(of)
	file := base
	for n := 2; file == "" || file == "api" || file == "readme" || files[file+".md"] != ""; n++ {
		file = fmt.Sprintf("%s_%d", base, n)
	}
	return file
}

func (p *page) section(title string, there bool) {
	if there {
		p.line("\n## %s\n", title)
	}
}

func (p *page) entry(file string, e *model.Element) {
	p.line("- [%s](%s.md): %s", plain(e.Name()), file, plain(e.Attr("title")))
}

// head is how the page of a model begins.
func (p *page) head(e *model.Element) {
	p.line("%s\n", marker(e.File))
	title := plain(e.Name())
	if e.Attr("title") != "" {
		title += ": " + plain(e.Attr("title"))
	}
	p.line("# %s\n", title)
	if text := prose(e.Text); text != "" {
		p.line("%s\n", text)
	}
}

// unsaid is what a model does not state: what that means, and where, one line for each.
type unsaid struct {
	order []string
	where map[string][]string
}

func (u *unsaid) add(what, where string) {
	if u.where == nil {
		u.where = map[string][]string{}
	}
	if !slices.Contains(u.order, what) {
		u.order = append(u.order, what)
	}
	u.where[what] = append(u.where[what], where)
}

func (u *unsaid) print(p *page) {
	p.line("\n## What the model does not state\n")
	if len(u.order) == 0 {
		p.line("Nothing is left open.")
	}
	for _, what := range u.order {
		p.line("- %s: %s.", what, plain(strings.Join(u.where[what], ", ")))
	}
}

// Pages are files by their names, as New reads them.
type Pages map[string]string

// Open opens none: what is there is read as a whole.
func (p Pages) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// ReadFile reads a page or a picture.
func (p Pages) ReadFile(name string) ([]byte, error) {
	text, ok := p[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}
