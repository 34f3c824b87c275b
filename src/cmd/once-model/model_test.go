package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/sjohnr/at-once/src/model"
	"github.com/sjohnr/at-once/src/model/book"
	"github.com/sjohnr/at-once/src/model/vectors"
)

// TestMain is once-model itself if a test is told to.
func TestMain(m *testing.M) {
	if os.Getenv("BE_ONCE_MODEL") != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// call runs the program in a folder.
func call(t *testing.T, dir string, args ...string) (out, said string, exit int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "BE_ONCE_MODEL=1")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), command.ProcessState.ExitCode()
}

const tree = "../../.."

func TestCommands(t *testing.T) {
	for _, test := range []struct {
		args string
		exit int
		out  string
		said string
	}{
		{"lint project.xml", 0, "", ""},
		{"lint", 0, "", ""},
		{"lint api/machine/peer.xml", 0, "", ""},
		{"lint examples/auction", 0, "", ""},
		{"lint gsl/testdata/theirs", 0, "", ""},
		{"lint gsl/testdata/bad/machine_paths.xml", 1, "gsl/testdata/bad/machine_paths.xml:9: trap: has no way out", ""},
		{"lint --json gsl/testdata/bad/machine_paths.xml", 1, `"line":9,"path":"trap"`, ""},
		{"lint --dialect zproto gsl/testdata/bad/protocol_limits.xml", 0, "", ""},
		{"lint --settle nowhere gsl/testdata/theirs", 1, "has no sentence: write what it is for", ""},
		{"lint --settle nowhere --dialect zproto gsl/testdata/theirs", 2, "", "--settle writes models of the dialect once only"},
		{"lint nowhere", 1, "", "once-model: stat nowhere: no such file or directory"},
		{"lint lab", 1, "", "lab has no models: give a project.xml, a model, or a folder with one or the other"},
		{"lint --dialect perl", 2, "", `--dialect is "perl": give once or zproto`},
		{"diff lab", 1, "", "lab has no models"},
		{"diff api lab", 1, "", "lab has no models"},
		{"vectors lab", 1, "", "lab has no models"},
		{"lint a b", 2, "", "'once-model lint --help' tells how to use it"},
		{"lint go.mod", 1, "", ": has no element"},
		{"lint /dev/null", 1, "", "once-model: read /dev/null: it is no regular file"},
		{"unheard", 2, "", "unknown command"},
		{"diff gsl/testdata/bad/protocol_sides.xml gsl/testdata/bad/protocol_sides.xml", 1, "", "the models have faults, the first: gsl/testdata/bad/protocol_sides.xml:4"},
		{"lock gsl/testdata/bad/protocol_sides.xml", 1, "", "the models have faults, the first: gsl/testdata/bad/protocol_sides.xml:4"},
		{"diff gsl/testdata/bad/machine_sides.xml gsl/testdata/bad/machine_paths.xml", 4, "STATE: what is said when", ""},
		{"diff gsl/testdata/good/tiny_msg.xml gsl/testdata/bad/protocol_head.xml --format json", 3, `"class": "WIRE"`, ""},
		{"diff gsl/testdata/good/tiny_box.xml gsl/testdata/good/tiny_lid.xml --format markdown", 5, "## API: what programs call", ""},
		{"diff", 2, "", "accepts between 1 and 2 arg(s)"},
		{"diff api --format pdf", 2, "", `--format is "pdf": give text, markdown or json`},
		{"diff api --on today", 2, "", `--on is "today": give a day`},
		{"diff no-such-thing", 1, "", "no-such-thing is no file here, and no revision of git"},
		{"diff --format text -- -x", 1, "", "-x is no file here, and no revision of git: a revision does not begin with a hyphen"},
		{"lock --check", 2, "", "--check needs the lock's name: give --out FILE"},
		{"lock --out go.mod --check", 1, "", "go.mod is not of these models"},
		{"vectors gsl/testdata/bad/protocol_ids.xml", 1, "", "ZERO: id must be a number from 1 to 255"},
		{"vectors gsl/testdata/bad/protocol_limits.xml", 1, "", "the models have faults, the first: "},
		{"vectors gsl/testdata/theirs", 0, `"fields": {"sequence": 1, "nick": "x", "from host": "x", "from port": 1}, "frames": ["aaa701030001017801780001"]`, ""},
		{"vectors gsl/testdata/theirs", 0, `"fields": {"sequence": 1, "text": "x", "body": "78"}, "frames": ["aaa7040300010000000178", "78"]`, ""},
		{"vectors gsl/testdata/theirs/chat_room.api", 1, "", "has no protocol: vectors are made of messages"},
		{"vectors api/protocol/zre_msg.xml", 0, `{"name": "HELLO", "case": "no id", "error": "short", "field": "signature", "frames": ["aaa1"]}`, ""},
		{"lint src/model/explore/testdata/bad.xml", 1, `bad.xml:5: bad: the machine of peer has no action "send HELLO"`, ""},
		{"explore src/model/explore/testdata/prototype/deadlock.xml", 1, "deadlock: nothing went wrong, and peer waits in waiting for what nobody says", ""},
		{"explore --json src/model/explore/testdata/prototype/unhandled.xml", 1, `"fault": "unhandled event"`, ""},
		{"explore --only zmtp_null --verbose", 0, "nothing is wrong\n  at most: breaks of wire: 1", ""},
		{"explore examples/auction", 0, "auction: 13867 joint states, 58401 steps, 34 of 56 transitions taken; nothing is wrong\n", ""}, // as docs/own-protocol.md has it
		{"explore --only nobody", 2, "", "--only nobody: there is no such conversation in project.xml"},
		{"explore api/machine/peer.xml", 1, "", "api/machine/peer.xml has no conversations, nor a client and a server of one protocol"},
		{"explore gsl/testdata/theirs", 0, "chat_client and chat_server: 616 joint states", "the models have no conversations, so each client is explored with each server"},
		{"explore src/model/explore/testdata/bad.xml", 1, "", `bad.xml:5: the machine of peer has no action`},
		{"doc --pages lab", 1, "", "lab/README.md: no such file or directory: make generate prints the pages"},
		{"serve --listen nowhere", 1, "", "--listen nowhere: listen tcp: address nowhere: missing port in address"},
		{"serve --against no-such-thing", 1, "", "--against no-such-thing: no-such-thing is no file here"},
		{"serve --trace go.mod", 1, "", "--trace go.mod:1: "},
		{"serve --trace /dev/null", 1, "", "--trace: read /dev/null: it is no regular file"},
		{"serve --trace src/cmd/once-model/testdata/other.json", 1, "", `other.json:2: there is no state "gone" of a machine "door"`},
		{"init Project", 2, "", `NAME is "Project": give 2 to 31 lower-case letters and digits, a letter first`},
		{"init project --module ../x", 2, "", `--module is "../x": give the path of a Go module, as example.org/project`},
		{"init project --at-once lab", 2, "", "which has no go.mod of github.com/sjohnr/at-once"},
		{"init src --at-once .", 1, "", "src is there already"},
	} {
		out, said, exit := call(t, tree, strings.Fields(test.args)...)
		if exit != test.exit || !strings.Contains(out, test.out) || !strings.Contains(said, test.said) || test.out == "" && out != "" || test.said == "" && said != "" {
			t.Errorf("%s: %d, %q, %q", test.args, exit, out, said)
		}
	}
}

