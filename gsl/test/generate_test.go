package generator_test

import (
	"errors"
	"go/format"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// generate runs gsl over a project file in a directory of its own, which holds
// the generator and nothing else; write adds to it first. It returns the
// directory, the faults that were reported, and the error of a run that failed.
func generate(t *testing.T, project string, write map[string]string) (dir string, faults []string, err error) {
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
	for name, text := range write {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), gsl, "-q", project)
	command.Dir = dir
	said, err := command.CombinedOutput()
	for line := range strings.Lines(string(said)) {
		if _, fault, ok := strings.Cut(strings.TrimSpace(line), " E: "); ok {
			faults = append(faults, fault)
		}
	}
	return dir, faults, err
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

// project names one model; its kind is the first word of its name.
func project(name, api string) string {
	kind, _, _ := strings.Cut(name, "_")
	return `<project name = "` + kind + `" script = "gsl/project.gsl" module = "example.org/bad" license = "MPL-2.0">
		<` + kind + ` name = "` + name + `" api = "` + api + `" />
	</project>`
}

func checkFaults(t *testing.T, project string, want []string) {
	t.Helper()
	dir, faults, err := generate(t, "project.xml", map[string]string{"project.xml": project})
	var failed *exec.ExitError
	if !errors.As(err, &failed) {
		t.Errorf("gsl ended with %v, not with a failure", err)
	}
	if !slices.Equal(faults, want) {
		t.Errorf("reported:\n%s\nwant:\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
	for name := range printed(t, dir) {
		t.Errorf("printed %s in spite of the faults", name)
	}
}

func TestBadModels(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(root, "gsl/testdata/bad/*.xml"))
	if err != nil || len(models) == 0 {
		t.Fatalf("no bad models: %v", err)
	}
	for _, model := range models {
		name := strings.TrimSuffix(filepath.Base(model), ".xml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(strings.TrimSuffix(model, ".xml") + ".faults")
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSpace(string(text)), "\n")
			checkFaults(t, project(name, "gsl/testdata/bad/"+name+".xml"), want)
		})
	}
}

func TestBadProjects(t *testing.T) {
	const tiny = "gsl/testdata/good/tiny_msg.xml"
	unlicensed := strings.Replace(project("protocol_msg", "gsl/gone.xml"), ` license = "MPL-2.0"`, "", 1)
	for _, test := range []struct {
		name, project string
		want          []string
	}{
		{"a model that is not there", project("protocol_gone", "gsl/gone.xml"), []string{
			"gsl/gone.xml: protocol_gone: cannot be read: Could not find XML file: gsl/gone.xml"}},
		{"a model with another name", project("protocol_msg", tiny), []string{
			tiny + ": protocol_msg: is called 'tiny_msg' inside: use one name"}},
		{"no license", unlicensed, []string{
			"project.xml: protocol: has no attribute license, which zproject's Python binding needs: name the license, as in MPL-2.0",
			"gsl/gone.xml: protocol_msg: cannot be read: Could not find XML file: gsl/gone.xml"}},
	} {
		t.Run(test.name, func(t *testing.T) { checkFaults(t, test.project, test.want) })
	}
}

// The good models print what is committed, byte for byte after gofmt.
func TestGoodModels(t *testing.T) {
	dir, faults, err := generate(t, "gsl/testdata/good/project.xml", nil)
	if err != nil || faults != nil {
		t.Fatalf("%v: %q", err, faults)
	}
	got := printed(t, filepath.Join(dir, "gsl/test/tiny"))
	want := printed(t, "tiny")
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
