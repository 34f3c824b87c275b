package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/book"
	"github.com/sjohnr/at-once/src/model/diff"
	"github.com/sjohnr/at-once/src/model/explore"
	"github.com/sjohnr/at-once/src/model/lint"
	"github.com/sjohnr/at-once/src/model/settle"
	"github.com/sjohnr/at-once/src/model/vectors"
)

var everything = flag.Bool("everything", false, "try all mutations, which takes a minute")

// values are what an attribute is set to.
var values = []string{"", "0", "-1", "99999999999999999999", "9223372036854775807", "*", "a b", "#", "door", "EVERY", "number", "strings", "1"}

// mutations are all ways to change one element: what becomes of it and of each attribute.
func mutations(e *model.Element) int { return 5 + len(e.Attrs)*(1+len(values)) + len(e.Attrs) }

// mutate changes an element in one way.
func mutate(e *model.Element, way int) {
	siblings := &[]*model.Element{e}
	if e.Parent != nil {
		siblings = &e.Parent.Children
	}
	at := 0
	for (*siblings)[at] != e {
		at++
	}
	switch {
	case way == 0:
		*siblings = append((*siblings)[:at:at], (*siblings)[at+1:]...)
		return
	case way == 1:
		*siblings = append(*siblings, e)
		return
	case way == 2:
		(*siblings)[0], (*siblings)[at] = (*siblings)[at], (*siblings)[0]
		return
	case way == 3:
		e.Text = ""
		return
	case way == 4:
		e.Tag = "field"
		return
	}
	way -= 5
	if len(e.Attrs) == 0 {
		return
	}
	attr := way % len(e.Attrs)
	switch to := way / len(e.Attrs) % (len(values) + 2); to {
	case 0:
		e.Attrs = append(e.Attrs[:attr:attr], e.Attrs[attr+1:]...)
	case 1:
		e.Attrs[attr].Name = "max"
	default:
		e.Attrs[attr].Value = values[to-2]
	}
}

// elements are an element and all below it.
func elements(e *model.Element) []*model.Element {
	all := []*model.Element{e}
	for _, c := range e.Children {
		all = append(all, elements(c)...)
	}
	return all
}

// files are the small project that tests the generator.
func files(t testing.TB) fstest.MapFS {
	t.Helper()
	all := fstest.MapFS{}
	for _, pattern := range []string{"good/*.xml", "bad/machine_targets.xml", "bad/class_events.xml", "bad/protocol_sides.xml"} {
		paths, err := filepath.Glob("../../../gsl/testdata/" + pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no models %s: %v", pattern, err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[strings.TrimPrefix(filepath.ToSlash(path), "../../../")] = &fstest.MapFile{Data: text}
		}
	}
	all["project.xml"] = all["gsl/testdata/good/project.xml"]
	return all
}

// survive does all that there is with a project: none of it may crash.
func survive(t *testing.T, old *diff.Node, tree fstest.MapFS) {
	p, err := model.Load(tree, "project.xml")
	if err != nil {
		return // the project file itself is none any more
	}
	lint.Check(p, lint.Zproto)
	findings := lint.Check(p, lint.Once)
	shape := diff.Shape(p)
	changes := append(diff.Compare(old, shape), diff.Compare(shape, old)...)
	diff.Waive(changes, diff.Waivers(p, time.Time{}))
	_ = diff.Text(changes) + diff.Markdown(changes)
	if _, err := diff.JSON(changes); err != nil {
		t.Error(err)
	}
	if again := diff.Compare(shape, shape); len(again) > 0 {
		t.Errorf("a project is not as itself: %v", again)
	}
	lock := diff.Lock(shape)
	if locked, err := diff.ParseLock("model.lock", lock); err != nil || len(findings) == 0 && diff.Lock(locked) != lock {
		t.Errorf("its lock is none: %v\n%s", err, lock)
	}
	asTheirs(t, p)
	if len(findings) > 0 {
		return
	}
	for _, m := range p.Protocols {
		vectors.Cases(m)
		_ = vectors.JSON(m) + vectors.GoldenJSON(m)
	}
	if err := settle.Write(p, t.TempDir()); err != nil {
		t.Error(err)
	}
}

