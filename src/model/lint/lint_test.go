package lint_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/lint"
)

func TestOld(t *testing.T) {
	t.Chdir("../../..")
	models, _ := filepath.Glob("gsl/testdata/bad/*.xml")
	for _, path := range models {
		name := strings.TrimSuffix(filepath.Base(path), ".xml")
		text, _ := os.ReadFile(strings.TrimSuffix(path, ".xml") + ".faults")
		want := strings.Split(strings.TrimSpace(string(text)), "\n")
		kind, _, _ := strings.Cut(name, "_")
		dir := t.TempDir()
		os.WriteFile(dir+"/project.xml", []byte(`<project name = "`+kind+`" script = "gsl/project.gsl" module = "example.org/bad" license = "MPL-2.0">
		<`+kind+` name = "`+name+`" api = "`+path+`" />
	</project>`), 0o600)
		os.Symlink(mustAbs("gsl"), dir+"/gsl")
		p, err := model.Load(os.DirFS(dir), "project.xml")
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, f := range lint.Check(p, lint.DialectOf(p)) {
			got = append(got, f.File+": "+f.Path+": "+f.Text)
		}
		for _, w := range want {
			if i := slices.Index(got, w); i >= 0 {
				got = slices.Delete(got, i, i+1)
			} else {
				t.Errorf("%s MISSING %s", name, w)
			}
		}
		for _, g := range got {
			t.Errorf("%s EXTRA %s", name, g)
		}
	}
}

func mustAbs(p string) string { a, _ := filepath.Abs(p); return a }
