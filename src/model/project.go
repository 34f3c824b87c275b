package model

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Kind is what a model describes.
type Kind string

// The kinds of models. A project's entries are called as they are.
const (
	Unknown   Kind = ""
	Protocols Kind = "protocol"
	Layouts   Kind = "layout"
	Machines  Kind = "machine"
	Classes   Kind = "class"
	Talks     Kind = "conversation"
)

// kinds are all of them, in the order in which a project's models are resolved.
var kinds = []Kind{Protocols, Layouts, Machines, Classes, Talks}

// Project is a set of models that belong together.
type Project struct {
	*Element       // of project.xml; without one, an element with no attributes
	Whole     bool // a project.xml names the models, so that these are all
	Protocols []*Protocol
	Layouts   []*Layout
	Machines  []*Machine
	Classes   []*Class
	Talks     []*Talk
	Problems  []Problem // what could not be read

	fsys   fs.FS
	octets int // that were read so far
}

// Problem is what cannot be read of a project: where it is asked for, and why not.
type Problem struct {
	Pos
	Path string // of the element that asks for it
	Text string
}

func (p Problem) String() string { return OneLine(fmt.Sprintf("%s: %s: %s", p.Pos, p.Path, p.Text)) }

// OneLine is a text without ends of lines, and what nobody sees: what is in a model, and the name of
// its file, neither begins a line of what is printed about it, nor directs a terminal.
func OneLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) || unseen(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Disk is the file system of this machine, for Load: names are those of the system.
type Disk struct{}

// Open opens a file.
func (Disk) Open(name string) (fs.File, error) { return os.Open(name) }

// ReadFile reads a file as the function of this name does.
func (d Disk) ReadFile(name string) ([]byte, error) { return ReadFile(d, name) }

// Stat describes a file without opening it, which may take forever.
func (Disk) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// Real tells what a name leads to, links and all.
func (Disk) Real(name string) (string, error) {
	whole, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(whole)
}

// ReadDir lists a folder.
func (Disk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// ReadFile reads a regular file that is no larger than a model may be: of others there may be
// no end, and what is packed may be far larger than it looks.
func ReadFile(fsys fs.FS, name string) ([]byte, error) {
	refuse := func(why error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: name, Err: why} }
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() && !info.IsDir():
		return refuse(errors.New("it is no regular file"))
	}
	file, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if len(text) > maxFile {
		return refuse(fmt.Errorf("it has more than %d octets", maxFile))
	}
	return text, err
}

// Load reads a project file, a model, or a folder with a project file or with models, of which
// there is at least one. What a project names and cannot be read is one of the Problems.
func Load(fsys fs.FS, name string) (*Project, error) {
	p := &Project{Element: &Element{Pos: Pos{File: name}, Tag: "project"}, fsys: fsys}
	if err := p.load(name); err != nil {
		return nil, err
	}
	if len(p.Models())+len(p.Problems) == 0 {
		return nil, fmt.Errorf("%s has no models: give a project.xml, a model, or a folder with one or the other", name)
	}
	return p, nil
}

func (p *Project) load(name string) error {
	info, err := fs.Stat(p.fsys, name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return p.file(name)
	}
	if inside := path.Join(name, "project.xml"); exists(p.fsys, inside) {
		return p.file(inside)
	}
	return p.folder(name)
}

func exists(fsys fs.FS, name string) bool {
	info, err := fs.Stat(fsys, name)
	return err == nil && !info.IsDir()
}

// file takes in a project file, or the one model.
func (p *Project) file(name string) error {
	root, err := p.read(name)
	if err != nil {
		return err
	}
	if root.Tag != "project" {
		kind := KindOf(root)
		if kind == Unknown {
			return &SyntaxError{root.Pos, fmt.Errorf("<%s> with neither messages, states, records nor methods is no model", root.Tag)}
		}
		p.add(kind, root)
		return nil
	}
	p.Element, p.Whole = root, true
	for _, kind := range kinds {
		for entry := range root.All(string(kind)) {
			p.entry(kind, entry)
		}
	}
	for entry := range root.All("model") {
		p.theirs(entry)
	}
	return nil
}

// find tells where a file is that a project in a folder names. Zproject is run in the folder from
// which paths lead, and that may be above the project's: this one, or one above this one.
func (p *Project) find(folder, name string) string {
	file := path.Join(folder, name)
	if exists(p.fsys, file) {
		return file
	}
	if exists(p.fsys, name) {
		return name
	}
	for _, below, more := strings.Cut(name, "/"); more; _, below, more = strings.Cut(below, "/") {
		if below := path.Join(folder, below); exists(p.fsys, below) {
			return below
		}
	}
	return file
}

// theirs takes in what a project of zproject has zproto, or another generator, print: that is in
// the folder src. What is for another generator is no model.
func (p *Project) theirs(entry *Element) {
	name := strings.ReplaceAll(entry.Name(), "-", "_") + ".xml"
	file := path.Join(path.Dir(p.File), "src", name)
	root, err := p.read(file)
	if err != nil {
		p.unread(entry, file, err)
	} else if kind := KindOf(root); kind != Unknown {
		p.add(kind, root)
	}
}

