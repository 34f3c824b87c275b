package src

import (
	"go/build"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// arrow is that a file of a package uses what is declared in another one.
type arrow struct{ from, to string }

// Why files use each other, where it is the same for several.
const (
	whole = "a whole has its parts, and a part says what befalls it to the whole"
	pair  = "each is of the other: what one is told, it tells the other"
	one   = "they are one type, whose methods are in files by what they are about"
)

// circles are the arrows without which those of each package run one way, with why they are. Those of
// src/node are in rooms and backs.
var circles = map[string]map[arrow]string{
	"cmd/once":          {{"command.go", "chat.go"}: "a command acts on the chat that has read it"},
	"control":           {{"question.go", "client.go"}: whole},
	"files":             {{"transfer.go", "files.go"}: whole},
	"gossip":            {{"session.go", "gossip.go"}: whole, {"store.go", "session.go"}: "what is known knows the session that has told it"},
	"identity":          {{"book.go", "network.go"}: "the book of a network is kept under its key", {"membership.go", "identity.go"}: "an identity takes in a membership, and is read with it", {"trust.go", "pins.go"}: "who is trusted at first use is pinned, as what trust says"},
	"ladder":            {{"ladder.go", "carriage.go"}: whole, {"way.go", "carriage.go"}: whole, {"way.go", "climb.go"}: whole, {"way.go", "ladder.go"}: whole},
	"link":              {{"memory_conn.go", "memory.go"}: whole, {"outbox.go", "link.go"}: "an outbox is handed from link to link", {"outbox.go", "writer.go"}: pair},
	"model/book":        {{"plain_class.go", "plain.go"}: whole, {"plain_machine.go", "plain.go"}: whole, {"plain_protocol.go", "plain.go"}: whole},
	"model/explore":     {{"compiler.go", "names.go"}: whole, {"move.go", "effect.go"}: "a move has effects, and a fault tells the moves that led to it", {"system.go", "effect.go"}: "a system has effects, and an effect changes a system"},
	"rendezvous/relay":  {{"circuit.go", "relay.go"}: whole},
	"rendezvous/server": {{"connection.go", "presence.go"}: "a connection is of a node once that has said who it is, and a node has its connections"},
	"salsa":             {{"quads_amd64.go", "salsa.go"}: "the quick way and the plain one work on the same state"},
	"serve":             {{"metrics.go", "serve.go"}: whole},
	"wan":               {{"ahead.go", "wan.go"}: one, {"reach.go", "wan.go"}: one},
	"zmtp":              {{"curve.go", "handshake.go"}: pair},
	"zre":               {{"crowd.go", "life.go"}: whole, {"group.go", "election.go"}: pair},
}

// TestArrows looks whether what the files of a package use of each other runs one way, but for
// circles.
func TestArrows(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads all packages")
	}
	from := sources()
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return err
		case d.Name() == "interop" || d.Name() == "testdata":
			return filepath.SkipDir // live oracles are modules of their own
		}
		seen[filepath.ToSlash(dir)] = true
		if _, err := build.Default.ImportDir(dir, 0); err == nil && dir != "node" {
			runsOneWay(t, dir, arrowsIn(usesIn(t, dir, from)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range circles {
		if !seen[dir] {
			t.Errorf("there is no %s", dir)
		}
	}
}

// arrowsIn returns the files that each file uses.
func arrowsIn(uses []use) map[string]map[string]bool {
	arrows := map[string]map[string]bool{}
	for _, u := range uses {
		if u.declared && u.from != u.to {
			if arrows[u.from] == nil {
				arrows[u.from] = map[string]bool{}
			}
			arrows[u.from][u.to] = true
		}
	}
	return arrows
}

// runsOneWay looks whether arrows run one way without the circles of a package, and not without one
// of those less.
func runsOneWay(t *testing.T, dir string, arrows map[string]map[string]bool) {
	known := circles[filepath.ToSlash(dir)]
	for a, why := range known {
		if !arrows[a.from][a.to] || why == "" {
			t.Errorf("%s: %s does not use %s any more, or it is not said why", dir, a.from, a.to)
			return
		}
		delete(arrows[a.from], a.to)
	}
	if c := circleIn(arrows); c != nil {
		t.Errorf("%s: in a circle, each uses the next: %s", dir, strings.Join(c, ", "))
		return
	}
	for a := range known {
		arrows[a.from][a.to] = true
		if circleIn(arrows) == nil {
			t.Errorf("%s: that %s uses %s makes no circle any more", dir, a.from, a.to)
		}
		delete(arrows[a.from], a.to)
	}
}

// circleIn returns files of which each uses the next, and the last the first, nil if there are none.
func circleIn(arrows map[string]map[string]bool) []string {
	over := map[string]bool{}
	var path []string
	var follow func(file string) []string
	follow = func(file string) []string {
		if i := slices.Index(path, file); i >= 0 {
			return path[i:]
		}
		if over[file] {
			return nil
		}
		path = append(path, file)
		for _, next := range slices.Sorted(maps.Keys(arrows[file])) {
			if c := follow(next); c != nil {
				return c
			}
		}
		path = path[:len(path)-1]
		over[file] = true
		return nil
	}
	for _, file := range slices.Sorted(maps.Keys(arrows)) {
		if c := follow(file); c != nil {
			return c
		}
	}
	return nil
}