// A lock that is written is of the models, until they change.
func TestLock(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "model.lock")
	const good, other = "gsl/testdata/good/project.xml", "examples/auction/project.xml"
	for _, test := range []struct {
		args []string
		exit int
		said string
	}{
		{[]string{"lock", good, "--out", lock, "--check"}, 1, "no such file"},
		{[]string{"lock", good, "--out", lock}, 0, ""},
		{[]string{"lock", good, "--out", lock, "--check"}, 0, ""},
		{[]string{"lock", other, "--out", lock, "--check"}, 1, "is not of these models: write it anew by once-model lock --out"},
		{[]string{"diff", lock, good}, 0, ""},
		{[]string{"diff", lock, other}, 3, ""},
	} {
		if out, said, exit := call(t, tree, test.args...); exit != test.exit || !strings.Contains(said, test.said) || exit == 0 && out+said != "" {
			t.Errorf("%v: %d, %q, %q", test.args, exit, out, said)
		}
	}
}

// What is written goes where it is told to, and not where a link leads that is there.
func TestOutIsNoLink(t *testing.T) {
	for _, test := range []struct{ link, args string }{
		{"model.lock", "lock --out %s/model.lock gsl/testdata/good"},
		{"golden", "vectors --out %s gsl/testdata/good"},
		{"tiny_msg.json", "vectors --out %s gsl/testdata/good"},
		{"gsl", "lint --settle %s gsl/testdata/good"},
	} {
		dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "outside")
		if err := os.Symlink(outside, filepath.Join(dir, test.link)); err != nil {
			t.Fatal(err)
		}
		out, said, exit := call(t, tree, strings.Fields(fmt.Sprintf(test.args, dir))...)
		if exit != 1 || out != "" || !strings.Contains(said, test.link) {
			t.Errorf("%s: %d, %q, %q", test.args, exit, out, said)
		}
		if _, err := os.Lstat(outside); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", test.args, err)
		}
	}
}

