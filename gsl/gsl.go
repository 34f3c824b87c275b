// Package gsl holds the generator: its pages, resolvers and tables, for programs that read the
// tables, or put the generator into a new project.
//
// Programs import bindings/go/once: what is here may change at any time.
package gsl

import "embed"

// Files are those of the generator, by their names in this folder.
//
//go:embed *.gsl *.sh *.xml
var Files embed.FS
