package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// commit is what the program was built from; make sets it.
var commit string

// version tells the version, what the program was built from, if that is known, by which
// Go, and for which system.
func version() string {
	from := commit
	if info, ok := debug.ReadBuildInfo(); ok && from == "" && info.Main.Version != "(devel)" {
		from = info.Main.Version // noted by go install, or by go build in a clone
	}
	if from != "" {
		from = " (" + from + ")"
	}
	return fmt.Sprintf("once %s%s %s %s/%s", once.Version, from, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
