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
	u.start("listen", "--group", "room", "--name", "cleo", "--identity", "none")
	ana := u.start("listen", "--name", "ana", "--type", "join")
	ana.sees(`\tjoin\t\S+\t(ben|cleo)\troom`)
	ana.sees(`\tjoin\t\S+\t(ben|cleo)\troom`)
	if err := ben.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if p := u.does(0, "shout", "--group", "room", "--no-wait", "lunch"); len(p.seen) != 1 || p.seen[0] != "queued for 2, and not waited for" {
		t.Errorf("it wrote %q", p.seen)
	}
	u.does(1, "whisper", "--timeout", "10ms", "ben", "psst").complains(`^once: within 10ms none of 1 has it; not known to have it: ben\n$`)
	u.does(1, "shout", "--timeout", "2s", "--group", "room", "lunch").complains(`^once: within 2s 1 of 2 has it: cleo; not known to have it: ben\n$`)
	started := map[string]*process{}
	for name, args := range map[string][]string{"told": {"whisper", "ben", "psst"}, "shouted": {"shout", "--group", "room", "lunch"}, "interrupted": {"whisper", "ben", "psst"}} {
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
	started["interrupted"].interrupt()
	started["interrupted"].exits(exitInterrupted)
	if text := said("interrupted"); strings.Contains(text, "ended") {
		t.Errorf("who is interrupted says %q", text)
	}
	if err := ben.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"told": "none of 1 has it", "shouted": "1 of 2 has it: cleo"} {
		started[name].exits(1)
		if !regexp.MustCompile(want + `; not known to have it: ben \((network|expired)\)`).MatchString(said(name)) {
			t.Errorf("who has %s it says %q", name, said(name))
		}
	}
}
