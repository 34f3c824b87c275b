package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// user is a network on loopback, and a user with a home.
type user struct{ home }

func newUser(t *testing.T) user { return user{newHome(t)} }

func (u user) command(args ...string) *exec.Cmd {
	cmd := u.home.command(args...)
	cmd.Env = append(cmd.Env, "HOME="+u.dir)
	cmd.Dir = u.dir
	return cmd
}

func (u user) start(args ...string) *process {
	u.t.Helper()
	return u.run(u.command(args...))
}

// does runs the program to its end.
func (u user) does(status int, args ...string) *process {
	u.t.Helper()
	p := u.start(args...)
	p.closeInput()
	p.exits(status)
	return p
}

// profile returns the directory of a profile.
func (u user) profile(name string) string {
	if name == defaultProfile {
		return filepath.Join(u.dir, ".config", "once", "identity")
	}
	return filepath.Join(u.dir, ".config", "once", "identities", name)
}

// process returns what a process is called that holds a profile.
func holderOf(p *process) string { return fmt.Sprintf("process %d on ", p.cmd.Process.Pid) }

// TestDefaultProfile makes profiles, and is who they are. Nobody is made in silence.
func TestDefaultProfile(t *testing.T) {
	u := newUser(t)
	p := u.does(0, "identity", "list")
	p.complains("there is no profile: once identity new makes one, and so does once join")
	p = u.does(2, "peers", "--identity", "bem")
	p.complains(`once: "bem": .*there is no identity in ` + u.profile("bem") + `: once identity list .* once identity new bem makes it`)
	if _, err := os.Stat(u.profile("bem")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a slip of the pen has made something: %v", err)
	}
	u.does(0, "identity", "new").complains(`^once: made the identity \S+ in \S+/once/identity; all commands are that from now on: once chat --group room\n$`)
	u.does(0, "identity", "new", "ben").complains("say --identity ben, or set ONCE_IDENTITY, to be that")
	u.does(0, "identity", "new", "./ben").complains("say --identity ./ben, or set ONCE_IDENTITY, to be that")
	u.does(0, "identity", "new", "~/zoe").complains("say --identity " + u.path("zoe"))
	u.does(2, "peers", "--identity", "zoe").complains("for the directory that is here, say ./zoe")
	if _, err := os.Stat(u.path("~")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a directory ~: %v", err)
	}
	if err := os.Chmod(filepath.Join(u.profile("ben"), "identity.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range u.does(0, "identity", "list", "--json").seen {
		var r profileRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, r.Profile+" "+r.Directory)
		if (r.Profile == "ben") != (r.ID == "") || (r.Fault == "") != (r.ID != "") {
			t.Errorf("the profile is listed as %+v", r)
		}
	}
	if want := "default " + u.profile("default") + ", ben " + u.profile("ben"); strings.Join(got, ", ") != want {
		t.Errorf("profiles are %q, want %q", got, want)
	}
	watcher := u.start("listen", "--identity", "none")
	id := u.fields(strings.Join(u.does(0, "identity", "show").seen, "\n"))["id"]
	u.does(0, "peers", "--wait", "1s")
	watcher.sees(`\tenter\t` + id)
	u.does(0, "peers", "--wait", "1s", "--security", "plain") // which has no identity, and sees the watcher
	u.does(1, "peers", "--wait", "1s", "--identity", "ben").complains("chmod")
}

