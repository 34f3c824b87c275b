package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestAddressesOutOfSight has commands stay with servers whose addresses their command lines
// do not show.
func TestAddressesOutOfSight(t *testing.T) {
	h := newHome(t)
	first := h.start("server", "--identity", h.path("server"), "--listen", h.server())
	address := first.sees(`^once://127\.0\.0\.1:\d+/\?key=[-\w]{43}#[-\w]{43}$`)[0]
	away := strings.Replace(address, "key=", "key=AAAAAAAA", 1)[:len(address)]
	write := func(name, text string) string {
		if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + h.path(name)
	}
	one, empty := write("one", "# ours\n\n "+address+"\n"), write("empty", "# none\n")
	node := func(name string, args ...string) []string { return append(args, "--port", "0", "--name", name) }
	ana := h.start(node("ana", "listen", "--group", "room", "--server", one)...)
	ben := h.start(node("ben", "shout", "--group", "room", "--server", "-", "--wait", "1m", "hello")...)
	ben.says(address)
	ben.closeInput()
	ben.exits(0)
	ana.sees(`\tshout\t\S+\tben\troom\thello`)
	cyd := h.command(node("cyd", "whisper", "ana", "hello", "--wait", "1m")...)
	cyd.Env = append(cyd.Env, "ONCE_SERVER="+one)
	h.run(cyd).exits(0)

	h.answer("", "network", "new", h.path("office"))
	invite := []string{"invite", "dan", "--offline", "--network", h.path("office"), "--server"}
	h.complains(t, "--server "+empty+": there is no address", exitUsage, append(invite, empty)...)
	h.complains(t, "2 addresses are there", exitUsage, append(invite, write("two", address+"\n"+address))...)
	h.answer(h.answer("", append(invite, one)...), "join", "-", h.path("dan"))
	p := h.start("doctor", "--port", "0", "--identity", h.path("dan"))
	p.sees(`^ok +server +127\.0\.0\.1:\d+ answers`)
	p.exits(0)

	h.complains(t, "chat reads standard input for something else: say @FILE", exitUsage, node("eve", "chat", "--group", "room", "--server", "-")...)
	h.complains(t, "receive reads standard input for something else", exitUsage, node("eve", "receive", "--server", "-")...)
	h.complains(t, "whisper reads standard input for something else", exitUsage, node("eve", "whisper", "--server", "-", "ana", "-")...)
	h.complains(t, "no such file", exitUsage, node("eve", "peers", "--server", "@"+h.path("none"))...)
	h.complains(t, "want an address as once server prints it", exitUsage, node("eve", "peers", "--server", write("wrong", away+"!"))...)
	p = h.start(node("eve", "receive", "--yes", "--server", "-")...)
	p.closeInput()
	p.exits(exitUsage)
	p.complains("there is no address")
}

// TestNewSecretOfServers revokes one whom a server alone brings together with others: they are
// told there, and meet there from then on under another SECRET, also one who is invited later
// with the address of before.
func TestNewSecretOfServers(t *testing.T) {
	h := newHome(t)
	server := h.start("server", "--identity", h.path("server"), "--listen", h.server())
	address := server.sees(`^once://127\.0\.0\.1:\d+/\?key=[-\w]{43}#[-\w]{43}$`)[0]
	public, secret, _ := strings.Cut(address, "#")
	if err := os.WriteFile(h.path("address"), []byte(address), 0o600); err != nil {
		t.Fatal(err)
	}
	h.answer("", "network", "new", h.path("office"))
	join := func(name string) {
		t.Helper()
		invite := h.answer("", h.office("invite", name, "--offline", "--server", "@"+h.path("address"))...)
		h.answer(invite, "join", "-", h.path(name))
	}
	listen := func(name string) *process {
		join(name)
		return h.start("listen", "--json", "--port", "0", "--group", "room", "--identity", h.path(name))
	}
	ana, ben, cleo := listen("ana"), listen("ben"), listen("cleo")
	join("olga") // who has the network, and runs no node
	ana.seesAll(`"type":"enter".*"name":"ben"`, `"type":"enter".*"name":"cleo"`)
	ben.sees(`"type":"enter".*"name":"cleo"`)

	p := h.start(h.office("revoke", "cleo", "--port", "0", "--identity", h.path("olga"), "--wait", "30s")...)
	p.sees(`^3 of 3 members have it: ana, ben, olga$`)
	p.exits(0)
	p.complains(`once: the network has a new secret at its servers, which members bring each other`)
	for _, p := range []*process{ana, ben} {
		p.sees(`"type":"network".*the network has a new secret at its servers`)
	}
	cleo.sees(`the network has revoked this node's membership`)
	if list, err := os.ReadFile(h.path("cleo") + "/servers"); err != nil || string(list) != address+"\n" {
		t.Errorf("who was revoked has %q, %v", list, err)
	}
	for _, name := range []string{"ben", "olga"} {
		list, err := os.ReadFile(h.path(name) + "/servers")
		if now, _, _ := strings.Cut(string(list), "\n"); err != nil || !strings.HasPrefix(now, public+"#") || strings.Contains(now, secret) {
			t.Errorf("%s has %q, %v", name, list, err)
		}
	}

	dora := listen("dora")
	dora.sees(`"type":"enter".*"name":"(ana|ben)"`)
	p = h.start(h.office("network", "show")...)
	p.sees(`^ana\s+member`)
	p.exits(0)
	p.complains(`once: server ` + regexp.QuoteMeta(public) + "\n")
}
