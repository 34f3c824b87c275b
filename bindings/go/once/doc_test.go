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
	for dir, least := range map[string]int{".": 220, "oncetest": 20} {
		a := &audit{T: t, names: map[string]bool{}}
		p := parse(t, dir)
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
			}
		}
		a.resolve()
		if a.named < least {
			t.Errorf("%s: only %d names were looked at", dir, a.named)
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
			if types.ExprString(result.Type) == "error" && !failing.MatchString(f.Doc) {
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
	for _, path := range []string{"once.go", "event.go", "identity.go", "types.go", "config.go"} {
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
