//go:build unix

package main

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestUndeliveredThroughTheNode has a peer stop that is told something.
func TestUndeliveredThroughTheNode(t *testing.T) {
	u := newUser(t)
	u.does(0, "identity", "new")
	ben := u.start("chat", "--group", "room", "--name", "ben", "--identity", "none")
	ana := u.start("listen", "--name", "ana")
	ana.sees(`\tjoin\t\S+\tben\troom`)
	if err := ben.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	started := map[string]*process{}
	for name, args := range map[string][]string{"told": {"whisper", "ben", "psst"}, "shouted": {"shout", "--group", "room", "lunch"}} {
		cmd := u.command()
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `exec "$0" "$@" 2>` + u.path(name), os.Args[0]}, args...)
		started[name] = u.run(cmd)
		started[name].closeInput()
	}
	said := func(name string) string {
		text, err := os.ReadFile(u.path(name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	for name := range started {
		for end := time.Now().Add(patience); !strings.Contains(said(name), "not yet confirmed"); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("who has %s it says %q", name, said(name))
			}
		}
	}
	if err := ben.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, p := range started {
		p.exits(1)
		if !regexp.MustCompile(`not known to have got what was said to them; ben .*: \d messages?`).MatchString(said(name)) {
			t.Errorf("who has %s it says %q", name, said(name))
		}
	}
}