// TestCommandsGoThroughTheNode has a chat hold the profile, and other commands go through
// it; a second chat and a listen are attached to it.
func TestCommandsGoThroughTheNode(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	ben := u.start("chat", "--group", "room", "--name", "ben", "--identity", "none")
	ana := u.start("chat", "--group", "room", "--name", "ana")
	ben.sees(`ana joined room`)
	ana.sees(`ben joined room`)
	who := holderOf(ana)

	u.does(0, "whisper", "ben", "psst")
	ben.sees(`^ana whispers: psst$`)
	u.does(0, "shout", "--group", "room", "--name", "zoe", "lunch").complains(`runs already, as ana in ` + who + `.*: --name changes nothing`)
	ben.sees(`^ana: lunch$`)
	u.does(0, "whisper", "ben", "--name", "zoe", "--max-peers", "9", "hm").complains(`: --max-peers, --name change nothing`)
	u.does(1, "ask", "--timeout", "100ms", "ben", "why?").complains(`ben has the question`)
	ben.sees(`^ana asks: why\?$`)
	u.does(1, "shout", "--group", "room", "--sealed", "room", "secret").complains(`does not keep the group "room" sealed, as this program asks for`)
	u.does(1, "whisper", "--security", "secure", "ben", "secret").complains(`runs with security auto, and this program asks for secure`)
	if seen := u.does(0, "peers", "--wait", "1s").seen; len(seen) != 1 || !strings.Contains(seen[0], "ben") {
		t.Errorf("peers are %q", seen)
	}
	if seen := u.does(0, "peers", "-v", "--wait", "1s").seen; len(seen) != 1 || !regexp.MustCompile(`\troom\t[0-9.]+[µm]s\t\d+$`).MatchString(seen[0]) {
		t.Errorf("peers are %q, when asked", seen)
	}
	u.does(1, "whisper", "--wait", "500ms", "cleo", "x").complains(`peer "cleo": nobody there within 500ms, of 1 peers seen`)

	ben.says("/join hall")
	second := u.start("chat", "--group", "hall")
	second.sees(`^\* ben joined hall$`)
	listener := u.start("listen", "--group", "attic")
	listener.sees(`\tjoin\t\S+\tben\troom\t`)
	ben.says("to all")
	second.sees(`^ben: to all$`)
	ben.says("/whisper ana aside")
	for _, p := range []*process{ana, second} {
		p.sees(`^ben whispers: aside$`)
	}
	listener.sees(`\twhisper\t\S+\tben\t\taside\t`)
	if seen := strings.Join(ana.seen, "\n"); strings.Contains(seen, "to all") {
		t.Errorf("who is not in the hall hears what is said there:\n%s", seen)
	}
	second.says("/quit")
	second.exits(0)
	listener.interrupt()
	listener.exits(0)
	u.does(0, "whisper", "ben", "still there")
	ben.sees(`^ana whispers: still there$`)

	third, fourth := u.start("listen"), u.start("chat", "--group", "room")
	third.sees(`\tenter\t`)
	fourth.sees(`ben joined room`)
	ana.says("/quit")
	ana.exits(0)
	// One runs the node now, the other shares it.
	third.seesAll(who+`.* has ended, which ran the node`, `\tenter\t\S+\tben`)
	fourth.seesAll(who+`.* has ended, which ran the node`, `ben joined room`)
	fourth.says("I am still here")
	ben.sees(`ana: I am still here$`)
}

// TestReceiveThroughTheNode receives a file through a node that does not tell that files are
// taken: it is said what comes of that.
func TestReceiveThroughTheNode(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	path, _ := randomFile(t, "file", 1)
	holder := u.start("listen", "--name", "ana")
	ben := u.start("listen", "--name", "ben", "--identity", "none")
	holder.sees(`\tenter\t\S+\tben`)
	receive := u.start("receive", "--yes", "--into", t.TempDir())
	u.does(0, "send", "--identity", "none", "--wait", "1h", "--name", "cleo", "ana", path)
	receive.exits(0)
	receive.complains(`unless process .* receives files too, .*once send --group passes this node by`)
	for _, p := range []*process{holder, ben} {
		p.interrupt()
		p.exits(0)
	}
}

// TestHolderThatIsKilled leaves a socket behind, which keeps nobody from being the next.
func TestHolderThatIsKilled(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	ben := u.start("listen", "--identity", "none")
	ana := u.start("listen", "--name", "ana")
	id := ben.sees(`\tenter\t(\S+)\tana`)[1]
	attached := u.start("listen")
	attached.sees(`\tenter\t`)
	if err := ana.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ana.exits(-1)
	attached.sees(`\texit\t\S+\t\S+\t\tstopped\t`)
	attached.seesAll(holderOf(ana)+`.* has ended, which ran the node; this one runs it now`, `\tenter\t`)
	ben.sees(`\tenter\t` + id + `\tana`)
	if err := attached.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	attached.exits(-1)
	socket := filepath.Join(u.profile("default"), "control")
	if _, err := os.Stat(socket); err != nil {
		t.Errorf("the socket is gone: %v", err)
	}
	next := u.start("listen", "--name", "next")
	ben.sees(`\tenter\t` + id + `\tnext`)
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	u.does(0, "peers", "--wait", "500ms")
	next.interrupt()
	next.exits(0)
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket outlives its node: %v", err)
	}
}

// TestManyStarters starts commands with one profile at the same time: each does what it is
// to do.
func TestManyStarters(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	ben := u.start("listen", "--name", "ben", "--identity", "none")
	var all []*process
	for i := range 6 {
		p := u.start("whisper", "--wait", "5s", "ben", fmt.Sprint("word ", i))
		p.closeInput()
		all = append(all, p)
	}
	for _, p := range all {
		p.exits(0)
		p.complains("^$")
	}
	ben.seesAll("word 0", "word 1", "word 2", "word 3", "word 4", "word 5")
}

