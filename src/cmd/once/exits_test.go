package main

import (
	"strings"
	"testing"
)

// TestReaderGone checks that a command whose work is to write ends when nobody reads what
// it writes, with nothing to write: quietly, with status 0, and with a goodbye.
func TestReaderGone(t *testing.T) {
	for _, line := range []string{"listen", "listen --json", "listen --count 100", "peers --wait 1m", "peers --json --wait 1m", "peers --watch", "doctor --wait 1m"} {
		t.Run(line, func(t *testing.T) {
			n := newNetwork(t)
			watcher := n.start("listen")
			p := n.start(append(strings.Fields(line), "--name", "deaf")...)
			watcher.sees(`\tenter\t\S+\tdeaf\t`)
			if err := p.out.Close(); err != nil {
				t.Fatal(err)
			}
			watcher.sees(`\texit\t\S+\tdeaf\t\tleft\t`)
			p.exits(0)
			p.complains(`^$`)
		})
	}
}

// TestEnding checks that listen ends after as many events, and after as long, as it was
// told.
func TestEnding(t *testing.T) {
	n := newNetwork(t)
	p := n.start("listen", "--count", "2")
	q := n.start("listen", "--group", "room", "--name", "peer")
	p.exits(0)
	p.complains(`^$`)
	if len(p.seen) != 2 || !strings.Contains(p.seen[0], "\tenter\t") || !strings.Contains(p.seen[1], "\tjoin\t") {
		t.Errorf("it wrote %q", p.seen)
	}
	p = n.start("listen", "--count", "2", "--json")
	p.exits(0)
	if len(p.seen) != 2 || !strings.Contains(p.seen[0], `"type":"enter"`) {
		t.Errorf("it wrote %q", p.seen)
	}
	p = n.start("listen", "--type", "join", "--type", "shout", "--count", "1")
	p.exits(0)
	if len(p.seen) != 1 || !strings.Contains(p.seen[0], "\tjoin\t") {
		t.Errorf("it wrote %q", p.seen)
	}
	p = n.start("peers", "--watch", "--for", "1s")
	p.exits(0)
	if len(p.seen) == 0 || !strings.Contains(p.seen[0], "\tenter\t") {
		t.Errorf("it wrote %q", p.seen)
	}
	p = n.start("peers", "--for", "1s")
	p.exits(2)
	p.complains(`^once: --for goes with --watch`)
	p = n.start("listen", "--for", "1ms")
	p.exits(0)
	p.complains(`^$`)
	p = n.start("listen", "--for", "10ms", "--count", "100")
	p.exits(1)
	p.complains(`^once: \d+ of 100 events in 10ms\n$`)
	p = n.start("listen", "--count", "100", "--name", "interrupted")
	q.sees(`\tenter\t\S+\tinterrupted\t`)
	p.interrupt()
	p.exits(130)
	p.complains(`^$`)
}

// TestExitStatus checks the table of once --help: each status with whole command lines,
// which write to standard output what was asked for, and to standard error why it is not.
func TestExitStatus(t *testing.T) {
	n := newNetwork(t)
	root, _ := newRoot()
	p := n.start("listen", "--group", "room", "--name", "peer")
	for _, test := range []struct {
		status    int
		line      string
		out, errs string
	}{
		{0, "--help", `^Exit status:$`, `^$`},
		{0, "help listen", `once listen --group room$`, `^$`},
		{0, "--version", `^once `, `^$`},
		{0, "interfaces", `127\.0\.0\.1`, `^$`},
		{0, "peers --wait 1s", `^peer\t`, `^$`},
		{0, "whisper peer hi", `^1 has it: peer$`, `^$`},
		{0, "whisper peer -- -hi", `^1 has it: peer$`, `^$`},
		{0, "whisper --no-wait peer hi", `^queued for 1, and not waited for$`, `^$`},
		{0, "shout --group room hi there", `^1 has it: peer$`, `^$`},
		{0, "doctor --wait 1s", `^ok    peers       1: peer$`, `^$`},
		{1, "whisper nobody --wait 10ms hi", ``, `^once: peer "nobody": nobody there within 10ms`},
		{1, "whisper --name zoe zoe --wait 10ms hi", ``, `^once: peer "zoe" other than this node itself: nobody there within 10ms`},
		{1, "shout --group empty --wait 10ms hi", ``, `^once: group "empty": nobody there within 10ms`},
		{1, "doctor --wait 1s --gossip-connect tcp://127.0.0.1:1", `^fail  gossip      tcp://127\.0\.0\.1:1`, `^once: something does not work`},
		{1, "listen --endpoint tcp://192.0.2.1:5671", ``, `^once: --endpoint: cannot accept connections at tcp://192\.0\.2\.1:5671: `},
		{1, "identity show /nonexistent", ``, `^once: /nonexistent/identity.key: `},
		{2, "listen --count none", ``, `^once: --count "none": give a number from 1 on\nonce: 'once listen --help' tells how to use it\n$`},
		{2, "whisper --timeout 1s --no-wait peer hi", ``, `^once: --no-wait and --timeout exclude each other\n`},
		{2, "shout --group room --timeout 0s hi", ``, `^once: --timeout "0s": give a time above 0, such as 500ms or 5s\n`},
		{2, "sing", ``, `^once: unknown command "sing" for "once"; did you mean ping or send\?\n`},
	} {
		if !strings.Contains(root.Long, strings.Repeat(" ", 4)+string(rune('0'+test.status))+"  ") {
			t.Errorf("once --help has no status %d", test.status)
		}
		p := n.start(strings.Fields(test.line)...)
		if test.out != "" {
			p.sees(test.out)
		}
		p.exits(test.status)
		p.complains(test.errs)
		if test.out == "" && len(p.seen) > 0 {
			t.Errorf("%s wrote %q", test.line, p.seen)
		}
	}
	p.interrupt()
	p.exits(0)
}
