package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// Finding is something that is wrong, where, and what to do.
type Finding struct {
	model.Pos
	Path string // of the element in the model, as HELLO.name
	Text string
}

func (f Finding) String() string { return model.Problem(f).String() }

// report is what is found, and what is asked of every element, of whatever kind its model is.
type report struct {
	once     bool // the rules of this generator hold
	findings []Finding
	claims   map[string]map[string]string // names by name space, and who has them
}

func (r *report) fault(e *model.Element, path, format string, args ...any) {
	r.findings = append(r.findings, Finding{e.Pos, path, fmt.Sprintf(format, args...)})
}

// add takes in what others have found.
func (r *report) add(problems []model.Problem) {
	for _, problem := range problems {
		r.findings = append(r.findings, Finding(problem))
	}
}

// sentence demands that an element says what it is for.
func (r *report) sentence(e *model.Element, path string) {
	if e.Doc() == "" && r.once {
		r.fault(e, path, "has no sentence: write what it is for")
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z][-A-Za-z0-9_ ]*$`)

// named demands a name that every language can spell.
func (r *report) named(e *model.Element, path, name string) {
	if !nameForm.MatchString(name) {
		r.fault(e, path, "needs a name of letters, digits, spaces and hyphens that begins with a letter")
	}
}

// claim takes a name in the name space where it will be printed. A name that is claimed twice is
// a fault of the later element.
func (r *report) claim(e *model.Element, space, name, path string) {
	names := r.claims[space]
	if names == nil {
		names = map[string]string{}
		r.claims[space] = names
	}
	if known, ok := names[name]; ok {
		r.fault(e, path, "would be called '%s' in %s, as %s is: rename it", name, space, known)
	} else {
		names[name] = path
	}
}

// avoid demands that a name is no word of a list of reserved.xml. What is taken in Go is so in the
// code that this generator prints.
func (r *report) avoid(e *model.Element, list, name, path string) {
	if strings.HasPrefix(list, "Go ") && !r.once {
		return
	}
	if slices.Contains(strings.Fields(model.Reserved.Find("list", list).Attr("words")), name) {
		r.fault(e, path, "would be called '%s', which is taken (gsl/reserved.xml, %s): rename it", name, list)
	}
}

// leave demands that what zproto reads in a way of its own is not there for what we mean.
func (r *report) leave(e *model.Element, path, name, theirs, instead string) {
	if e.Attr(name) != "" && r.once {
		r.fault(e, path, "%s is where zproto looks for %s: call ours %s", name, theirs, instead)
	}
}

// flag demands that an attribute that switches something on is 1 or not there.
func (r *report) flag(e *model.Element, path, name string) {
	if value, ok := e.Lookup(name); ok && value != "1" {
		r.fault(e, path, "%s must be 1, or not be given", name)
	}
}

// packageSpace is the name space of the Go package that is printed from a protocol or a machine.
func packageSpace(root *model.Element) string {
	return "Go package " + or(root, "go_package", model.CName(root.Attr("name")))
}

// maxInt is the largest number that there can be in a model.
const maxInt = 2147483647

var digits = regexp.MustCompile(`^[0-9]+$`)

// isNumber tells whether a text is a whole number from low to high.
func isNumber(text string, low, high uint64) bool {
	n, err := strconv.ParseUint(text, 10, 64)
	return digits.MatchString(text) && err == nil && n >= low && n <= high
}

// number is a text's number, or 0.
func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// or is an attribute, or what stands for it.
func or(e *model.Element, name, otherwise string) string {
	if value, ok := e.Lookup(name); ok {
		return value
	}
	return otherwise
}

// has tells whether one of several elements has a name.
func has(elements []*model.Element, name string) bool {
	return slices.ContainsFunc(elements, func(e *model.Element) bool { return e.Name() == name })
}
