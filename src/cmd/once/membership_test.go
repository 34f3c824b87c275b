package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"
)

// home is a network on loopback, and a directory for identities and networks.
type home struct {
	network
	dir string
}

func newHome(t *testing.T) home { return home{newNetwork(t), t.TempDir()} }

func (h home) path(name string) string { return filepath.Join(h.dir, name) }

// answer runs the program, which is to succeed, and returns what it writes.
func (h home) answer(input string, args ...string) string {
	h.t.Helper()
	p := h.start(args...)
	if input != "" {
		p.says(input)
	}
	p.closeInput()
	p.exits(0)
	return strings.Join(p.seen, "\n")
}

// fields returns what identity show writes, by name.
func (h home) fields(shown string) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(shown) {
		name, value, _ := strings.Cut(line, "  ")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// join makes a member of the network in office, and returns its id.
func (h home) join(name string) (id string) {
	h.t.Helper()
	invite := h.answer("", "invite", name, "--network", h.path("office"), "--role", "guest", "--role", "admin")
	got := h.fields(h.answer(invite, "join", "-", h.path(name)))
	if got["name"] != name || got["roles"] != "admin, guest" || got["directory"] != h.path(name) || got["member until"] == "" {
		h.t.Errorf("%s has become %q", name, got)
	}
	return got["id"]
}

// TestMembers tells how a network of members comes about, and who stays outside.
func TestMembers(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	id := h.join("ben")
	h.join("cleo")
	ana := h.start("listen", "--json", "--group", "room", "--identity", h.path("ana"))
	ben := h.start("chat", "--group", "room", "--identity", h.path("ben"))
	ana.sees(`"enter".*"peer":"` + id + `","name":"ben".*"protection":"curve","way":"lan","identity":"`)
	ben.sees(`^\* ana joined room$`)
	ben.says("hello")
	ana.sees(`"shout".*"protection":"curve".*"hello"`)

	p := h.start("peers", "--wait", "1s", "--identity", h.path("cleo"))
	p.sees(`^ana\t\S+\ttcp://127\.0\.0\.1:\d+\tcurve\tlan\troom$`)
	p.exits(0)
	p = h.start("peers", "--wait", "1s", "--json", "--identity", h.path("cleo"))
	p.sees(`"name":"ana".*"protection":"curve","way":"lan","identity":".{40,}","roles":\["admin","guest"\],"groups":\["room"\]`)
	p.exits(0)

	h.start("listen", "--name", "eve", "--security", "secure")
	ana.sees(`"type":"refused".*"headers":{},"reason":"this node does not let it in: not a member of our network: .* shows no token"`)
	ben.sees(`^\* eve \([0-9a-f]{8}\) at \S+: this node does not let it in: not a member of our network`)
	plain := h.start("listen", "--name", "plain", "--security", "plain")
	ana.sees(`"type":"refused".*over plain connections`)
	plain.sees(`\trefused\t.*only over encrypted connections.*: give both the same security\t$`)
	h.wants(h.diagnosis(0, "--security", "plain"), "refused", warn, "only over encrypted connections")
	found := h.diagnosis(0, "--identity", h.path("cleo"))
	for tries := 1; !strings.Contains(found["refused"].Found, "over plain connections") && tries < 10; tries++ {
		found = h.diagnosis(0, "--identity", h.path("cleo")) // a busy machine is not called within a second
	}
	h.wants(found, "identity", fine, "as cleo a member of ")
	h.wants(found, "security", fine, "secure: ")
	h.wants(found, "refused", warn, "over plain connections")

	told := h.answer("", "revoke", "ben", "--network", h.path("office"), "--wait", "3s")
	if told != "1 of 2 members have it: ana; not yet: cleo, who take it from the first of the others that they meet" {
		t.Errorf("revoke says %q", told)
	}
	ana.sees(`"type":"network".*has revoked the membership of \\"ben\\" \(` + id)
	ana.sees(`"type":"refused".*this node does not let it in: .*the network has revoked its membership"`)
	ana.sees(`"type":"exit".*"expelled"`)
	ben.sees(`the network has revoked this node's membership`)
	p = h.start("listen", "--identity", h.path("cleo")) // which ana tells
	p.seesAll(`\tnetwork\t.*has revoked the membership of .*`+id, `\tenter\t\S+\tana\t`, `\trefused\t`+id+`\t.*the network has revoked its membership\t*$`)
	shown := h.answer("", "network", "show", h.path("office"))
	for i, line := range strings.Split(shown, "\n") {
		want := []string{`^ana\tmember\t\S+Z\t\S{36}\tadmin,guest$`, `^ben\trevoked\t`, `^cleo\tinvited\t`}[i]
		if !regexp.MustCompile(want).MatchString(line) {
			t.Errorf("network show tells %q, want %q", line, want)
		}
	}
	for _, called := range []string{"ben", id[:8], id} { // who was revoked before
		if told := h.answer("", "revoke", called, "--network", h.path("office"), "--wait", "3s"); !strings.Contains(told, "2 of 2 members have it") {
			t.Errorf("revoke %s says %q", called, told)
		}
	}
	if got := h.answer("", "revoke", "ana", "--network", h.path("office"), "--json"); got != `{"members":1,"have":["cleo"],"lack":[]}` {
		t.Errorf("revoke tells %s", got)
	}
	if got := h.fields(h.answer("", "identity", "show", h.path("ana"))); got["membership"] != "valid" {
		t.Errorf("ana, who was told of it by nobody, is %q", got)
	}
	h.answer(h.answer("", "network", "roll", h.path("office")), "trust", "revoke", "-", "--identity", h.path("ana"))
	if got := h.fields(h.answer("", "identity", "show", h.path("ana"))); got["membership"] != "revoked" {
		t.Errorf("ana is %q", got)
	}
}

// TestFirstUse checks that a name stays with who came with it first.
func TestFirstUse(t *testing.T) {
	h := newHome(t)
	for _, who := range []string{"ana", "ben", "other"} {
		h.answer("", "identity", "new", h.path(who))
	}
	ana := h.start("listen", "--name", "ana", "--identity", h.path("ana"), "--trust", "first-use")
	start := func(identity string) *process {
		return h.start("listen", "--name", "ben", "--identity", h.path(identity))
	}
	ben := start("ben")
	id := ana.sees(`\tenter\t(\S+)\tben\t`)[1]
	ben.interrupt()
	ana.sees(`\texit\t`)
	p := h.start("whisper", "--name", "ben", "--wait", "1s", "ana", "hi")
	p.exits(1)
	p.complains(`it does not let this node in: there the name belongs to somebody else`)
	ana.sees(`\trefused\t\S+\tben\t`)
	other := start("other")
	other.sees(`\trefused\t\S+\t\S*\t\tit does not let this node in: there the name belongs to somebody else\t$`)
	ana.sees(`\trefused\t\S+\tben\t\tthis node does not let it in: the name belongs to somebody else: "ben" is ` + id)
	other.interrupt()
	other.exits(0)
	if got := h.answer("", "trust", "list", "--identity", h.path("ana")); got != "ben\t"+id {
		t.Errorf("ana trusts %q", got)
	}
	h.answer("", "trust", "forget", "ben", "--identity", h.path("ana"))
	start("other")
	otherID := ana.sees(`\tenter\t(\S+)\tben\t`)[1]
	if got := h.answer("", "trust", "list", "--json", "--identity", h.path("ana")); got != `{"name":"ben","peer":"`+otherID+`"}` {
		t.Errorf("ana trusts %q", got)
	}
}

// TestIdentity has an identity made, shown and invited; the directory is the user's.
func TestIdentity(t *testing.T) {
	h := newHome(t)
	run := func(args ...string) *process {
		cmd := h.command(args...)
		cmd.Env = append(cmd.Env, "HOME="+h.dir, "XDG_CONFIG_HOME="+h.dir)
		return h.run(cmd)
	}
	for range 2 {
		p := run("identity", "show")
		p.exits(1)
		p.complains(`make one with once identity new\n$`)
	}
	id := run("identity", "new").sees(`^id +(\S+)$`)[1]
	var who identityRecord
	if err := json.Unmarshal([]byte(run("identity", "show", "--json").sees(`.*`)[0]), &who); err != nil {
		t.Fatal(err)
	}
	if who.ID != id || len(who.PublicKey) != 40 || !strings.HasPrefix(who.Directory, h.dir) || who.Network != "" || who.MemberUntil != "" {
		t.Errorf("the identity is %+v", who)
	}
	p := run("identity", "new")
	p.exits(1)
	p.complains(`there is one already`)
	run("identity", "export").sees(`^    public-key = "\S{40}"$`)

	run("network", "new").exits(0)
	invite := run("invite", "ana", "--id", id).sees(`^once:.*`)[0]
	run("join", invite).sees(`^id +` + id + `$`)
}

func TestIdentityFails(t *testing.T) {
	h := newHome(t)
	h.answer("", "identity", "new", h.path("ana"))
	h.answer("", "network", "new", h.path("office"))
	for _, test := range []struct {
		args      string
		status    int
		complaint string
	}{
		{"identity show", 1, `HOME.*: name a directory for the identity`},
		{"identity export ./none", 1, `none/identity.key: .*once identity new`},
		{"identity export none", 2, `"none" stands for no profile`},
		{"identity new ~zoe/x", 2, `"~zoe/x": .* say ./~zoe/x`},
		{"listen --identity ./none", 2, `"./none": .* there is no identity in ./none: .*once identity new ./none makes it`},
		{"trust list --identity ./none", 1, `none/identity.key: `},
		{"network new office", 1, `office: there is one already`},
		{"network show none", 1, `none/network.key: .*once network new, or if it is lost, .*once network restore\n`},
		{"invite ana --network none", 1, `none/network.key: .*once network new`},
		{"invite ana --network office --days 0", 2, `0 given, 1 to 3650 allowed`},
		{"revoke zoe --network office", 1, `"zoe": no such name or UUID .once network show`},
		{"invite ana --network office --role " + strings.Repeat("r", 65), 2, `^once: --role: 65 given, at most 16 roles of at most 64 octets each, and of 1024 together, allowed\n`},
		{"invite ana --network office" + roles(17), 2, `^once: --role: \d+ given, at most 16 roles`},
		{"join rubbish ./new", 1, `invite: malformed: want once: and, in base64, at most 4176 octets after it\n`},
		{"join once:rubbish ./new", 1, `invite: malformed`},
		{"trust forget zoe --identity ./ana", 1, `"zoe": no such name or UUID .once trust list`},
		{"trust revoke rubbish --identity ./ana", 1, `malformed`},
		{"listen --trust members --identity ./ana", 2, `trusts members only, and is none`},
		{"listen --security plain --identity ./ana", 2, `choose auto or secure`},
	} {
		cmd := h.command(strings.Fields(test.args)...)
		cmd.Dir = h.dir
		p := h.run(cmd)
		p.exits(test.status)
		p.complains(test.complaint)
	}
	if found, err := filepath.Glob(h.path("n*")); err != nil || len(found) > 0 {
		t.Errorf("made %q, %v", found, err)
	}
}

// TestQR checks that the code as it is drawn, and the light around it, are the
// modules of the invite.
func TestQR(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	lines := strings.Split(h.answer("", "invite", "ana", "--network", h.path("office"), "--qr"), "\n")
	code, err := qr.Encode(lines[0], qr.L)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Size + 8
	if len(lines) != 1+(size+1)/2 {
		t.Fatalf("%d lines for %d modules", len(lines)-1, code.Size)
	}
	for y := range size {
		for x, block := range []rune(lines[1+y/2]) {
			dark := block == ' ' || block == []rune("▄▀")[y%2]
			if x >= size || dark != code.Black(x-4, y-4) {
				t.Fatalf("module %d of row %d is wrong", x, y)
			}
		}
	}
	if !regexp.MustCompile(`^█+$`).MatchString(lines[1]) {
		t.Errorf("begins with %s", lines[1])
	}
}

// TestSealedOnly has a message dropped by the only one whom it is for: both are told,
// and that is no success. What another takes is one.
func TestSealedOnly(t *testing.T) {
	n := newNetwork(t)
	ana := n.start("listen", "--name", "ana", "--group", "room", "--sealed", "room")
	shout := func(status int) *process {
		p := n.start("shout", "--name", "old", "--security", "plain", "--group", "room", "hi")
		p.exits(status)
		p.complains(`^once: .*ana \([0-9a-f]{8}\) at \S+: it drops what this node says to a group`)
		return p
	}
	shout(1).complains(`nobody took the message`)
	ana.sees(`\trefused\t\S+\told\t\tthis node drops what it says to group "room"`)
	ben := n.start("listen", "--name", "ben", "--group", "room")
	ben.sees(`\tenter\t\S+\tana\t`)
	shout(0)
	ben.sees(`\tshout\t\S+\told\troom\thi\tplain$`)
}

// roles returns flags for so many roles.
func roles(n int) (flags string) {
	for i := range n {
		flags += " --role r" + strconv.Itoa(i)
	}
	return flags
}
