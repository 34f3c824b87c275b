package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// manCommand prints the manual, for whoever packages the program.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "write the manual to a directory, a page for each command",
		Long: `Man writes a page of the manual for each command to the directory, which it
makes. They are of the date that SOURCE_DATE_EPOCH has, in seconds since 1970,
or else of today.`,
		Example: "  once man ~/.local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := sourceDate()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			return writeManual(args[0], date, cmd.Root())
		},
	}
}

// sourceDate returns when the sources are from (https://reproducible-builds.org/specs/source-date-epoch).
func sourceDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Now().UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, usage("SOURCE_DATE_EPOCH %q: give seconds since 1970", cut(text, cellWidth))
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// writeManual writes the pages of a command and of those below it.
func writeManual(dir string, date time.Time, cmd *cobra.Command) error {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	err := os.WriteFile(filepath.Join(dir, pageName(cmd)+".1"), []byte(manPage(cmd, date)), 0o644)
	for _, member := range cmd.Commands() {
		if err == nil && member.IsAvailableCommand() {
			err = writeManual(dir, date, member)
		}
	}
	return err
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage returns a page of the manual, in the macros of man(7).
func manPage(cmd *cobra.Command, date time.Time) string {
	var p page
	p.request("TH", strings.ToUpper(pageName(cmd)), "1", date.Format(time.DateOnly), "once "+once.Version, "@Once")
	p.line(".nh\n.ad l\n.ss 12 0") // no word is parted, no line filled up, and one blank between sentences
	p.request("SH", "NAME")
	p.line(roff(pageName(cmd) + " - " + cmd.Short))
	p.request("SH", "SYNOPSIS")
	if cmd.HasAvailableSubCommands() {
		p.line(roff(cmd.CommandPath() + " COMMAND ..."))
	} else {
		p.line(roff(cmd.UseLine()))
	}
	p.request("SH", "DESCRIPTION")
	p.text(cmp.Or(cmd.Long, strings.ToUpper(cmd.Short[:1])+cmd.Short[1:]+"."))
	p.commands(cmd)
	p.request("SH", "OPTIONS")
	cmd.NonInheritedFlags().VisitAll(p.flag)
	cmd.InheritedFlags().VisitAll(p.flag)
	if cmd.Example != "" {
		p.request("SH", "EXAMPLES")
		p.literal(cmd.Example)
	}
	if cmd.HasParent() {
		p.request("SH", "SEE ALSO")
		if cmd.Parent().HasParent() {
			p.reference(cmd.Root(), ",")
		}
		p.reference(cmd.Parent(), "")
	}
	return p.String()
}

// page is a page of the manual as it is written.
type page struct{ strings.Builder }

func (p *page) line(text string) { p.WriteString(text + "\n") }

func (p *page) request(name string, args ...string) {
	p.WriteString("." + name)
	for _, arg := range args {
		p.WriteString(` "` + roff(arg) + `"`)
	}
	p.WriteString("\n")
}

// text writes paragraphs. One that has an indented line keeps its lines; the table of exit
// statuses is a section.
func (p *page) text(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		if table, found := strings.CutPrefix(paragraph, "Exit status:\n"); found {
			p.request("SH", "EXIT STATUS")
			p.literal(table)
			continue
		}
		p.request("PP")
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			p.literal(paragraph)
		} else {
			p.lines(paragraph)
		}
	}
}

func (p *page) lines(text string) {
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		p.line(roff(line))
	}
}

func (p *page) literal(text string) {
	p.request("nf")
	p.lines(text)
	p.request("fi")
}

// commands lists the commands below one, by their chapters.
func (p *page) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	p.request("SH", "COMMANDS")
	chapters := cmd.Groups()
	if len(chapters) > 0 {
		chapters = append(chapters, &cobra.Group{Title: "Other:"})
	} else {
		chapters = append(chapters, &cobra.Group{})
	}
	for _, chapter := range chapters {
		if chapter.Title != "" {
			p.request("SS", strings.TrimSuffix(chapter.Title, ":"))
		}
		for _, member := range cmd.Commands() {
			if member.GroupID == chapter.ID && member.IsAvailableCommand() {
				p.request("TP")
				p.reference(member, "")
				p.line(roff(member.Short))
			}
		}
	}
}

// reference names the page of a command, and what comes after it.
func (p *page) reference(cmd *cobra.Command, after string) {
	p.line(`\fB` + roff(pageName(cmd)) + `\fR(1)` + after)
}

// flag says of a flag what --help does.
func (p *page) flag(f *pflag.Flag) {
	alone := pflag.NewFlagSet("", pflag.ContinueOnError)
	alone.AddFlag(f)
	name, usage, found := strings.Cut(strings.TrimSpace(alone.FlagUsages()), "   ")
	if !found {
		return // it is hidden
	}
	end := strings.Index(name, "--"+f.Name) + len("--"+f.Name)
	p.request("TP")
	p.line(`\fB` + roff(name[:end]) + `\fI` + roff(name[end:]) + `\fR`)
	p.line(roff(usage))
}

// roff returns text that prints as it is, with hyphens that can be copied.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, `"`, `\(dq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