// A new project compiles and runs at once, and has no fault.
func TestInit(t *testing.T) {
	if _, err := exec.LookPath("gsl"); err != nil {
		t.Skip("gsl is not installed; on Debian and Ubuntu: apt-get install generator-scripting-language")
	}
	root, err := filepath.Abs(tree)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, said, exit := call(t, dir, "init", "post", "--at-once", root); exit != 0 || !strings.Contains(out, "cd post && sh generate.sh && go run .") {
		t.Fatalf("%d, %q, %q", exit, out, said)
	}
	dir = filepath.Join(dir, "post")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	shell := func(line string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "sh", "-c", line)
		command.Dir = dir
		command.Env = append(os.Environ(), "BE_ONCE_MODEL=1", "ONCE_MODEL="+self, "GOPROXY=off", "GOFLAGS=")
		text, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, text)
		}
		return string(text)
	}
	shell("sh generate.sh")
	if _, err := exec.LookPath("dot"); err == nil {
		if text, err := os.ReadFile(filepath.Join(dir, "generated/doc/book.html")); err != nil || !bytes.Contains(text, []byte(`data-state="post_talk.`)) {
			t.Errorf("the book has no picture of the machine, %v", err)
		}
	}
	if got := shell("go run ."); got != "ana: hello\nthe talk is over\n" {
		t.Errorf("the program prints %q", got)
	}
	if got := shell("go vet ./... && gofmt -l ."); got != "" {
		t.Errorf("not tidy: %s", got)
	}
	if out, said, exit := call(t, dir, "lint"); exit != 0 || out+said != "" {
		t.Errorf("%d, %q, %q", exit, out, said)
	}
}

// What the vectors of the tree say is what the models say now.
func TestVectorsAreFresh(t *testing.T) {
	for project, folder := range map[string]string{"project.xml": "generated/vectors", "gsl/testdata/good/project.xml": "gsl/test/tiny/vectors"} {
		t.Chdir(filepath.Join(tree)) // until the test ends, and relative to the folder of before
		p, err := model.Load(model.Disk{}, project)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Protocols {
			for name, want := range map[string]string{m.Name(): vectors.JSON(m), "golden/" + m.Name(): vectors.GoldenJSON(m)} {
				got, err := os.ReadFile(filepath.Join(folder, name+".json"))
				if err != nil || string(got) != want || !json.Valid(got) {
					t.Errorf("%s/%s.json is not of the models, or no JSON: %v", folder, name, err)
				}
			}
		}
		t.Chdir("src/cmd/once-model")
	}
}

