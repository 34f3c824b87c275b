// Package src has but this test, which holds the tree to its plan.
package src

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sjohnr/at-once/"

// floors are the packages from the top down. Each imports from lower floors only.
var floors = []string{
	"src/cmd/once",
	"bindings/bench/go",
	"src/cmd/once-model",
	"bindings/go/once/files",
	"bindings/go/once/server",
	"bindings/go/once",
	"bindings/go/once/oncetest",
	"bindings/c/lib",
	"bindings/c/abi",
	"bindings/go/libonce",
	"src/share",
	"src/node",
	"src/wan",
	"src/serve",
	"src/control",
	"src/files",
	"src/rendezvous/server",
	"src/rendezvous/wss",
	"src/ladder",
	"src/mapping",
	"src/rendezvous/client",
	"src/site",
	"src/dial",
	"src/channel",
	"src/guard",
	"src/world",
	"src/events",
	"src/zre",
	"src/gossip",
	"src/rendezvous/relay",
	"src/rendezvous/registry",
	"src/rendezvous",
	"src/beacon",
	"src/sight",
	"src/seal",
	"src/identity",
	"src/lock",
	"src/link/czmq",
	"src/link",
	"src/check",
	"src/zmtp",
	"generated/go/circuit",
	"generated/go/introduction",
	"generated/go/laddermachine",
	"generated/go/rendezvousclient",
	"generated/go/rendezvouslease",
	"generated/go/rendezvousserver",
	"generated/go/electionmachine",
	"generated/go/gossipclient",
	"generated/go/gossipserver",
	"generated/go/handshakemachine",
	"generated/go/peermachine",
	"generated/go/channelmachine",
	"generated/go/oncecard",
	"generated/go/onceask",
	"generated/go/oncefiles",
	"generated/go/oncelink",
	"generated/go/oncemsg",
	"generated/go/oncerecord",
	"generated/go/onceseal",
	"generated/go/oncecontrol",
	"generated/go/zgossipmsg",
	"generated/go/zremsg",
	"generated/go/api",
	"src/wire",
	"src/z85",
	"src/salsa",
	"src/model/book",
	"src/model/start",
	"src/model/diff",
	"src/model/settle",
	"src/model/lint",
	"src/model/explore",
	"src/model/vectors",
	"src/model",
	"gsl",
}

// apart are no part of the house: other modules, and packages with nothing but tests.
var apart = []string{"src", "src/interop", "src/link/linktest", "gsl/test"}

// TestArrowsRunDown reads what each package imports. The program knows the wrapper only.
func TestArrowsRunDown(t *testing.T) {
	seen := map[string]bool{}
	for _, root := range []string{"src", "bindings", "generated", "gsl"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			from := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(os.PathSeparator)))
			if slices.ContainsFunc(apart, func(a string) bool { return from == a || a != "src" && strings.HasPrefix(from, a+"/") }) {
				return nil
			}
			seen[from] = true
			floor := slices.Index(floors, from)
			if floor < 0 {
				t.Errorf("%s has no floor", from)
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, i := range file.Imports {
				imported, err := strconv.Unquote(i.Path.Value)
				to, ours := strings.CutPrefix(imported, module)
				if err != nil || !ours {
					continue
				}
				if slices.Index(floors, to) <= floor || from == "src/cmd/once-model" && !reviews(to) || from == "src/cmd/once" && !strings.HasPrefix(to, "bindings/go/once") {
					t.Errorf("%s imports %s, which is no floor below", path, to)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, floor := range floors {
		if !seen[floor] {
			t.Errorf("there is no %s", floor)
		}
	}
}

// reviews tells whether a package is of those that the reviewer of models stands on, which know
// nothing of the engine.
func reviews(name string) bool { return strings.HasPrefix(name, "src/model") || name == "gsl" }

// promise is what the documentation of each package says that programs should not import.
const promise = "Programs import bindings/go/once: what is here may change at any time.\n"

// TestOnlyBindingsArePromised reads the documentation of each package but those of bindings
// and the program.
func TestOnlyBindingsArePromised(t *testing.T) {
	for _, floor := range floors {
		if strings.HasPrefix(floor, "bindings/") || strings.HasPrefix(floor, "src/cmd/") {
			continue
		}
		paths, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(floor), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(paths, func(path string) bool {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			return strings.HasSuffix(file.Doc.Text(), "\n"+promise)
		}) {
			t.Errorf("the documentation of %s does not end with %q", floor, promise)
		}
	}
}
