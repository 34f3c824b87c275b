package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestManual checks that each command that help lists has a page, with all that its help tells.
func TestManual(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	n := newNetwork(t)
	cmd := n.command("man", dir)
	cmd.Env = append(cmd.Env, "SOURCE_DATE_EPOCH=86400")
	n.run(cmd).exits(0)

	root, _ := newRoot()
	pages := 0
	for commands := []*cobra.Command{root}; len(commands) > 0; commands = commands[1:] {
		command := commands[0]
		if command.Hidden {
			continue
		}
		commands = append(commands, command.Commands()...)
		pages++
		name := strings.ReplaceAll(command.CommandPath(), " ", "-")
		page, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		says := func(text string) {
			t.Helper()
			if !strings.Contains(string(page), text) {
				t.Errorf("%s does not say %q", name, text)
			}
		}
		says(` "1970\-01\-02" "once `)
		says(roff(name + " - " + command.Short))
		for line := range strings.SplitSeq(command.Long+"\n"+command.Example, "\n") {
			if line == "Exit status:" {
				says(`.SH "EXIT STATUS"`)
			} else {
				says(roff(line))
			}
		}
		flag := func(f *pflag.Flag) {
			name := "--" + f.Name
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			says(`\fB` + roff(name) + `\fI`)
		}
		command.LocalFlags().VisitAll(flag)
		command.InheritedFlags().VisitAll(flag)
		for _, member := range command.Commands() {
			if !member.Hidden {
				says(roff(name+"-"+member.Name()) + `\fR(1)` + "\n" + roff(member.Short))
			}
		}
	}
	// completion and its members are of a command that runs, not of one that is only made
	if files, err := os.ReadDir(dir); err != nil || len(files) != pages+5 {
		t.Errorf("%d pages (%v), want %d", len(files), err, pages+5)
	}
}

func TestManualFails(t *testing.T) {
	n := newNetwork(t)
	cmd := n.command("man", t.TempDir())
	cmd.Env = append(cmd.Env, "SOURCE_DATE_EPOCH=yesterday")
	p := n.run(cmd)
	p.exits(2)
	p.complains(`^once: SOURCE_DATE_EPOCH "yesterday": give seconds since 1970\n`)

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p = n.start("man", file)
	p.exits(1)
	p.complains(`file: not a directory`)
}

// TestRoff checks that a page prints what it was given, also at the begin of a line.
func TestRoff(t *testing.T) {
	var p page
	p.text("a\\b -c\n.sh\n'so'\n\n  two\n  \"lines\"")
	want := ".PP\na\\eb \\-c\n\\&.sh\n\\(aqso\\(aq\n.PP\n.nf\n  two\n  \\(dqlines\\(dq\n.fi\n"
	if got := p.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestVersion(t *testing.T) {
	n := newNetwork(t)
	for _, arg := range []string{"version", "--version", "-v"} {
		p := n.start(arg)
		p.sees(`^once \d+\.\d+\.\d+( \(\S+\))? go1\.\d+\S* \w+/\w+$`)
		p.exits(0)
	}
}