// unread notes that a file which the project names cannot be read.
func (p *Project) unread(entry *Element, file string, err error) {
	problem := Problem{Pos: entry.Pos, Path: entry.Name(), Text: "cannot be read: " + err.Error()}
	var syntax *SyntaxError
	if errors.As(err, &syntax) {
		problem.Pos, problem.Text = syntax.Pos, "cannot be read: "+syntax.Err.Error()
	} else if errors.Is(err, fs.ErrNotExist) {
		problem.Text = "cannot be read: there is no " + file
	}
	p.Problems = append(p.Problems, problem)
}

// entry takes in a model that the project names. Where the entry does not say, a class is where
// zproject looks for it.
func (p *Project) entry(kind Kind, entry *Element) {
	api := entry.Attr("api")
	folder := path.Dir(p.File)
	if api == "" && kind == Classes {
		for _, end := range []string{".api", ".xml"} {
			if guess := "api/" + strings.ReplaceAll(entry.Name(), "-", "_") + end; exists(p.fsys, path.Join(folder, guess)) {
				api = guess
			}
		}
		if api == "" {
			return // zproject: a class that is written by hand has no model
		}
	}
	file := p.find(path.Dir(p.File), api)
	if api == "" {
		p.Problems = append(p.Problems, Problem{entry.Pos, entry.Name(), "names no file: say where it is with api"})
		return
	}
	root, err := p.read(file)
	switch {
	case err != nil:
		p.unread(entry, file, err)
	case CName(root.Attr("name")) != CName(entry.Attr("name")): // zproject writes both
		p.Problems = append(p.Problems, Problem{root.Pos, entry.Name(), fmt.Sprintf("is called '%s' inside: use one name", root.Attr("name"))})
	default:
		p.add(kind, root)
	}
}

// folder takes in all models in a folder and those below.
func (p *Project) folder(name string) error {
	return fs.WalkDir(p.fsys, name, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && file != name {
			return fs.SkipDir
		}
		if entry.IsDir() || !slices.Contains([]string{".xml", ".api"}, path.Ext(file)) {
			return nil
		}
		root, err := p.read(file)
		if err != nil {
			p.unread(&Element{Pos: Pos{File: file}, Attrs: []Attr{{"name", path.Base(file)}}}, file, err)
		} else if kind := KindOf(root); kind != Unknown {
			p.add(kind, root)
		}
		return nil
	})
}

// within returns an error for a file that is not in the folder of the project or below, links and
// all: what is elsewhere is no part of it, and whoever only reviews a project does not mean to read
// that. A model that is read without a project may name what is beside it.
func (p *Project) within(name string) error {
	if !p.Whole {
		return nil
	}
	folder := path.Dir(p.File)
	if disk, is := p.fsys.(Disk); is {
		file, err := disk.Real(name)
		if err != nil {
			return err
		}
		name = file
		if folder, err = disk.Real(folder); err != nil {
			return err
		}
	}
	if below, err := filepath.Rel(folder, name); err != nil || !filepath.IsLocal(below) {
		return fmt.Errorf("%s is outside of the folder of the project: move it there, or the project above it", name)
	}
	return nil
}

func (p *Project) read(name string) (*Element, error) {
	if err := p.within(name); err != nil {
		return nil, err
	}
	text, err := ReadFile(p.fsys, name)
	if err != nil {
		return nil, err
	}
	if p.octets += len(text); p.octets > maxProject {
		return nil, fmt.Errorf("the models of a project have at most %d octets, each as often as it is named", maxProject)
	}
	return Parse(name, text)
}

// KindOf tells what a model describes by what is in it.
func KindOf(root *Element) Kind {
	if root.Tag == "conversation" {
		return Talks
	}
	if root.Tag != "class" && root.Tag != "layout" && root.Tag != "machine" && root.Tag != "protocol" {
		return Unknown
	}
	for _, c := range root.Children {
		switch c.Tag {
		case "message":
			return Protocols
		case "state":
			return Machines
		case "record", "number":
			return Layouts
		case "method", "constructor", "destructor", "callback_type", "enum", "constant", "actor":
			return Classes
		}
	}
	if root.Has("signature") {
		return Protocols
	}
	return Unknown
}

func (p *Project) add(kind Kind, root *Element) {
	switch kind {
	case Protocols:
		p.Protocols = append(p.Protocols, newProtocol(root))
	case Layouts:
		p.Layouts = append(p.Layouts, newLayout(root))
	case Machines:
		p.Machines = append(p.Machines, newMachine(root, p.read))
	case Classes:
		p.Classes = append(p.Classes, newClass(root))
	case Talks:
		p.Talks = append(p.Talks, newTalk(root, p.read))
	}
}

// Models are the roots of all models, in the order in which they are resolved.
func (p *Project) Models() []*Element {
	var all []*Element
	for _, m := range p.Protocols {
		all = append(all, m.Element)
	}
	for _, m := range p.Layouts {
		all = append(all, m.Element)
	}
	for _, m := range p.Machines {
		all = append(all, m.Element)
	}
	for _, m := range p.Classes {
		all = append(all, m.Element)
	}
	for _, m := range p.Talks {
		all = append(all, m.Element)
	}
	return all
}
