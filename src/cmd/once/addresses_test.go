package main

import (
	"os"
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
