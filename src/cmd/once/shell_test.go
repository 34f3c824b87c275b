package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// offers returns what a shell is offered in place of the last argument.
func (n network) offers(args ...string) []string {
	n.t.Helper()
	cmd := n.command(append([]string{"__complete"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		n.t.Fatalf("%q: %v", args, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[:len(lines)-1] // without the directive
}

func TestShellIsOfferedNames(t *testing.T) {
	n := newNetwork(t)
	ids := map[string]string{}
	watcher := n.start("listen", "--name", "watcher")
	for _, name := range []string{"Ana Maria", "$(reboot)", "-rf", "two\nlines"} {
		n.start("listen", "--group", "room", "--group", "`reboot`", "--name", name)
		ids[name] = watcher.sees(`\tenter\t(\S{8})`)[1]
	}
	got := strings.Join(n.offers("whisper", ""), "\n")
	for _, want := range []string{"Ana Maria\t127.", "watcher\t127.", ids["$(reboot)"] + "\t??reboot? 127.", ids["-rf"] + "\t-rf 127.", ids["two\nlines"] + "\ttwo?nlines 127."} {
		if want = strings.Replace(want, "??reboot?", "?(reboot)", 1); !strings.Contains("\n"+got, "\n"+want) {
			t.Errorf("%q is not offered, but\n%s", want, got)
		}
	}
	if got := n.offers("whisper", "Ana Maria", ""); len(got) > 0 {
		t.Errorf("for the text %q is offered", got)
	}
	if got := strings.Join(n.offers("send", ""), "\n"); !strings.Contains(got, "Ana Maria\t") {
		t.Errorf("to send files to, %q are offered", got)
	}
	if got := n.offers("send", "--group", "room", ""); len(got) > 0 {
		t.Errorf("where a group is named, %q are offered", got)
	}
	if got := strings.Join(n.offers("receive", "--from", ""), "\n"); !strings.Contains(got, "Ana Maria\t") {
		t.Errorf("to receive files from, %q are offered", got)
	}
	if got := n.offers("shout", "--group", ""); len(got) != 1 || got[0] != "room" {
		t.Errorf("as groups %q are offered", got)
	}
	if got := strings.Join(n.offers("peers", "--security", ""), " "); got != "plain auto secure" {
		t.Errorf("as security %q is offered", got)
	}
	if got := n.offers("peers", "--interface", ""); len(got) == 0 {
		t.Error("no interface is offered")
	}
}

// TestShellIsOfferedProfiles offers those, and somebody new to commands that start a node.
func TestShellIsOfferedProfiles(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	for command, want := range map[string]string{"peers": "none\tsomebody new\ndefault\t", "identity show": "default\t"} {
		got := strings.Join(u.does(0, append([]string{"__complete"}, append(strings.Fields(command), "--identity", "")...)...).seen, "\n")
		if !strings.HasPrefix(got, want) {
			t.Errorf("as identity for once %s, %q are offered", command, got)
		}
	}
}

// TestShellMakesNoIdentity completes with an identity that is not there, and with one that
// another node runs with.
func TestShellMakesNoIdentity(t *testing.T) {
	n := newNetwork(t)
	dir := t.TempDir()
	if _, err := once.OpenIdentity(dir + "/ana"); err != nil {
		t.Fatal(err)
	}
	n.start("listen", "--name", "ana", "--identity", dir+"/ana")
	watcher := n.start("listen", "--name", "watcher")
	watcher.sees(`\tenter\t\S+\tana\t`)
	if got := n.offers("whisper", "--identity", dir+"/none", ""); len(got) != 2 {
		t.Errorf("%q are offered", got)
	}
	if _, err := once.LoadIdentity(dir + "/none"); err == nil {
		t.Error("an identity was made")
	}
	if got := n.offers("whisper", "--identity", dir+"/ana", ""); len(got) != 1 || !strings.HasPrefix(got[0], "watcher\t") { // through ana
		t.Errorf("%q are offered", got)
	}
}

func TestForgetByLabel(t *testing.T) {
	n := newNetwork(t)
	dir := t.TempDir()
	if _, err := once.OpenIdentity(dir); err != nil {
		t.Fatal(err)
	}
	ana := n.start("listen", "--name", "ana", "--trust", "first-use", "--identity", dir)
	n.start("listen", "--name", "Ben B.")
	id := ana.sees(`\tenter\t(\S+)\tBen B\.\t`)[1]
	ana.interrupt()
	ana.exits(0)
	if got := n.offers("trust", "forget", "--identity", dir, ""); len(got) != 1 || got[0] != "Ben B." {
		t.Errorf("%q are offered", got)
	}
	forget := func(who string) ([]byte, error) {
		return n.command("trust", "forget", "--identity", dir, who).CombinedOutput()
	}
	if out, err := forget("Ben B.(0000)"); err == nil || !strings.Contains(string(out), "Ben B.(0000)") {
		t.Errorf("somebody else is forgotten: %v, %s", err, out)
	}
	if out, err := forget("Ben B.(" + id[:8] + ")"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if got := n.offers("trust", "forget", "--identity", dir, ""); len(got) != 0 {
		t.Errorf("%q are still offered", got)
	}
}

func TestRevokeByLabel(t *testing.T) {
	n := newNetwork(t)
	dir := t.TempDir()
	once := func(args ...string) (string, error) {
		out, err := n.command(append(args, "--network", dir)...).CombinedOutput()
		return string(out), err
	}
	for _, args := range [][]string{{"network", "new"}, {"invite", "Ana Maria"}, {"invite", "ben"}} {
		if out, err := once(args...); err != nil {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
	}
	got := n.offers("revoke", "--network", dir, "")
	if len(got) != 2 || !strings.HasPrefix(got[0], "Ana Maria") || !strings.HasPrefix(got[1], "ben") {
		t.Fatalf("%q are offered", got)
	}
	list, err := once("network", "show", "--json")
	id := regexp.MustCompile(`"name":"ben","id":"([0-9a-f]{8})`).FindStringSubmatch(list)
	if err != nil || id == nil {
		t.Fatalf("%v: %s", err, list)
	}
	if out, err := once("revoke", "ben(0000)", "--wait", "10ms"); err == nil {
		t.Errorf("somebody else is revoked: %s", out)
	}
	if out, _ := once("revoke", "ben("+id[1]+")", "--wait", "10ms"); !strings.Contains(out, "0 of 1 members have it") {
		t.Errorf("revoked: %s", out) // which fails, as no member is there
	}
	if list, err := once("network", "show"); err != nil || !regexp.MustCompile(`(?m)^ben\trevoked`).MatchString(list) {
		t.Errorf("%v: %s", err, list)
	}
}
