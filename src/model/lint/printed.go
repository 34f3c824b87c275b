package lint

import (
	"regexp"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

var (
	goPackage = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	goWord    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	goType    = regexp.MustCompile(`^(\[\])?\*?[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)?$`)
	goPath    = regexp.MustCompile(`^[A-Za-z0-9_~][-A-Za-z0-9_.~]*(/[A-Za-z0-9_~][-A-Za-z0-9_.~]*)*$`)
)

// printed demands of what is printed as it is written that it stays what it is: a name, a folder,
// or text in a comment or between quotation marks.
func printed(r *report, p *model.Project) {
	if !r.once {
		return
	}
	if p.Whole {
		for _, name := range []string{"module", "runtime", "binding", "engine"} {
			written(r, p.Element, p.Attr("name"), name, goPath, "a path of letters, digits, hyphens and points, which leads to nothing above")
		}
		markdown(r, p.Element, p.Attr("name"))
	}
	for _, root := range p.Models() {
		if model.KindOf(root) == model.Talks { // package explore finds that there
			continue
		}
		printedElement(r, root, root.Attr("name"), model.KindOf(root) == model.Classes)
	}
}

func printedElement(r *report, e *model.Element, path string, class bool) {
	for _, a := range e.Attrs {
		if a.Name != "example" && strings.ContainsAny(a.Value, "\r\n") {
			r.fault(e, path, "has an end of line in %s: write it in one", a.Name)
		}
	}
	written(r, e, path, "go_package", goPackage, "a name of small letters, digits and _")
	if class {
		written(r, e, path, "engine", goWord, "a name in Go")
		written(r, e, path, "go_type", goType, "a type of Go")
		written(r, e, path, "package", goPath, "a folder")
		for _, text := range []string{e.Doc(), e.Attr("title")} {
			quotable(r, e, path, text)
		}
	}
	markdown(r, e, path)
	for _, c := range e.Children {
		printedElement(r, c, path+"."+c.Name(), class)
	}
}

// written demands that an attribute has a form, if it is there.
func written(r *report, e *model.Element, path, name string, form *regexp.Regexp, what string) {
	if value, ok := e.Lookup(name); ok && !form.MatchString(value) {
		r.fault(e, path, "%s must be %s", name, what)
	}
}

var (
	begins     = regexp.MustCompile("^(#|```|[-+*] |[0-9]+[.)] )") // a line that is none of a paragraph
	pageBegins = regexp.MustCompile("^(#|```)")                    // and one that takes a page apart
)

// markdown demands that a sentence of a document stays one: it stands in a line or in a cell of a
// table. What has a page or a part of a page to itself may have lists and tables.
func markdown(r *report, e *model.Element, path string) {
	lines, wrong := []string{e.Doc()}, begins
	switch {
	case e.Parent == nil, e.Tag == "section", e.Tag == "scene", e.Tag == "grammar":
		lines, wrong = strings.Split(e.Text, "\n"), pageBegins
	case strings.Contains(e.Doc(), "|"):
		r.fault(e, path, "has |, which parts cells of a table in the documents: use other words")
	}
	for _, line := range append(lines, e.Attr("title")) {
		line = strings.TrimSpace(line)
		if sign := wrong.FindString(line); sign != "" {
			r.fault(e, path, "has a line that begins with '%s', which is no text in the documents: use other words", strings.TrimSpace(sign))
		}
		if strings.Contains(line, "<!--") {
			r.fault(e, path, "has <!--, behind which the documents lose what follows: use other words")
		}
	}
}

// quotable demands that a sentence of a class ends no comment and no text of a language.
func quotable(r *report, e *model.Element, path, text string) {
	wrong := ""
	switch {
	case strings.Contains(text, "*/"):
		wrong = "*/"
	case strings.Contains(text, `\`):
		wrong = `\`
	case strings.Contains(text, `"`) && (e.Tag == "error" || e.Tag == "constant"), strings.Contains(text, `"""`), strings.HasSuffix(text, `"`):
		wrong = `"`
	default:
		return
	}
	r.fault(e, path, "has %s where that ends what it is printed into: use other words, or quote with '", wrong)
}
