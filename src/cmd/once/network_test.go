package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age/armor"
)

// office has the commands of a network get its directory.
func (h home) office(args ...string) []string {
	return append(args, "--network", h.path("office"))
}

// TestNetworkCommands invites one again whose invite was lost, renames another who runs,
// and shows what there is.
func TestNetworkCommands(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	lost := h.answer("", h.office("invite", "ben", "--role", "printer")...)
	p := h.start(h.office("invite", "ben")...)
	p.exits(1)
	p.complains(`"ben" is \S+: the name is taken: .*; to invite the same again: once invite ben --again\n$`)
	ana := h.start("listen", "--json", "--identity", h.path("ana"))
	again := h.start(h.office("invite", "ben", "--again", "--days", "30", "--wait", "2s")...)
	invite := again.sees(`^once:\S+$`)[0]
	again.exits(0)
	if invite == lost {
		t.Error("the invite was not renewed")
	}
	id := h.fields(h.answer(lost, "join", "-", h.path("first")))["id"]
	if got := h.fields(h.answer(invite, "join", "-", h.path("ben"))); got["id"] != id || got["roles"] != "printer" || got["membership"] != "valid" {
		t.Errorf("ben, invited again, is %q, and was %q", got, id)
	}

	ben := h.start("listen", "--json", "--identity", h.path("ben"))
	ana.sees(`"type":"enter".*"peer":"` + id + `","name":"ben"`)
	ben.sees(`"type":"enter".*"name":"ana"`)
	if got := h.answer("", h.office("network", "rename", "ben", "bob", "--json")...); got != `{"members":2,"have":["ana","bob"],"lack":[]}` {
		t.Errorf("rename tells %s", got)
	}
	ana.sees(`the network calls \\"ben\\" \(` + id + `\) \\"bob\\" now`)
	var records []memberRecord
	for line := range strings.Lines(h.answer("", h.office("network", "show", "--json")...)) {
		var r memberRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	if len(records) != 2 || records[1].Name != "bob" || records[1].ID != id || records[1].State != "member" || records[1].Roles[0] != "printer" {
		t.Errorf("the network shows %+v", records)
	}
	again = h.start(h.office("invite", "bob", "--again")...) // who was met: there is no secret in it
	again.sees(`^once:\S+$`)
	again.exits(0)
	again.complains(`2 of 2 members have it: ana, bob\n$`)
	ben.sees(`the network has renewed the membership of this node`)
	if got := h.answer("", h.office("network", "spread")...); got != "2 of 2 members have it: ana, bob" {
		t.Errorf("spread tells %q", got)
	}
}

// TestNobodyIsMet revokes a member while no other is there: that is no success.
func TestNobodyIsMet(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	h.join("ben")
	p := h.start(h.office("revoke", "ben", "--wait", "500ms")...)
	p.sees(`^0 of 1 members have it; not yet: ana, who take`)
	p.exits(1)
	p.complains(`no member was met, so nobody knows of it yet: try once network spread where members are\n$`)
	h.answer("", h.office("revoke", "ana", "--offline")...)
	if got := h.answer("", h.office("network", "spread")...); got != "there are no members to tell" {
		t.Errorf("spread tells %q", got)
	}
}

// TestLostNetwork loses the directory of a network after it was changed since its backup.
// Restored, it takes in from the members what they know, and goes on.
func TestLostNetwork(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	h.join("ben")
	secret := h.path("secret")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.answer("", h.office("network", "backup", h.path("sealed"), "--passphrase-file", secret)...)
	p := h.start(h.office("network", "backup", h.path("open"))...)
	p.exits(0)
	p.complains(`open is not encrypted: who reads it has the network\n$`)
	p = h.start(h.office("network", "backup", h.path("open"))...)
	p.exits(1)
	p.complains(`file exists`)
	for name, hides := range map[string]bool{"sealed": true, "open": false} {
		info, err := os.Stat(h.path(name))
		content, fault := os.ReadFile(h.path(name))
		if err != nil || fault != nil || info.Mode().Perm() != 0o600 || strings.Contains(string(content), "once-network:") == hides {
			t.Errorf("%s is %v, %v, %v:\n%s", name, info, err, fault, content)
		}
	}

	h.start("listen", "--json", "--identity", h.path("ana"))
	h.answer("", h.office("revoke", "ben")...)
	h.answer("", h.office("network", "roll")...)
	if err := os.RemoveAll(h.path("office")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.path("wrong"), []byte("battery staple\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, complaint string }{
		{"restore sealed", `is encrypted: give --passphrase-file, or run this at a terminal\n$`},
		{"restore sealed --passphrase-file wrong", `the passphrase is not right\n$`},
		{"restore secret", `backup: malformed`},
		{"restore nothing", `nothing: no such file`},
	} {
		cmd := h.command(h.office(append([]string{"network"}, strings.Fields(test.args)...)...)...)
		cmd.Dir = h.dir
		p := h.run(cmd)
		p.exits(1)
		p.complains(test.complaint)
	}
	if found, _ := filepath.Glob(h.path("office")); len(found) > 0 {
		t.Error("what cannot be restored has made a directory")
	}
	p = h.start(h.office("network", "restore", h.path("sealed"), "--passphrase-file", secret)...)
	p.sees(`^\S{40}$`)
	p.sees(`^1 of 1 members have it: ana$`)
	p.exits(0)
	p.complains(`members knew of a change that this directory did not: it is taken in`)
	if shown := h.answer("", h.office("network", "show")...); !regexp.MustCompile(`(?m)^ben\trevoked\t`).MatchString(shown) {
		t.Errorf("restored, the network is\n%s", shown)
	}
	h.join("cleo")
	cleo := h.start("listen", "--json", "--identity", h.path("cleo"))
	cleo.sees(`"type":"enter".*"name":"ana"`)
}

// TestStolenNetwork moves a network to a new key: those who run follow, and one who was away
// does when it is back. The thief moves it too, in vain, and is told of.
func TestStolenNetwork(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	h.join("ben")
	h.join("cleo")
	ana := h.start("listen", "--json", "--identity", h.path("ana"))
	ben := h.start("listen", "--json", "--identity", h.path("ben"))
	ana.sees(`"type":"enter".*"name":"ben"`)
	if out, err := exec.Command("cp", "-a", h.path("office"), h.path("stolen")).CombinedOutput(); err != nil {
		t.Fatal(string(out), err)
	}
	p := h.start("network", "move", h.path("office"), h.path("new"), "--wait", "3s")
	key := p.sees(`^\S{40}$`)[0]
	p.sees(`^2 of 3 members have it: ana, ben; not yet: cleo`)
	p.exits(0)
	for _, p := range []*process{ana, ben} {
		p.sees(`the network has another key now`)
	}
	cleo := h.start("listen", "--json", "--identity", h.path("cleo"))
	cleo.sees(`the network has another key now`)
	if got := h.fields(h.answer("", "identity", "show", h.path("cleo")))["network"]; got != key {
		t.Errorf("cleo is a member of %s, want %s", got, key)
	}
	p = h.start(h.office("invite", "dan")...)
	p.exits(1)
	p.complains(`the network has the key ` + regexp.QuoteMeta(key) + ` now`)
	p = h.start(h.office("network", "spread")...)
	p.exits(1)
	p.complains(`the network has the key ` + regexp.QuoteMeta(key) + ` now`)
	p = h.start(h.office("network", "show")...)
	p.exits(0)
	p.complains(`the network has the key ` + regexp.QuoteMeta(key) + ` now`)
	p = h.start("network", "move", h.path("office"), h.path("newer"))
	p.exits(1)
	p.complains(`the network has the key ` + regexp.QuoteMeta(key) + ` now`)
	if found, _ := filepath.Glob(h.path("newer")); len(found) > 0 {
		t.Error("the network has moved twice from one directory")
	}

	p = h.start("network", "move", h.path("stolen"), h.path("thief"), "--wait", "3s")
	p.sees(`^\S{40}$`)
	p.sees(`^0 of 3 members have it; not yet: ana, ben, cleo$`)
	p.exits(1)
	p.complains(`it does not let this node in: the network's old key has moved it to another key(?s:.*)\nonce: somebody else has the network's old key`)
	ana.sees(`"type":"refused".*somebody else has that key too`)
	ben.interrupt()
	ben.exits(0)
	h.start("listen", "--identity", h.path("ben"))
	ana.sees(`"type":"enter".*"name":"ben"`)
}

// TestThroughTheNodeThatRuns changes a network while a node runs with the user's identity:
// that passes it on, and nobody else comes.
func TestThroughTheNodeThatRuns(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	h.join("ben")
	h.join("cleo")
	ana := h.start("listen", "--json", "--identity", h.path("ana"))
	ben := h.start("listen", "--json", "--identity", h.path("ben"))
	ana.sees(`"type":"enter".*"name":"ben"`)
	if got := h.answer("", h.office("network", "rename", "ben", "bob", "--identity", h.path("ana"), "--wait", "2s")...); got !=
		"2 of 3 members have it: ana, bob; not yet: cleo, who take it from the first of the others that they meet" {
		t.Errorf("rename tells %q", got)
	}
	ben.sees(`as \\"bob\\", until`)
	if got := h.answer("", h.office("revoke", "cleo", "--identity", h.path("ana"))...); got != "2 of 2 members have it: ana, bob" {
		t.Errorf("revoke tells %q", got)
	}
	ben.sees(`the network has revoked the membership of`)
	for _, line := range ben.seen {
		if strings.Contains(line, `"name":"once-`) {
			t.Errorf("somebody else came: %s", line)
		}
	}
}

// TestBackupsThatAreNotRight opens backups that were cut, and one that asks for more memory
// than any has a need of.
func TestBackupsThatAreNotRight(t *testing.T) {
	content, err := encrypt([]byte("a network"), "secret")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(armor.NewReader(bytes.NewReader(content)))
	if err != nil {
		t.Fatal(err)
	}
	for name, octets := range map[string][]byte{
		"cut in its header": whole[:60],
		"cut at its end":    whole[:len(whole)-1],
		"costly":            bytes.Replace(whole, []byte(" 18\n"), []byte(" 20\n"), 1),
	} {
		var out bytes.Buffer
		sheath := armor.NewWriter(&out)
		if _, err := sheath.Write(octets); err != nil || sheath.Close() != nil {
			t.Fatal(err)
		}
		text, err := decrypt(out.Bytes(), "secret")
		if text != "" || err == nil || !strings.Contains(err.Error(), "cut or changed") || name == "costly" && !strings.Contains(err.Error(), "work factor") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if text, err := decrypt(content, "secret"); text != "a network" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}
