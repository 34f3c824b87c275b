package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"
)

// errReaderGone ends a command whose output nobody reads any more.
var errReaderGone = errors.New("nobody reads the output any more")

// whileRead returns what runs a command whose work is to write: it ends when whoever reads
// standard output has gone, even if there is nothing to write then.
func whileRead(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, cancel := context.WithCancelCause(cmd.Context())
		defer cancel(nil)
		stop, err := awaitReaderGone(os.Stdout, func() { cancel(errReaderGone) })
		if err != nil {
			return err
		}
		defer stop()
		cmd.SetContext(ctx)
		err = run(cmd, args)
		if context.Cause(ctx) == errReaderGone {
			return errReaderGone
		}
		return err
	}
}
