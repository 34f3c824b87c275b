package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// randomFile makes a file and returns its path and what is in it.
func randomFile(t *testing.T, name string, octets int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, octets)
	rand.Read(content)
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, content
}

func has(t *testing.T, path string, content []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s has %d octets that are not those that were sent: %v", path, len(got), err)
	}
}

func TestSendAndReceive(t *testing.T) {
	n, into := newNetwork(t), t.TempDir()
	path, content := randomFile(t, "report.pdf", 3<<20)
	ben := n.start("receive", "--name", "ben", "--from", "ana", "--into", into)
	ana := n.start("send", "--name", "ana", "ben", path)
	ana.sees(`^ben has report\.pdf \(3\.15 MB in .*/s\)$`)
	ana.exits(0)
	ben.sees(`^got report\.pdf \(.*\) from ana$`)
	ben.exits(0)
	has(t, filepath.Join(into, "report.pdf"), content)
}

// TestSendToGroup sends from two to two.
func TestSendToGroup(t *testing.T) {
	n := newNetwork(t)
	first, one := randomFile(t, "one", 1<<20)
	second, two := randomFile(t, "two", 1<<20)
	into := []string{t.TempDir(), t.TempDir()}
	var receivers []*process
	for _, dir := range into {
		r := n.start("receive", "--group", "team", "--keep", "--yes", "--into", dir, "--json")
		receivers = append(receivers, r)
	}
	third := n.start("peers", "--wait", "2s", "--json") // both are there
	third.sees("team")
	third.sees("team")
	third.exits(0)
	senders := []*process{n.start("send", "--group", "team", "--json", first), n.start("send", "--group", "team", second)}
	for _, s := range senders {
		s.exits(0)
	}
	var last transferRecord
	if err := json.Unmarshal([]byte(senders[0].seen[len(senders[0].seen)-1]), &last); err != nil || last.Type != "done" || last.OctetsDone != 1<<20 {
		t.Errorf("the sender ends with %+v, %v", last, err)
	}
	for i, r := range receivers {
		r.sees(`"type":"done"`)
		r.sees(`"type":"done"`)
		r.interrupt()
		r.exits(0)
		has(t, filepath.Join(into[i], "one"), one)
		has(t, filepath.Join(into[i], "two"), two)
	}
}

// TestSendToSome checks that who has not got all is named, and that others have.
func TestSendToSome(t *testing.T) {
	n, into := newNetwork(t), t.TempDir()
	path, content := randomFile(t, "file", 1<<20)
	ben := n.start("receive", "--group", "team", "--name", "ben", "--yes", "--into", into)
	for _, name := range []string{"carl", "dora"} {
		n.start("receive", "--group", "team", "--name", name, "--yes", "--keep", "--max", "1", "--into", into)
	}
	all := n.start("peers", "--wait", "2s", "--json")
	for range 3 {
		all.sees("team")
	}
	ana := n.start("send", "--group", "team", path)
	ana.exits(1)
	for _, name := range []string{"carl", "dora"} {
		ana.complains(name + ` has not got file: the receiver does not take the files: takes 1 octets at most, not 1048576`)
	}
	ben.sees("got file")
	ben.exits(0)
	has(t, filepath.Join(into, "file"), content)
}

// grows waits until there is something of a file, and fails if all is.
func grows(t *testing.T, path string, octets int64) {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(path + ".once-partial"); err == nil && info.Size() > octets {
			return
		}
	}
	t.Fatalf("%s does not grow", path)
}

// TestKilled kills either side in the middle, with no chance of a last word.
func TestKilled(t *testing.T) {
	for _, killed := range []string{"send", "receive"} {
		t.Run(killed, func(t *testing.T) {
			n, into := newNetwork(t), t.TempDir()
			path, content := randomFile(t, "large", 200<<20)
			receive := func() *process { return n.start("receive", "--name", "ben", "--yes", "--into", into) }
			send := func() *process { return n.start("send", "--name", "ana", "ben", path) }
			ben, ana := receive(), send()
			grows(t, filepath.Join(into, "large"), 20<<20)
			if killed == "send" {
				kill(t, ana)
				ana = send()
			} else {
				kill(t, ben)
				ben = receive()
			}
			ana.sees(`^ben has large`)
			ben.sees(`^got large`)
			ana.exits(0)
			ben.exits(0)
			has(t, filepath.Join(into, "large"), content)
		})
	}
}

func kill(t *testing.T, p *process) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.exits(-1)
}

// TestNotReceived checks that both sides say why, and that what is there is left.
func TestNotReceived(t *testing.T) {
	path, _ := randomFile(t, "report.pdf", 1000)
	for what, c := range map[string]struct {
		args         []string
		there        string
		sent, gotten string
	}{
		"from others": {[]string{"--from", "carl", "--keep"}, "", `takes files from others only`, `refused report\.pdf from ana`},
		"too much":    {[]string{"--yes", "--max", "999", "--keep"}, "", `takes 999 octets at most, not 1000`, `refused report\.pdf`},
		"occupied":    {[]string{"--yes"}, "mine", `another file has the name`, `another file has the name.*: report\.pdf`},
	} {
		t.Run(what, func(t *testing.T) {
			n, into := newNetwork(t), t.TempDir()
			if c.there != "" {
				if err := os.WriteFile(filepath.Join(into, "report.pdf"), []byte(c.there), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			ben := n.start(append([]string{"receive", "--name", "ben", "--into", into}, c.args...)...)
			ana := n.start("send", "--name", "ana", "ben", path)
			ana.exits(1)
			ana.complains(c.sent)
			if c.there == "" {
				ben.interrupt()
				ben.exits(0)
			} else {
				ben.exits(1)
			}
			ben.complains(c.gotten)
			got, err := os.ReadFile(filepath.Join(into, "report.pdf"))
			if string(got) != c.there || c.there == "" && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is %q, %v", got, err)
			}
		})
	}
}

// TestNobodyReceives checks what is said if somebody is there who takes no files, who is
// told nothing that a program could take for a message.
func TestNobodyReceives(t *testing.T) {
	n := newNetwork(t)
	path, _ := randomFile(t, "file", 1)
	ben := n.start("listen", "--name", "ben")
	ana := n.start("send", "--wait", "500ms", "--name", "ana", "--json", "ben", path)
	ana.sees("progress") // it has been offered
	ana.interrupt()
	ana.exits(130)
	ana.complains(`peer "ben": nobody there says that it takes files`)
	ben.sees(`exit.*ana`)
	ben.interrupt()
	ben.exits(0)
	for _, line := range ben.seen {
		if strings.Contains(line, "whisper") {
			t.Errorf("who takes no files is told %q", line)
		}
	}
}

func TestTransferUsage(t *testing.T) {
	n := newNetwork(t)
	for want, args := range map[string][]string{
		`without a terminal to ask on`:                 {"receive"},
		`--max "much": give octets, such as`:           {"receive", "--yes", "--max", "much"},
		`--from and --yes exclude each other`:          {"receive", "--yes", "--from", "ana"},
		`say to whom and what: once send NAME-or-UUID`: {"send", "ben"},
		`no-such-file: no such file`:                   {"send", "ben", "no-such-file"},
		`no arguments given; use it as`:                {"send"},
		`--retry "0s": give a time above 0`:            {"send", "--retry", "0s", "ben", "."},
		`--from "": 0 octets given, 1 to 255 allowed`:  {"receive", "--from", ""},
		`peer "": 0 octets given, 1 to 255 allowed`:    {"send", "", "."},
	} {
		p := n.start(args...)
		p.exits(2)
		p.complains(want)
	}
}
