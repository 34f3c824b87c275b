package src

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// rooms are the files of src/node from the top down. Each uses what lower ones declare, types,
// functions and methods, but for what backs says; fields are not looked at.
var rooms = []string{
	"front.go", "figures.go", "visitor.go", "say.go", "ahead.go", "ask.go", "meet.go", "query.go",
	"spread.go", "start.go", "beyond.go", "ahead_taken.go", "outputs.go", "control.go", "accept.go",
	"event.go", "watch.go", "calls.go", "receive.go", "arrivals.go", "link_messages.go",
	"greeting.go", "refusals.go", "view.go", "node.go", "driver.go", "sighted.go", "self.go",
	"sealing.go", "headers.go", "groups.go", "life.go", "ears.go", "abandon.go", "loop.go",
	"addresses.go", "servers.go", "changes.go", "rolls.go", "parting.go", "resume.go",
	"lanes.go", "bygones.go", "talk.go", "callback.go", "talks.go", "intake.go",
	"books.go", "ledger.go", "undelivered.go", "turns.go", "peer.go", "holding.go",
	"receiver.go", "inbound.go", "base.go", "settings.go", "asks.go", "counters.go", "log.go",
	"questions.go", "outbound.go",
}

// back is what a file uses of one that is above it.
type back struct{ from, to, name string }

// backs are all of those, with why they are.
var backs = map[back]string{
	{"peer.go", "talk.go", "talk"}:                  "all that there is with a peer is one struct",
	{"receiver.go", "intake.go", "acknowledgeOver"}: "a reader knows who takes in what it reads",
	{"receiver.go", "intake.go", "intake"}:          "a reader knows who takes in what it reads",
	{"receiver.go", "loop.go", "loop"}:              "a reader asks the loop, which knows it by its number",
	{"receiver.go", "lanes.go", "lane"}:             "a link has its place in a channel, and the channel its links",
}

// TestRoomsOfTheNode reads what the files of src/node use of each other, and who sees the core.
func TestRoomsOfTheNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads all that the node imports")
	}
	left := map[back]bool{}
	for _, u := range usesIn(t, "node", sources()) {
		if u.is == "*github.com/sjohnr/at-once/src/zre.Core" && u.from != "turns.go" {
			t.Errorf("%s uses the core, whose state only the loop reads, in its turns", u.from)
		}
		if !u.declared {
			continue
		}
		from, to := slices.Index(rooms, u.from), slices.Index(rooms, u.to)
		switch _, known := backs[u.back]; {
		case from < 0 || to < 0:
			t.Fatalf("%s or %s has no place", u.from, u.to)
		case from > to && !known:
			t.Errorf("%s uses %s of %s, which is above it", u.from, u.name, u.to)
		case from > to:
			left[u.back] = true
		}
	}
	for _, room := range rooms {
		if _, err := os.Stat(filepath.Join("node", room)); err != nil {
			t.Errorf("there is no %s any more", room)
		}
	}
	for b := range backs {
		if !left[b] {
			t.Errorf("%s does not use %s of %s any more", b.from, b.name, b.to)
		}
	}
}

// use is what one file of a package uses of another one, or of itself.
type use struct {
	back
	is       string // its type
	declared bool   // for the whole package
}

// sources is what imports packages from their sources, each once for all tests.
var sources = sync.OnceValue(func() types.Importer {
	build.Default.CgoEnabled = false                            // there may be no compiler of C, and nothing here depends on one
	build.Default.GOOS, build.Default.GOARCH = "linux", "amd64" // of all that there is for several systems
	return importer.ForCompiler(token.NewFileSet(), "source", nil)
})

// usesIn returns what the files of a package that are built here use of the package.
func usesIn(t *testing.T, dir string, from types.Importer) (uses []use) {
	t.Helper()
	files, set := parsed(t, dir)
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: from}
	pkg, err := config.Check(dir, set, files, info)
	if err != nil {
		t.Fatal(err)
	}
	for name, what := range info.Uses {
		if what.Pkg() == pkg {
			b := back{filepath.Base(set.Position(name.Pos()).Filename), filepath.Base(set.Position(what.Pos()).Filename), what.Name()}
			uses = append(uses, use{b, what.Type().String(), declared(what, pkg)})
		}
	}
	return uses
}

// parsed returns the files of a package as they are built here.
func parsed(t *testing.T, dir string) (files []*ast.File, set *token.FileSet) {
	t.Helper()
	built, err := build.Default.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	set = token.NewFileSet()
	for _, name := range built.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files, set
}

// declared tells whether something is declared for a whole package.
func declared(what types.Object, pkg *types.Package) bool {
	switch what := what.(type) {
	case *types.Func, *types.TypeName:
		return true
	case *types.Var, *types.Const:
		return what.Parent() == pkg.Scope()
	}
	return false
}
