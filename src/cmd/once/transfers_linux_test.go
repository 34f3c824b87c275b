package main

import (
	"path/filepath"
	"testing"
)

// TestAsk has a user asked on the terminal, who says no and then yes. What is typed before
// a question does not answer it.
func TestAsk(t *testing.T) {
	n, into := newNetwork(t), t.TempDir()
	path, content := randomFile(t, "report.pdf", 1<<20)
	ben := open(t, n.command("receive", "--name", "ben", "--into", into))
	ben.types("yes\n") // before a question
	for _, answer := range []string{"\nyes\ny\n", "yes\n"} {
		ana := n.start("send", "--name", "an\x1b[5ma", "ben", path)
		ben.sees(`an\\x1b\[5ma \([0-9a-f-]{36}\) offers report\.pdf, 1\.05 MB: take it\? \[y/N\]`)
		ben.types(answer)
		if answer != "yes\n" {
			ana.exits(1)
			ana.complains(`the receiver does not take the files: the user says no`)
			ben.sees(`refused report\.pdf`)
			continue
		}
		ana.exits(0)
		ben.sees(`got report\.pdf \(1\.05 MB in .*\) from an\\x1b\[5ma`)
	}
	has(t, filepath.Join(into, "report.pdf"), content)
}
