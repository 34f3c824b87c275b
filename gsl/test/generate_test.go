package generator_test

import (
	"errors"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/lint"
	"github.com/sjohnr/at-once/src/model/settle"
)

const root = "../.."

// generate runs gsl over a project file in a directory of its own, which holds the generator and,
// settled, the project's models. It returns the directory and what gsl said.
func generate(t *testing.T, project string) (dir, said string, err error) {
	t.Helper()
	gsl, err := exec.LookPath("gsl")
	if err != nil {
		t.Skip("gsl is not installed; on Debian and Ubuntu: apt-get install generator-scripting-language")
	}
	dir = t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "gsl"), os.DirFS(filepath.Join(root, "gsl"))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "gsl/test")); err != nil {
		t.Fatal(err)
	}
	if project != "" {
		p, err := model.Load(os.DirFS(root), project)
		if err != nil {
			t.Fatal(err)
		}
		for _, finding := range lint.Check(p, lint.Once) {
			t.Fatal(finding)
		}
		if err := settle.Write(p, dir); err != nil {
			t.Fatal(err)
		}
	} else {
		project = "gsl/testdata/good/project.xml"
	}
	command := exec.CommandContext(t.Context(), gsl, "-q", project)
	command.Dir = dir
	text, err := command.CombinedOutput()
	return dir, string(text), err
}

// printed returns the files of a directory but the generator, by name.
func printed(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if name == "project.xml" || strings.HasPrefix(name, "gsl/") {
			delete(files, name)
		}
	}
	return files
}

// Models that nobody has checked are not printed.
func TestUnsettledModels(t *testing.T) {
	dir, said, err := generate(t, "")
	var failed *exec.ExitError
	if !errors.As(err, &failed) || !strings.Contains(said, "is not settled: run gsl/generate.sh") {
		t.Errorf("gsl ended with %v, and said %s", err, said)
	}
	for name := range printed(t, dir) {
		t.Errorf("printed %s", name)
	}
}

// The good models print what is committed, byte for byte after gofmt.
func TestGoodModels(t *testing.T) {
	dir, said, err := generate(t, "gsl/testdata/good/project.xml")
	if err != nil || said != "" {
		t.Fatalf("%v: %s", err, said)
	}
	got := printed(t, filepath.Join(dir, "gsl/test/tiny"))
	want := printed(t, "tiny")
	for name := range want {
		if strings.HasPrefix(name, "vectors/") { // of once-model: see its tests
			delete(want, name)
		}
	}
	for name, text := range got {
		if strings.HasSuffix(name, ".go") {
			tidy, err := format.Source([]byte(text))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			text = string(tidy)
		}
		if text != want[name] {
			t.Errorf("tiny/%s is not what the models print: run gsl/generate.sh and review what changes", name)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("tiny/%s is not printed any more: run gsl/generate.sh", name)
	}
}
