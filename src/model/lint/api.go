package lint

import (
	"slices"
	"strings"

	"github.com/sjohnr/at-once/src/model"
)

// api is what the classes of a project know of each other, and of what else there is.
type api struct {
	project *model.Project
	types   map[string]apiType
}

// apiType is a type of arguments and returns.
type apiType struct {
	argument bool           // an argument can be of it
	row      *model.Element // of the table; nil for what a class defines
}

func newAPI(p *model.Project) *api {
	a := &api{p, map[string]apiType{}}
	for row := range model.APITypes.All("type") {
		a.types[row.Name()] = apiType{row.Has("argument"), row}
	}
	return a
}

// define makes a type known.
func (a *api) define(name string, argument bool) {
	a.types[name] = apiType{argument, a.types[name].row}
}

// known tells whether a type is known. Where not all classes are known, a type may be that of
// another.
func (a *api) known(key string) bool {
	_, ok := a.types[key]
	return ok
}

// space is where the names of the whole API live in Go.
func (a *api) space() string { return "Go package lib" + a.project.Attr("name") }

// goName is what a class is called in Go.
func (a *api) goName(class string) string {
	return model.GoName(strings.Replace(class, a.project.Attr("name")+"_", "", 1))
}

func (a *api) isClass(name string) bool {
	return slices.ContainsFunc(a.project.Classes, func(c *model.Class) bool { return c.Attr("name") == name })
}

// hasError tells whether some class has an error; without a project, others may.
func (a *api) hasError(name string) bool {
	return slices.ContainsFunc(a.project.Classes, func(c *model.Class) bool { return has(c.Errors, name) })
}

// timeout returns the timeout of a machine that a setting sets, or nil.
func (a *api) timeout(setting *model.Element) *model.Element {
	for _, m := range a.project.Machines {
		if m.Attr("name") == setting.Attr("machine") {
			for _, timeout := range m.Timeouts {
				if timeout.Name() == setting.Attr("timeout") {
					return timeout
				}
			}
		}
	}
	return nil
}
