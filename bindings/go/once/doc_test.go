package once_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// units are words that say what a number counts, or what it is.
var units = regexp.MustCompile(`(?i)\b(octets?|frames?|messages?|peers|events|port|number|how (many|often)|days|1 s|first at 0|from 0|seed|version)\b`)

// failing are words that say when something fails, or as what.
var failing = regexp.MustCompile(`\bfails\b|\[\*?Err|\[\*?UndeliveredError\]|\bErrors: `)

// links are names in brackets, as Go's documentation has them.
var links = regexp.MustCompile(`\[\*?([A-Z]\w*)(?:\.([A-Z]\w*))?\]`)

// audit holds the documentation of a package against what is to be in it.
type audit struct {
	*testing.T
	names map[string]bool // of the package, "Node" and "Node.Close"
	texts []string
	named int
}

func parse(t *testing.T, dir string) *doc.Package {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	set, files := token.NewFileSet(), []*ast.File(nil)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	p, err := doc.NewFromFiles(set, files, dir)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEverythingIsDocumented has no exported name of the packages that programs import
// lack its sentence, its units or its errors, nor any link lead nowhere. `go doc` shows
// what this reads.
func TestEverythingIsDocumented(t *testing.T) {
	for dir, least := range map[string]int{".": 220, "files": 30, "oncetest": 20} {
		a := &audit{T: t, names: map[string]bool{}}
		p := parse(t, dir)
		a.read(p)
		a.resolve()
		if a.named < least {
			t.Errorf("%s: only %d names were looked at", dir, a.named)
		}
	}
}

// read looks at all of a package.
func (a *audit) read(p *doc.Package) {
	a.text("package "+p.Name, p.Doc, "Package "+p.Name)
	a.values(p.Consts)
	a.values(p.Vars)
	a.funcs("", p.Funcs)
	for _, typ := range p.Types {
		a.names[typ.Name] = true
		a.text(typ.Name, typ.Doc, typ.Name)
		a.values(typ.Consts)
		a.values(typ.Vars)
		a.funcs("", typ.Funcs)
		a.funcs(typ.Name+".", typ.Methods)
		for _, spec := range typ.Decl.Specs {
			a.members(typ.Name, spec.(*ast.TypeSpec).Type)
			if word, ok := spec.(*ast.TypeSpec).Type.(*ast.Ident); ok && len(typ.Consts) == 0 {
				a.Errorf("the documentation of %s, which is a %s, shows none of its values", typ.Name, word)
			}
		}
	}
}

// text holds a sentence against what each has to be: it is there, and begins with the name.
func (a *audit) text(name, text, begin string) {
	a.named++
	a.texts = append(a.texts, text)
	if first := strings.Fields(text + " "); len(first) < 3 || !strings.HasPrefix(strings.TrimSuffix(text, "\n"), begin) {
		a.Errorf("%s has no sentence that begins with %q: %q", name, begin, text)
	}
}

func (a *audit) values(groups []*doc.Value) {
	for _, group := range groups {
		for _, spec := range group.Decl.Specs {
			value := spec.(*ast.ValueSpec)
			text := value.Comment.Text() + value.Doc.Text()
			if len(group.Decl.Specs) == 1 {
				text += group.Doc
			}
			for _, name := range value.Names {
				if a.names[name.Name] = true; ast.IsExported(name.Name) {
					a.text(name.Name, text, "")
				}
			}
		}
	}
}

func (a *audit) funcs(of string, funcs []*doc.Func) {
	for _, f := range funcs {
		name := of + f.Name
		a.names[name] = true
		a.text(name, f.Doc, f.Name+" ")
		if f.Decl.Type.Results == nil {
			continue
		}
		for _, result := range f.Decl.Type.Results.List {
			a.unit(name, f.Doc, result.Type)
			if types.ExprString(result.Type) == "error" && f.Name != "Unwrap" && !failing.MatchString(f.Doc) {
				a.Errorf("%s does not say when it fails, and as what: %q", name, f.Doc)
			}
		}
		for _, parameter := range f.Decl.Type.Params.List {
			a.unit(name, f.Doc, parameter.Type)
		}
	}
}

// unit expects of what has to do with a number that it says what that is.
func (a *audit) unit(name, text string, typ ast.Expr) {
	switch types.ExprString(typ) {
	case "int", "uint64", "map[string]uint64", "float64":
		if !units.MatchString(text) {
			a.Errorf("%s does not say what its number counts: %q", name, text)
		}
	}
}

// members looks at the fields of a struct, and at the methods of an interface.
func (a *audit) members(of string, typ ast.Expr) {
	var list *ast.FieldList
	switch typ := typ.(type) {
	case *ast.StructType:
		list = typ.Fields
	case *ast.InterfaceType:
		list = typ.Methods
	default:
		return
	}
	for _, field := range list.List {
		for _, name := range field.Names {
			if !name.IsExported() {
				continue
			}
			path, text := fmt.Sprint(of, ".", name), field.Doc.Text()+field.Comment.Text()
			a.names[path] = true
			a.text(path, text, "")
			a.unit(path, text, field.Type)
			if types.ExprString(field.Type) == "time.Duration" && of == "Config" && !regexp.MustCompile(`\d (ms|s|min|h)\b.* (s|min|h)\b`).MatchString(text) {
				a.Errorf("%s does not say from when to when it may be: %q", path, text)
			}
		}
	}
}

// resolve follows the links.
func (a *audit) resolve() {
	for _, text := range a.texts {
		for _, link := range links.FindAllStringSubmatch(text, -1) {
			name := link[1]
			if link[2] != "" {
				name += "." + link[2]
			}
			if !a.names[name] {
				a.Errorf("[%s] leads nowhere: %q", name, text)
			}
		}
	}
}

// TestErrorsAreNamed has each error of the package be named by what returns it.
func TestErrorsAreNamed(t *testing.T) {
	source := ""
	for _, path := range []string{"once.go", "ask.go", "event.go", "identity.go", "types.go", "config.go"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		source += string(text)
	}
	for _, group := range parse(t, ".").Vars {
		for _, name := range group.Names {
			if strings.HasPrefix(name, "Err") && !strings.Contains(source, "["+name+"]") {
				t.Errorf("nobody says that %s is returned", name)
			}
		}
	}
}

// zyreCalls is what zyre.h and zyre_event.h of Zyre 2.0 have, without the prefix, and its events.
const zyreCalls = "new destroy uuid name set_name set_header set_verbose set_port set_beacon_peer_port set_evasive_timeout " +
	"set_silent_timeout set_expired_timeout set_interval set_interface set_endpoint set_contest_in_group set_advertised_endpoint " +
	"set_zcert set_zap_domain gossip_bind gossip_connect gossip_connect_curve gossip_unpublish start stop join leave recv whisper " +
	"shout whispers shouts peers peers_by_group own_groups peer_groups peer_address peer_header_value require_peer socket print " +
	"version test event_new event_destroy event_type event_peer_uuid event_peer_name event_peer_addr event_headers event_header " +
	"event_group event_msg event_get_msg event_print event_test " +
	"ENTER EXIT JOIN LEAVE EVASIVE SILENT LEADER STOP WHISPER SHOUT"

// TestZyresCallsAreTold has the table for who comes from Zyre name each of its calls, and
// nothing here that there is not.
func TestZyresCallsAreTold(t *testing.T) {
	table, err := os.ReadFile("../../../generated/doc/zyre.md")
	if err != nil {
		t.Fatal(err)
	}
	ours, rows := names(t), map[string][]string{}
	for line := range strings.Lines(string(table)) {
		if cells := strings.Split(strings.Trim(line, "| \n"), " | "); len(cells) == 4 {
			rows[strings.TrimPrefix(cells[0], "zyre_")] = cells
		}
	}
	for _, call := range strings.Fields(zyreCalls) {
		cells := rows[call]
		if cells == nil {
			t.Errorf("zyre_%s is not in the table", call)
		} else if here := cells[2]; here != "-" && !ours[here] {
			t.Errorf("zyre_%s is said to be %s, which there is not", call, here)
		}
		delete(rows, call)
	}
	delete(rows, "Zyre")
	delete(rows, "---")
	for call := range rows {
		t.Errorf("%s is in the table, and not in Zyre", call)
	}
}

// names returns the names of the package, with those of fields and methods.
func names(t *testing.T) map[string]bool {
	a := &audit{T: t, names: map[string]bool{}}
	a.read(parse(t, "."))
	return a.names
}