// TestBriefOnesAreWaitedFor starts a command that goes on while one runs that ends soon.
func TestBriefOnesAreWaitedFor(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	ben := u.start("listen", "--name", "ben", "--identity", "none")
	brief := u.start("peers", "--wait", "3s", "--name", "brief")
	brief.closeInput()
	id := ben.sees(`\tenter\t(\S+)\tbrief`)[1]
	long := u.start("listen", "--name", "long")
	ben.sees(`\texit\t` + id + `\tbrief\t\tleft`)
	ben.sees(`\tenter\t` + id + `\tlong`)
	brief.exits(0)
	u.does(0, "whisper", "ben", "psst")
	long.interrupt()
	long.exits(0)
}

// TestGoProgramIsShared has a Go program run a node that others may share.
func TestGoProgramIsShared(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	who, err := once.LoadIdentity(u.profile("default"))
	if err != nil {
		t.Fatal(err)
	}
	node, err := once.Start(t.Context(), once.Config{
		Name: "ana", Identity: who, Shared: true, Interfaces: []string{"127.0.0.1"}, BeaconPort: u.port,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	ben := u.start("listen", "--name", "ben", "--identity", "none")
	ben.sees(`\tenter\t`)
	u.does(0, "whisper", "ben", "psst")
	ben.sees(`\twhisper\t` + node.UUID().String() + `\tana\t\tpsst\t`)
}

// TestPrivateNetwork goes the way to a network of members: each line says what it did and
// what comes next.
func TestPrivateNetwork(t *testing.T) {
	u, other := newUser(t), t.TempDir()
	u.does(0, "network", "new").complains(`made a network.*: once invite NAME | once join -`)
	for name, home := range map[string]string{"ana": u.dir, "ben": other} {
		invite := u.does(0, "invite", name).seen[0]
		join := u.command("join", "-")
		join.Env = append(join.Env, "HOME="+home)
		p := u.run(join)
		p.says(invite)
		p.closeInput()
		p.exits(0)
		p.complains(`you are ` + name + `, a member of the network \S+ until \S+; all commands are that from now on: once chat --group room`)
	}
	ana := u.start("chat", "--group", "room")
	chat := u.command("chat", "--group", "room")
	chat.Env = append(chat.Env, "HOME="+other)
	ben := u.run(chat)
	ana.sees(`ben joined room`)
	ben.sees(`ana joined room`)

	// The node that runs tells the members, and goes on.
	p := u.does(0, "revoke", "ben", "--wait", "2s", "--json")
	var who spreadRecord
	if err := json.Unmarshal([]byte(strings.Join(p.seen, "")), &who); err != nil || !slices.Contains(who.Have, "ana") {
		t.Errorf("who has the roll is %+v, %v", who, err)
	}
	ana.sees(`ben.* is gone`)
	u.does(1, "peers", "--wait", "500ms").complains("nobody is here")
	second := u.start("listen")
	second.sees(`\trefused\t\S+\tben\t`) // which is told who comes later too
	ana.interrupt()
	second.sees(holderOf(ana) + `.* has ended, which ran the node; this one runs it now`)
}

// TestTransferOutlivesWhoRunsTheNode kills the process, in the middle of a transfer, whose
// node sends the files or receives them.
func TestTransferOutlivesWhoRunsTheNode(t *testing.T) {
	for _, shared := range []string{"ana", "ben"} {
		t.Run(shared, func(t *testing.T) {
			u, into := newUser(t), t.TempDir()
			u.does(0, "identity", "new", "ana")
			u.does(0, "identity", "new", "ben")
			path, content := randomFile(t, "large", 200<<20)
			holder := u.start("listen", "--json", "--identity", shared, "--name", shared)
			other := u.start("listen", "--json", "--identity", "none", "--name", "cleo")
			holder.sees(`"cleo"`)
			ben := u.start("receive", "--identity", "ben", "--name", "ben", "--yes", "--into", into)
			ana := u.start("send", "--identity", "ana", "--name", "ana", "ben", path)
			grows(t, filepath.Join(into, "large"), 20<<20)
			kill(t, holder)
			ana.exits(0)
			ben.exits(0)
			has(t, filepath.Join(into, "large"), content)
			other.interrupt()
			other.exits(0)
		})
	}
}
