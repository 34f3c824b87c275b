package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// readmeBlock returns the lines of the README's first block that begins with a text.
func readmeBlock(t *testing.T, begins string) []string {
	t.Helper()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), begins)
	block, _, ended := strings.Cut(block, "\n```\n")
	if !found || !ended {
		t.Fatalf("the README has no block %q", begins)
	}
	return strings.Split(strings.TrimPrefix(block, "\n"), "\n")
}

// What the README shows of two people in two terminals happens, line by line. Theirs are
// pipes here, which have no prompt, and get neither the time nor what protects a word.
func TestReadmeChat(t *testing.T) {
	n := newNetwork(t)
	at := regexp.MustCompile(`^\d\d:\d\d | \(sealed\)`)
	const column = 45
	var people [2]*process
	for _, line := range readmeBlock(t, "each in a terminal:\n\n```") {
		sides := [2]string{strings.TrimSpace(line[:min(column, len(line))]), strings.TrimSpace(line[min(column, len(line)):])}
		for i, side := range sides { // both speak before either listens
			if command, ok := strings.CutPrefix(side, "$ once "); ok {
				people[i] = n.start(strings.Fields(command)...)
			} else if words, ok := strings.CutPrefix(side, "room> "); ok {
				people[i].says(words)
			}
		}
		for i, side := range sides {
			if !strings.HasPrefix(side, "$ ") && !strings.HasPrefix(side, "room> ") {
				people[i].sees("^" + regexp.QuoteMeta(at.ReplaceAllString(side, "")) + "$")
			}
		}
	}
	people[1].exits(0)
	people[0].closeInput()
	people[0].exits(0)
}

// What the README shows of members far from each other does what it says. Ben's host is this
// one, with a home of his own, and so the way there is another.
func TestReadmeBeyond(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	n, dir := newNetwork(t), t.TempDir()
	listener := n.start("server", "--listen", n.server(), "--identity", filepath.Join(dir, "server"), "--relay", "yes")
	address := listener.sees(`^once://.*$`)[0]
	lines := readmeBlock(t, "there is a better one, a circuit through the server:\n\n```")
	answer := lines[len(lines)-1]
	script := strings.NewReplacer("once server --relay yes > address &", "echo '"+address+"' > address", "ssh ben once", "HOME=$PWD/ben XDG_CONFIG_HOME= once",
		"$ once ping", "HOME=$PWD/ben once listen --group room --name ben &\nonce ping", "$ ", "").Replace(strings.Join(lines[:len(lines)-1], "\n"))
	once := n.command("")
	program := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", once.Path)
	if err := os.WriteFile(filepath.Join(dir, "once"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command(bash, "-euc", "trap 'kill $(jobs -p)' EXIT\n"+script)
	shell.Dir, shell.Env = dir, append(once.Env, "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"), "ONCE_PORT=0")
	shell.Stderr = os.Stderr
	out, err := shell.Output()
	want := regexp.MustCompile(`(?m)^ben answers by way of \w+ in [\d.]+\S+$`)
	if err != nil || !want.Match(out) || !want.MatchString(answer) {
		t.Errorf("%v; it prints:\n%s\nand not:\n%s", err, out, answer)
	}
}

// What the README shows of scripts runs in a shell, and prints what is shown.
func TestReadmeScripts(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	n, dir := newNetwork(t), t.TempDir()
	var script, want strings.Builder
	for _, line := range readmeBlock(t, "```console") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			fmt.Fprintln(&script, command)
		} else {
			fmt.Fprintln(&want, line)
		}
	}
	once := n.command("")
	program := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", once.Path)
	if err := os.WriteFile(filepath.Join(dir, "once"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	shell := exec.Command(bash, "-euc", "trap 'kill $(jobs -p)' EXIT\n"+script.String())
	shell.Dir, shell.Env = dir, append(once.Env, "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH"))
	shell.Stderr = os.Stderr
	if out, err := shell.Output(); err != nil || string(out) != want.String() {
		t.Errorf("%v; it prints:\n%s\nand not:\n%s", err, out, want.String())
	}
}
