package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestExample: the file that is shown names each setting, and what is commented out is what
// holds without.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../deploy/server.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := new(Config).Read("../../deploy/server.conf"); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "conf")
	said := map[string]string{}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ="); ok && strings.HasPrefix(name, "#") && !strings.Contains(name, " ") {
			said[name[1:]] = strings.TrimSpace(value)
			if value != "" {
				lines = append(lines, line[1:])
			}
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := new(Config).Read(file); err != nil {
		t.Error(err)
	}
	for _, s := range api.ServerOptions {
		if value, shown := said[s.Name]; !shown || s.Default != "" && value != s.Default {
			t.Errorf("%s = %q, where the default is %q", s.Name, value, s.Default)
		}
	}
	if len(said) != len(api.ServerOptions) {
		t.Errorf("%d settings of %d", len(said), len(api.ServerOptions))
	}
}
