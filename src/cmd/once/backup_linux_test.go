package main

import (
	"os"
	"strings"
	"testing"
)

// TestPassphrase has a passphrase asked for, which is not shown. One that is not repeated
// writes nothing.
func TestPassphrase(t *testing.T) {
	h := newHome(t)
	h.answer("", "network", "new", h.path("office"))
	h.join("ana")
	backup := func(second string) *terminal {
		screen := open(t, h.command(h.office("network", "backup", h.path("backup"))...))
		screen.sees(`Passphrase \(empty for none\): `)
		screen.types("correct horse\r")
		screen.sees(`The same again: `)
		screen.types(second + "\r")
		return screen
	}
	backup("battery staple").sees(`the two passphrases differ: nothing was written`)
	if _, err := os.Stat(h.path("backup")); err == nil {
		t.Error("something was written")
	}
	screen := backup("correct horse")
	for range screen.chunks { // until it has ended
	}
	content, err := os.ReadFile(h.path("backup"))
	if err != nil || !strings.HasPrefix(string(content), "-----BEGIN AGE ENCRYPTED FILE-----") {
		t.Fatalf("%v:\n%s", err, content)
	}
	restore := func(passphrase string) *terminal {
		screen := open(t, h.command("network", "restore", h.path("backup"), h.path("restored"), "--wait", "500ms"))
		screen.sees(`Passphrase: `)
		screen.types(passphrase + "\r")
		return screen
	}
	restore("battery staple").sees(`the passphrase is not right`)
	screen = restore("correct horse")
	screen.sees(`\S{40}\r\n`)
	screen.sees(`0 of 1 members have it`)
	if strings.Contains(screen.seen, "horse") {
		t.Error("the passphrase is shown")
	}
}
