package src

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"testing"
)

// rooms are the files of src/node from the top down. Each uses what is declared in lower ones,
// but for what backs says.
var rooms = []string{
	"front.go", "figures.go", "visitor.go", "send.go", "ahead.go", "ask.go", "query.go",
	"spread.go", "start.go", "beyond.go", "ahead_taken.go", "carry.go", "messages.go", "accept.go",
	"event.go", "watch.go", "calls.go", "receive.go", "arrivals.go", "link_messages.go",
	"greeting.go", "refusals.go", "view.go", "node.go", "driver.go", "sighted.go", "self.go",
	"sealing.go", "headers.go", "groups.go", "life.go", "ears.go", "abandon.go", "loop.go",
	"addresses.go", "servers.go", "changes.go", "rolls.go", "parting.go", "resume.go",
	"carrying.go", "bygones.go", "talk.go", "callback.go", "channels.go", "intake.go",
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
	{"receiver.go", "talk.go", "lane"}:              "a link has its place in a channel, and the channel its links",
}

// TestRoomsOfTheNode reads what the files of src/node use of each other.
func TestRoomsOfTheNode(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads all that the node imports")
	}
	const dir = "node"
	build.Default.CgoEnabled = false // there may be no compiler of C, and nothing here depends on one
	files, set := parsed(t, dir)
	uses := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(set, "source", nil)}
	pkg, err := config.Check(dir, set, files, uses)
	if err != nil {
		t.Fatal(err)
	}
	left := map[back]bool{}
	for name, what := range uses.Uses {
		if what.Pkg() != pkg {
			continue
		}
		if in := filepath.Base(set.Position(name.Pos()).Filename); what.Type().String() == "*github.com/sjohnr/at-once/src/zre.Core" && in != "turns.go" {
			t.Errorf("%s uses the core, whose state only the loop reads, in its turns", in)
		}
		if !declared(what, pkg) {
			continue
		}
		b := back{filepath.Base(set.Position(name.Pos()).Filename), filepath.Base(set.Position(what.Pos()).Filename), what.Name()}
		from, to := slices.Index(rooms, b.from), slices.Index(rooms, b.to)
		switch _, known := backs[b]; {
		case from < 0 || to < 0:
			t.Fatalf("%s or %s has no place", b.from, b.to)
		case from > to && !known:
			t.Errorf("%s uses %s of %s, which is above it", b.from, b.name, b.to)
		case from > to:
			left[b] = true
		}
	}
	for b := range backs {
		if !left[b] {
			t.Errorf("%s does not use %s of %s any more", b.from, b.name, b.to)
		}
	}
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
