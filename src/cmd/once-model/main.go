// Command once-model reviews models of protocols, machines and classes, those of @Once and those
// of other projects that use zproto and zproject: see once-model --help.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/src/model"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	begun := false
	root := newRoot(&begun)
	root.SetArgs(args)
	command, err := root.ExecuteContextC(context.Background())
	var found status
	switch {
	case err == nil:
		return 0
	case errors.As(err, &found):
		return int(found)
	}
	text := err.Error()
	if begun { // what is wrong with a command line has several lines
		text = model.OneLine(text)
	}
	fmt.Fprintln(os.Stderr, "once-model:", text)
	if !begun || errors.As(err, new(usageError)) {
		fmt.Fprintf(os.Stderr, "once-model: '%s --help' tells how to use it\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// newRoot returns the program's commands. Begun becomes true when the command line is found to
// be right and the command begins.
func newRoot(begun *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "once-model",
		Short: "review models of protocols, machines and classes",
		Long: `Once-model reads models in the dialect of zproto and zproject, and tells what a
reviewer wants to know of them.

Where a command takes a PATH, that is a project.xml, a model, or a folder with
one or the other; the current folder if none is given.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRun:  func(*cobra.Command, []string) { *begun = true },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.AddCommand(lintCommand(), diffCommand(), lockCommand(), exploreCommand(), docCommand(), serveCommand(), vectorsCommand(), initCommand())
	return root
}