// asTheirs does with a project all that is for models of zproto alone.
func asTheirs(t *testing.T, p *model.Project) {
	for _, m := range p.Protocols {
		derived, problems := vectors.Derived(m)
		if len(problems) > 0 {
			continue
		}
		if text := vectors.GoldenJSON(derived); !json.Valid([]byte(text)) {
			t.Errorf("no JSON: %s", text)
		}
	}
	for _, talk := range explore.Drafts(p) {
		explore.Check(talk)
	}
	p.Talks = nil // a conversation that has faults has no page
	files, err := book.Plain(p, nil, func(string) (string, error) { return "<svg></svg>", nil })
	if err != nil {
		t.Fatal(err)
	}
	b, err := book.New(p, book.Pages(files))
	if err == nil {
		_, err = b.HTML()
	}
	if err != nil {
		t.Error(err)
	}
}

// Whatever single thing is wrong with a model, it is found without a crash.
func TestMutations(t *testing.T) {
	tree, step := files(t), 7
	if testing.Short() {
		step = 97
	}
	if *everything {
		step = 1
	}
	p, err := model.Load(tree, "project.xml")
	if err != nil {
		t.Fatal(err)
	}
	old, count := diff.Shape(p), 0
	for name, file := range tree {
		root, err := model.Parse(name, file.Data)
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range elements(root) {
			for way := range mutations(e) {
				if count++; count%step != 0 {
					continue
				}
				changed, err := model.Parse(name, file.Data)
				if err != nil {
					t.Fatal(err)
				}
				mutate(elements(changed)[i], way)
				tree[name] = &fstest.MapFile{Data: []byte(changed.String())}
				survive(t, old, tree)
				tree[name] = file
				if t.Failed() {
					t.Fatalf("%s: <%s> %s, way %d", name, e.Tag, e.Name(), way)
				}
			}
		}
	}
	t.Logf("%d mutations", count/step)
}

// FuzzMutations changes several elements of several models.
func FuzzMutations(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{3, 20, 0, 4, 7, 40, 2, 11, 5})
	clean := files(f)
	p, err := model.Load(clean, "project.xml")
	if err != nil {
		f.Fatal(err)
	}
	old := diff.Shape(p)
	names := []string{"project.xml"}
	for _, m := range p.Models() {
		names = append(names, m.File)
	}
	f.Fuzz(func(t *testing.T, ways []byte) {
		tree := files(t)
		for ; len(ways) >= 3; ways = ways[3:] {
			name := names[int(ways[0])%len(names)]
			root, err := model.Parse(name, tree[name].Data)
			if err != nil {
				break // it was changed to what is no model
			}
			all := elements(root)
			e := all[int(ways[1])%len(all)]
			mutate(e, int(ways[2])%mutations(e))
			tree[name] = &fstest.MapFile{Data: []byte(root.String())}
		}
		survive(t, old, tree)
	})
}

// FuzzText reads anything as a model.
func FuzzText(f *testing.F) {
	for _, file := range files(f) {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		root, err := model.Parse("a.xml", text)
		if err != nil {
			return
		}
		again, err := model.Parse("a.xml", []byte(root.String()))
		if err != nil || again.String() != root.String() {
			t.Errorf("%q is read as %s, and then as %v, %v", text, root, again, err)
		}
		for _, project := range []string{"<project name='x' script='gsl/project.gsl'><protocol name='%' api='a.xml'/><machine name='%' api='a.xml'/><layout name='%' api='a.xml'/><class name='%' api='a.xml'/></project>"} {
			survive(t, diff.Shape(&model.Project{}), fstest.MapFS{"a.xml": {Data: text},
				"project.xml": {Data: []byte(strings.ReplaceAll(project, "%", root.Attr("name")))}})
		}
	})
}

// FuzzLock reads anything as a lock.
func FuzzLock(f *testing.F) {
	p, err := model.Load(files(f), "project.xml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(diff.Lock(diff.Shape(p)))
	f.Fuzz(func(t *testing.T, text string) {
		if shape, err := diff.ParseLock("a.lock", text); err == nil {
			diff.Compare(shape, shape)
		}
	})
}
