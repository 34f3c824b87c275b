package model

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// What is larger than any model is refused, before anything has to be done about it.
func TestBounds(t *testing.T) {
	many := func(count int, text string) string { return "<class>" + strings.Repeat(text, count) + "</class>" }
	for _, test := range []struct{ name, text, want string }{
		{"elements", many(maxElements, "<message />"), "has more than 4096 elements"},
		{"states", many(maxStates+1, "<state />"), "has more than 256 states"},
		{"depth", strings.Repeat("<a>", maxDepth+1), "has more than 64 elements within each other"},
		{"attributes", "<class" + strings.Repeat(` a = ""`, maxAttrs+1) + " />", "has more than 256 attributes in one <class>"},
		{"octets", many(maxFile, "x"), "a model has at most 16777216 octets"},
		{"terminal", "<class>\na \u009b31m</class>", "a.xml:2: has the character U+009B, which nobody sees: leave it out"},
		{"order", `<class name = "a&#x202e;b" />`, "has the character U+202E, which nobody sees: leave it out"},
		{"mark", "\ufeff<class />", "a.xml:1: begins with a byte-order mark"},
		{"letters", `<?xml version = "1.0" encoding="ISO-8859-1"?><class />`, `opening charset "ISO-8859-1": write the model in UTF-8`},
	} {
		if _, err := Parse("a.xml", []byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
	for _, text := range []string{many(maxElements-1, "<message />"), many(maxStates, "<state />"), `<?xml version = "1.0" encoding="US-ASCII"?><class />`} {
		if _, err := Parse("a.xml", []byte(text)); err != nil {
			t.Error(err)
		}
	}
}

// What a revision of git has packed is read as far as a model may go, and no file is read that may
// have no end.
func TestReadFile(t *testing.T) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	for name, size := range map[string]int{"bomb.xml": maxFile + 1, "whole.xml": maxFile} {
		file, err := archive.Create(name)
		if err == nil {
			_, err = file.Write(make([]byte, size))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	tree, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Load(tree, "bomb.xml"); err == nil || !strings.Contains(err.Error(), "it has more than 16777216 octets") {
		t.Error(err)
	}
	if text, err := ReadFile(tree, "whole.xml"); err != nil || len(text) != maxFile {
		t.Error(len(text), err)
	}
	for _, name := range []string{os.DevNull, "/dev/zero"} {
		if _, err := ReadFile(Disk{}, name); err == nil || !strings.Contains(err.Error(), "it is no regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A project that names a large model again and again is refused before it fills the memory.
func TestProjectBound(t *testing.T) {
	entries := strings.Repeat(`<class name = "a" api = "a.xml" />`, 9)
	tree := fstest.MapFS{
		"project.xml": {Data: []byte(`<project name = "a">` + entries + `</project>`)},
		"a.xml":       {Data: []byte(`<class name = "a"><method name = "b" />` + strings.Repeat(" ", maxProject/8) + `</class>`)},
	}
	p, err := Load(tree, "project.xml")
	if err != nil || len(p.Classes) != 7 || len(p.Problems) != 2 || !strings.Contains(p.Problems[0].Text, "at most 67108864 octets") {
		t.Errorf("%d, %v, %v", len(p.Classes), p.Problems, err)
	}
}

// What cannot be read in a folder is a problem where it is, and the others are read.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "a_msg.xml"), `<class name = "a_msg"><message name = "A" /></class>`); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"gone.xml": "nowhere", "loop.xml": "loop.xml"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	p, err := Load(Disk{}, dir)
	if err != nil || len(p.Protocols) != 1 || len(p.Problems) != 2 {
		t.Fatalf("%v, %v", p, err)
	}
	for i, want := range []string{"cannot be read: there is no " + filepath.Join(dir, "gone.xml"), "cannot be read: "} {
		if got := p.Problems[i].Text; !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// An element's text is its own, in one piece, however often comments and elements stand in it.
func TestText(t *testing.T) {
	root, err := Parse("a.xml", []byte("<class>a<!-- -->b<message>c<field>d</field>e</message>f</class>"))
	if err != nil || root.Text != "abf" || root.Children[0].Text != "ce" || root.Children[0].Children[0].Text != "d" {
		t.Errorf("%v, %v", root, err)
	}
}

// A file is replaced in one step, keeps its mode, and leaves nothing beside it. A link is refused, and so
// is what lies behind one that leads out of the folder.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "in", "a"), filepath.Join(dir, "in", "b")
	if err := Write(file, "one"); err != nil {
		t.Fatal(err)
	}
	before, err := os.Open(file) // who reads the old file reads it to its end
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, "two, and more"); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "in", "out")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"b": "it is a link", "out": "it is a link", "out/a": "escapes"} {
		if err := WriteIn(filepath.Dir(file), name, "three"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if found, err := os.ReadDir(outside); len(found) > 0 || err != nil {
		t.Errorf("%v, %v", found, err)
	}
	var old string
	if _, err := fmt.Fscan(before, &old); err != nil || old != "one" {
		t.Errorf("%q, %v", old, err)
	}
	text, err := os.ReadFile(file)
	info, statErr := os.Lstat(file)
	linked, linkErr := os.Readlink(link)
	all, listErr := os.ReadDir(filepath.Dir(file))
	if string(text) != "two, and more" || info.Mode().Perm() != 0o600 || linked != "a" || len(all) != 3 {
		t.Errorf("%q, %v, %v, %q, %v, %v, %v, %v", text, err, info, linked, all, statErr, linkErr, listErr)
	}
	if err := Write(dir, "a folder"); err == nil {
		t.Error("a folder is written")
	}
	if err := Write(os.DevNull, "nothing"); err != nil {
		t.Error(err)
	}
}

// A project has no models but those in its folder and below, whatever links are there; what is
// elsewhere is refused where it is named.
func TestProjectFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"outside/a_msg.xml":    `<class name = "a_msg"><message name = "A" /></class>`,
		"outside/a_server.xml": `<class name = "a_server"><state name = "a" /></class>`,
		"p/b_msg.xml":          `<class name = "b_msg"><message name = "B" /></class>`,
		"p/b_server.xml":       `<class name = "b_server" protocol_class = "a_msg" protocol_dir = "../outside/"><state name = "b" /></class>`,
		"p/b_talk.xml":         `<conversation name = "b_talk" machine_dir = "../outside/"><side name = "a" machine = "a_server" /></conversation>`,
		"p/project.xml": `<project name = "p">
			<protocol name = "b_msg" api = "b_msg.xml" />
			<protocol name = "a_msg" api = "../outside/a_msg.xml" />
			<protocol name = "a_msg" api = "linked/a_msg.xml" />
			<machine name = "b_server" api = "b_server.xml" />
			<conversation name = "b_talk" api = "b_talk.xml" />
		</project>`,
	} {
		if err := Write(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../outside", filepath.Join(dir, "p/linked")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("p", filepath.Join(dir, "q")); err != nil { // a project may be named by a link
		t.Fatal(err)
	}
	for _, name := range []string{"p", "q"} {
		p, err := Load(Disk{}, filepath.Join(dir, name))
		if err != nil || len(p.Protocols) != 1 || len(p.Problems) != 2 || p.Problems[0].Line != 3 || p.Problems[1].Line != 4 {
			t.Fatalf("%v, %v", p, err)
		}
		for _, why := range []string{p.Problems[0].Text, p.Problems[1].Text, p.Machines[0].NoProtocol, p.Talks[0].Sides[0].Err.Error()} {
			if !strings.Contains(why, "outside of the folder of the project") {
				t.Error(why)
			}
		}
	}
	if p, err := Load(Disk{}, filepath.Join(dir, "p/b_server.xml")); err != nil || p.Machines[0].Protocol == nil {
		t.Errorf("a model by itself does not find its protocol: %v", err)
	}
	p, err := Load(fstest.MapFS{"p/project.xml": {Data: []byte(`<project name = "p"><protocol name = "a" api = "../a.xml" /></project>`)},
		"a.xml": {Data: []byte(`<class name = "a"><message name = "A" /></class>`)}}, "p")
	if err != nil || len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Text, "outside of the folder") {
		t.Errorf("%v, %v", p, err)
	}
}
