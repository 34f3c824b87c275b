package src

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// mostMethods is how many methods a type may declare, beside those of the class that it is of.
const mostMethods = 30

// TestMethods counts the methods of each type in what is written by hand. Those that the class of
// a node has in the API's model do not count: whoever is a node has them all.
func TestMethods(t *testing.T) {
	class := map[string]bool{}
	for _, method := range methodsIn(t, filepath.Join("..", "bindings", "go", "libonce"), func(file *ast.File) bool { return true })["Node"] {
		class[method] = true
	}
	if len(class) == 0 {
		t.Fatal("the class of a node has no methods")
	}
	types := 0
	err := filepath.WalkDir("..", func(dir string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return err
		case dir != ".." && strings.HasPrefix(d.Name(), "."), d.Name() == "testdata":
			return filepath.SkipDir
		}
		for name, methods := range methodsIn(t, dir, func(file *ast.File) bool { return !ast.IsGenerated(file) }) {
			types++
			own := 0
			for _, method := range methods {
				if name != "Node" || !class[method] {
					own++
				}
			}
			if own > mostMethods {
				t.Errorf("%s in %s has %d methods, and more than %d are more than one thing", name, dir, own, mostMethods)
			}
		}
		return nil
	})
	if err != nil || types == 0 {
		t.Fatalf("%d types: %v", types, err)
	}
}

// methodsIn returns the methods of each type of a folder's package that are in files which are
// wanted and are no tests.
func methodsIn(t *testing.T, dir string, wanted func(*ast.File) bool) map[string][]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string][]string{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if !wanted(file) {
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
				of := receiverOf(f.Recv.List[0].Type)
				methods[of] = append(methods[of], f.Name.Name)
			}
		}
	}
	return methods
}

// receiverOf returns the name of the type that a method is of.
func receiverOf(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiverOf(of.X)
	case *ast.IndexExpr:
		return receiverOf(of.X)
	case *ast.IndexListExpr:
		return receiverOf(of.X)
	case *ast.Ident:
		return of.Name
	}
	return ""
}
