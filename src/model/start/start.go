// Package start has a project to begin with: a protocol, a machine and a class, the generator that
// prints them, and what is written by hand.
//
// Programs import bindings/go/once: what is here may change at any time.
package start

import (
	"embed"
	"io/fs"
	"strings"

	"github.com/sjohnr/at-once/gsl"
)

//go:embed all:template
var template embed.FS

// Module is the Go module that the printed code stands on.
const Module = "github.com/sjohnr/at-once"

// Files are those of a new project, by their names in its folder. It stands on a version of Module,
// or, if that is not empty, on a tree of it.
func Files(name, module, version, tree string) (map[string]string, error) {
	replace := ""
	if tree != "" {
		replace = "\nreplace " + Module + " => " + tree + "\n"
	}
	fill := strings.NewReplacer("@name@", name, "@module@", module, "@version@", version, "@replace@", replace)
	files := map[string]string{}
	read := func(from fs.FS, into string, fill *strings.Replacer) error {
		return fs.WalkDir(from, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := fs.ReadFile(from, path)
			// What ends with .txt is no part of this module's code.
			files[into+strings.TrimSuffix(fill.Replace(path), ".txt")] = fill.Replace(string(text))
			return err
		})
	}
	own, err := fs.Sub(template, "template")
	if err != nil {
		return nil, err
	}
	if err := read(own, "", fill); err != nil {
		return nil, err
	}
	if err := read(gsl.Files, "gsl/", strings.NewReplacer()); err != nil {
		return nil, err
	}
	for path := range files { // of this tree only
		if strings.HasPrefix(path, "gsl/") && strings.HasSuffix(path, ".sh") {
			delete(files, path)
		}
	}
	return files, nil
}
