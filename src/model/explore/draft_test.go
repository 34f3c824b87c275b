package explore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/sjohnr/at-once/src/model"
)

// Models of zproto have no conversations; what their clients and servers do not handle is found.
func TestDrafts(t *testing.T) {
	for _, test := range []struct{ file, old, new, want string }{
		{"", "", "", ""},
		{"chat_client.xml", `<event name = "SAID"><action name = "deliver" /></event>`, ``, "client in chatting has no step for the event SAID"},
		{"chat_server.xml", `name = "*"`, `name = "$other"`, ""},
		{"chat_client.xml", `message = "LOGIN"`, `message = "SAY"`, ""}, // for which the server has *
		{"chat_server.xml", `<event name = "LOGIN"`, `<event name = "SAY"`, ""},
		{"chat_server.xml", `start" inherit = "defaults"`, `start"`, ""},
		{"chat_server.xml", `start" inherit = "defaults">~        <event name = "LOGIN"`, `start">~        <event name = "SAY"`, "server in start has no step for the event LOGIN"},
	} {
		files := fstest.MapFS{}
		for _, name := range []string{"chat_msg.xml", "chat_client.xml", "chat_server.xml"} {
			text, err := os.ReadFile(filepath.Join("../../../gsl/testdata/theirs", name))
			if err != nil {
				t.Fatal(err)
			}
			if name == test.file {
				test.old, test.new = strings.ReplaceAll(test.old, "~", "\n"), strings.ReplaceAll(test.new, "~", "\n")
				if !strings.Contains(string(text), test.old) {
					t.Fatalf("%s has no %s", name, test.old)
				}
				text = []byte(strings.Replace(string(text), test.old, test.new, 1))
			}
			files[name] = &fstest.MapFile{Data: text}
		}
		p, err := model.Load(files, ".")
		if err != nil {
			t.Fatal(err)
		}
		talks := Drafts(p)
		if len(talks) != 1 {
			t.Fatalf("%d drafts", len(talks))
		}
		r, problems := Explore(talks[0])
		if problems != nil {
			t.Fatal(problems)
		}
		if r.Fault == nil && test.want != "" || r.Fault != nil && (test.want == "" || !strings.Contains(r.Fault.Text, test.want)) {
			t.Errorf("%s: %v, want %q", test.new, r.Fault, test.want)
		}
	}
}