// A revision of git is read as it was committed, whatever its attributes say about exports.
func TestRevisions(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-C", dir}, args...)...)
		text, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, text)
		}
		return strings.TrimSpace(string(text))
	}
	text, err := os.ReadFile(tree + "/gsl/testdata/good/tiny_msg.xml")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "tiny_msg.xml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(string(text))
	if err := os.WriteFile(filepath.Join(dir, ".gitattributes"), []byte("*.xml export-ignore export-subst text eol=crlf\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large.xml")
	for name, size := range map[string]int64{large: maxBlob + 1, filepath.Join(dir, "film"): maxBlob} {
		file, err := os.Create(name)
		if err == nil {
			err = errors.Join(file.Truncate(size), file.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	git("init", "-q")
	git("add", ".")
	film := git("rev-parse", ":film")
	for i := range 20 { // whatever else is there is not read
		git("update-index", "--add", "--cacheinfo", fmt.Sprintf("100644,%s,films/%d", film, i))
	}
	git("commit", "-q", "-m", "one")
	write(strings.Replace(string(text), `max = "300"`, `max = "299"`, 1))
	for _, args := range [][]string{{"diff", "HEAD:./tiny_msg.xml", "tiny_msg.xml"}, {"diff", "HEAD:tiny_msg.xml", "tiny_msg.xml"}} {
		if out, said, exit := call(t, dir, args...); exit != 3 || !strings.Contains(out, "BREAKS tiny_msg EVERY.text: max is 299, and was 300") {
			t.Errorf("%v: %d, %q, %q", args, exit, out, said)
		}
	}
	if out, said, exit := call(t, dir, "diff", "HEAD:large.xml"); exit != 1 || out != "" || !strings.Contains(said, "it has more than 16777216 octets") {
		t.Errorf("%d, %q, %q", exit, out, said)
	}
	if err := os.Remove(large); err != nil {
		t.Fatal(err)
	}
	git("commit", "-q", "-a", "-m", "two")
	write(string(text)) // what was said of the limit is taken back
	if out, said, exit := call(t, dir, "diff", "HEAD"); exit != 0 && exit != 3 || !strings.Contains(out, "EVERY.text: max is 300, and was 299") {
		t.Errorf("%d, %q, %q", exit, out, said)
	}
	if out, said, exit := call(t, dir, "diff", "HEAD:gone.xml"); exit != 1 || out != "" || !strings.Contains(said, "in revision HEAD") {
		t.Errorf("%d, %q, %q", exit, out, said)
	}
}

// A tree that git would not check out, for its names lead out of the folder, is refused.
func TestNoNames(t *testing.T) {
	for _, name := range []string{"../a.xml", "/a.xml", "a/../../b.xml", ""} {
		if blobs, err := parseTree("100644 blob 0 5\t" + name + "\x00"); err == nil || !strings.Contains(err.Error(), "which is no name in a folder") {
			t.Errorf("%q: %v, %v", name, blobs, err)
		}
	}
}

// A model in src that zproject has zproto print is a model of the project, and is looked at.
func TestTheirProject(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := model.Write(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	const project = `<project name = "chat" script = "zproject.gsl"><model name = "chat-msg" /><model name = "options" />%s</project>`
	text, err := os.ReadFile(tree + "/gsl/testdata/theirs/chat_msg.xml")
	if err != nil {
		t.Fatal(err)
	}
	put("old/project.xml", fmt.Sprintf(project, ""))
	put("new/project.xml", fmt.Sprintf(project, `<model name = "gone" />`))
	put("old/src/options.xml", "<options />")
	put("new/src/options.xml", "<options />")
	put("old/src/chat_msg.xml", string(text))
	put("new/src/chat_msg.xml", strings.Replace(string(text), `signature = "7"`, `signature = "70"`, 1))
	for _, test := range []struct {
		args      string
		exit      int
		out, said string
	}{
		{"lint old", 0, "", ""},
		{"lint new", 1, "chat_msg: signature must be a number from 0 to 15", ""},
		{"lint new", 1, "new/project.xml:1: gone: cannot be read: there is no new/src/gone.xml", ""},
		{"diff old/project.xml new/src/chat_msg.xml", 3, "BREAKS chat_msg: signature is 70, and was 7", ""},
		{"diff old new", 1, "", "there is no new/src/gone.xml"},
	} {
		if out, said, exit := call(t, dir, strings.Fields(test.args)...); exit != test.exit || !strings.Contains(out, test.out) || !strings.Contains(said, test.said) {
			t.Errorf("%s: %d, %q, %q", test.args, exit, out, said)
		}
	}
}

// A project may be looked at in its own folder, when its paths lead from one above that.
func TestInFolder(t *testing.T) {
	for _, args := range [][]string{{"lint"}, {"lint", "project.xml"}, {"diff", ".", "../auction"}} {
		if out, said, exit := call(t, tree+"/examples/auction", args...); exit != 0 || out+said != "" {
			t.Errorf("%v: %d, %q, %q", args, exit, out, said)
		}
	}
}

// What is told to go where no pages are writes nothing there.
func TestDocElsewhere(t *testing.T) {
	pages := t.TempDir()
	if _, said, exit := call(t, tree, "doc", "--pages", pages); exit != 1 || !strings.Contains(said, "make generate prints the pages") {
		t.Errorf("%d, %q", exit, said)
	}
	if found, err := os.ReadDir(pages); err != nil || len(found) > 0 {
		t.Errorf("%v, %v", found, err)
	}
}

// Models of zproto and zproject alone have a book, and no file of another hand is replaced.
func TestTheirBook(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(tree+"/gsl/testdata/theirs")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".", "chat_msg.xml", "."} { // what was printed is printed anew
		if out, said, exit := call(t, dir, "doc", path); exit != 0 || out+said != "" {
			t.Fatalf("%s: %d, %q, %q", path, exit, out, said)
		}
	}
	for name, want := range map[string]string{"book.html": "REFUSE.why", "chat_msg.md": "aaa701030001017801780001", "api.md": "chat\\_room", "README.md": "Nothing is wrong for zproto and zproject."} {
		if text, err := os.ReadFile(filepath.Join(dir, "generated/doc", name)); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s: %v, %.300s", name, err, text)
		}
	}
	other := t.TempDir()
	for _, name := range []string{"README.md", "book.html"} {
		if err := os.WriteFile(filepath.Join(other, name), []byte("by hand"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, said, exit := call(t, dir, "doc", "--pages", other); exit != 1 || !strings.Contains(said, name+" is there already, and was not printed by once-model") {
			t.Errorf("%d, %q", exit, said)
		}
		if found, err := os.ReadDir(other); err != nil || len(found) != 1 {
			t.Errorf("%v, %v", found, err)
		}
		if err := os.Remove(filepath.Join(other, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := server{path: dir, against: filepath.Join(dir, "old.xml")}
	text, err := os.ReadFile(filepath.Join(dir, "chat_msg.xml"))
	if err == nil {
		err = os.WriteFile(s.against, bytes.Replace(text, []byte(`<message name = "WELCOME" />`), nil, 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.path = filepath.Join(dir, "chat_msg.xml")
	command := serveCommand()
	command.SetContext(t.Context())
	if text, err := s.book(command); err != nil || !strings.Contains(text, "BREAKS") || !strings.Contains(text, `id="chat_msg-welcome"`) {
		t.Errorf("%v, %.300s", err, text)
	}
}

// TestServe shows the book with what is drawn into it, until it is interrupted.
func TestServe(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "serve", "--listen", "127.0.0.1:0", "--against", "api/model.lock", "--trace", "src/cmd/once-model/testdata/trace.json")
	command.Dir, command.Env = tree, append(os.Environ(), "BE_ONCE_MODEL=1")
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"": `class="node visited last" data-times="1" data-state="peer.ready"`, "x": "404"} {
		response, err := http.Get(strings.TrimSpace(url) + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("/%s is %.200s, %v, want %s", path, text, err, want)
		}
	}
	address := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(url), "http://"), "/")
	_, port, _ := strings.Cut(address, ":")
	for host, want := range map[string]int{address: 200, "localhost:" + port: 200, "[::1]": 200, "evil.example:" + port: 421, "127.0.0.1.evil.example": 421} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSpace(url), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("as %s: %s, want %d", host, response.Status, want)
		}
	}
	for _, test := range []struct {
		method, site, mode, dest string
		want                     int
	}{
		{http.MethodGet, "none", "navigate", "document", 200},
		{http.MethodHead, "", "", "", 200},
		{http.MethodGet, "cross-site", "navigate", "document", 200}, // a link in a chat
		{http.MethodGet, "cross-site", "navigate", "iframe", 403},
		{http.MethodGet, "cross-site", "no-cors", "script", 403},
		{http.MethodGet, "same-site", "cors", "empty", 403}, // of another port
		{http.MethodPost, "none", "navigate", "document", 405},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, strings.TrimSpace(url), nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Site": test.site, "Mode": test.mode, "Dest": test.dest} {
			if value != "" {
				request.Header.Set("Sec-Fetch-"+name, value)
			}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want || test.want == 200 && response.Header.Get("X-Frame-Options") == "" {
			t.Errorf("%v: %s, %v", test, response.Status, response.Header)
		}
	}
	if err := command.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Error(err)
	}
}

// TestTurn ends a turn whatever happens in it, and makes no book for who has gone.
func TestTurn(t *testing.T) {
	s := server{path: filepath.Join(tree, "project.xml"), against: "no-such-thing"}
	for range 2 { // without a command there is no context, which looking for a revision needs
		func() {
			defer func() { _ = recover() }()
			_, _ = s.turn(t.Context(), nil)
			t.Error("nothing happened")
		}()
		if !s.one.TryLock() {
			t.Fatal("the turn has not ended")
		}
		s.one.Unlock()
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.turn(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHostileTree makes a book of a tree that somebody else has made: nothing is read or written
// beyond its pages.
func TestHostileTree(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("<svg>secret</svg>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(dir string) error
		want  string
	}{
		"a link that leads out": {func(dir string) error {
			picture := dir + "/generated/doc/peer.svg"
			return errors.Join(os.Remove(picture), os.Symlink(secret, picture))
		}, "peer.svg: path escapes from parent"},
		"a page that leads out": {func(dir string) error {
			page := dir + "/generated/doc/conversation_peer.md"
			return errors.Join(os.Remove(page), os.Symlink(secret, page))
		}, "conversation_peer.md: it is a link"},
		"a book that leads out": {func(dir string) error {
			page := dir + "/generated/doc/book.html"
			return errors.Join(os.Remove(page), os.Symlink(filepath.Join(outside, "new"), page))
		}, "book.html: it is a link"},
		"a file without end": {func(dir string) error {
			picture := dir + "/generated/doc/peer.svg"
			return errors.Join(os.Remove(picture), endless(picture))
		}, "it is no regular file"},
		"a name that leads out": {func(dir string) error {
			file := dir + "/api/conversation/zmtp_null.xml"
			text, err := os.ReadFile(file)
			before, after, _ := strings.Cut(string(text), `<shows name = "`)
			return errors.Join(err, os.WriteFile(file, []byte(before+`<shows name = "x/../../../`+after), 0o600))
		}, "needs a name of letters, digits, spaces and hyphens"},
	} {
		dir := t.TempDir()
		err := errors.Join(os.CopyFS(dir+"/api", os.DirFS(tree+"/api")), os.CopyFS(dir+"/generated/doc", os.DirFS(tree+"/generated/doc")))
		text, readErr := os.ReadFile(tree + "/project.xml")
		if err = errors.Join(err, readErr, os.WriteFile(dir+"/project.xml", text, 0o600), test.spoil(dir)); err != nil {
			t.Fatal(err)
		}
		if out, said, exit := call(t, dir, "doc"); exit != 1 || out != "" || !strings.Contains(said, test.want) {
			t.Errorf("%s: %d, %q, %q, want %s", name, exit, out, said, test.want)
		}
		if found, err := filepath.Glob(dir + "/*.svg"); err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		text, err = os.ReadFile(secret)
		if found, listErr := os.ReadDir(outside); err != nil || string(text) != "<svg>secret</svg>" || listErr != nil || len(found) != 1 {
			t.Errorf("%s: %q, %v, %v", name, text, found, errors.Join(err, listErr))
		}
	}
}

// The name of a file, which whoever sends a tree has chosen, does not direct the terminal of who reviews it.
func TestHiddenName(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a name on Windows has no such character")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"in/\x1b[31ma.xml": `<class name = "a" signature = "99"><message name = "A" /></class>`,
		"b.xml":            `<class name = "b" signature = "1"><message name = "B" /></class>`,
	} {
		if err := model.Write(filepath.Join(dir, name), text); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range []string{"lint in", "lint in/\x1b[31ma.xml/b", "diff in b.xml", "diff --format markdown in b.xml", "diff b.xml in", "vectors in", "explore in", "lock in", "doc --pages pages in"} {
		out, said, exit := call(t, dir, strings.Fields(args)...)
		if strings.Contains(out+said, "\x1b") || exit == 0 && args[:3] != "doc" {
			t.Errorf("%s: %q, %q, %d", args, out, said, exit)
		}
	}
	for _, name := range []string{"README.md", "a.md", "book.html"} {
		if text, err := os.ReadFile(filepath.Join(dir, "pages", name)); err != nil || bytes.Contains(text, []byte("\x1b")) || !bytes.Contains(text, []byte(`x1b[31ma.xml`)) && name != "README.md" {
			t.Errorf("%s: %v: %s", name, err, text)
		}
	}
}

// TestInterrupt ends a command that works as the system ends programs, with no word.
func TestInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "explore", "--only", "zmtp_null", "--only", "peer", "--json")
	command.Dir, command.Env = tree, append(os.Environ(), "BE_ONCE_MODEL=1")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); command.ProcessState.ExitCode() != -1 {
		t.Errorf("%v", err)
	}
}

// TestCutTrace shows a trace whose last line is being written.
func TestCutTrace(t *testing.T) {
	p, err := model.Load(model.Disk{}, tree+"/project.xml")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := book.New(p, os.DirFS(tree+"/generated/doc"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile("testdata/trace.json")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		string(whole):                             "",
		string(whole) + `{"machine":"pe`:          "",
		string(bytes.TrimSpace(whole)):            "",
		string(whole) + "{\"machine\":\"pe\n":     ":3: unexpected end of JSON input",
		string(whole) + "{\"machine\":\"pe\n{}\n": ":3: unexpected end of JSON input",
	} {
		s := server{trace: filepath.Join(t.TempDir(), "trace.json")}
		if err := model.Write(s.trace, text); err != nil {
			t.Fatal(err)
		}
		if err := s.visits(pages, p); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
