// Command once lets people and scripts on a local network find each other and
// talk, without a server: see once --help.
//
// It exits with 0 if it did what was asked, 1 if it could not, 2 if it was asked
// wrongly, and 130 if it was interrupted before it was done. To interrupt chat
// and listen is to end them, and to close the pipe that they write to as well:
// they exit with 0. In all cases the node first says goodbye to its peers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run()) }

// run runs the command that the arguments name and returns the exit status.
func run() int {
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is an error like any other
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	root, begun := newRoot()
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil, isClosedPipe(err):
		return 0
	case ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, once.ErrStopped)):
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "once:", clean(err.Error()))
	if !*begun || isUsage(err) {
		fmt.Fprintf(os.Stderr, "once: '%s --help' tells how to use it\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// isUsage tells whether an error is in what was asked for, whatever the network.
func isUsage(err error) bool {
	return slices.ContainsFunc([]error{once.ErrArgument, once.ErrEndpoint, once.ErrServers, once.ErrReserved, once.ErrHeaders, once.ErrGroups, once.ErrIdentity},
		func(usage error) bool { return errors.Is(err, usage) })
}

// newRoot returns the program's commands. Begun becomes true when the command
// line is found to be right and the command begins.
func newRoot() (root *cobra.Command, begun *bool) {
	begun = new(bool)
	with := &common{port: defaultBeaconPort}
	root = &cobra.Command{
		Use:   "once",
		Short: "find each other on a network and talk, without a server",
		Long: `Once is a node in a network without a server. Nodes find each other by beacon
on the local network, form groups, shout to a group and whisper to one peer.
Programs that speak ZRE (Zyre, pyre, gyre) are peers like any other.

Every flag can also be given in the environment, as ONCE_ and its name in
capitals: ONCE_NAME, ONCE_GROUP, ONCE_LOG_LEVEL. Where a flag may be repeated,
commas separate the values.

The exit status is 0 if all went well, 1 if not, 2 if the command was called
wrongly, and 130 if it was interrupted. To end chat and listen with Ctrl-C is 0.`,
		Example: `  once chat --group room --name ana      talk, in one terminal and in another
  once listen --json | jq .              what happens, for a program
  once shout --group room "lunch!"       one message, from a script
  once invite ben | ssh ben once join -  a network of members only`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			with.given = cmd.Flags().Changed
			if err := environment(cmd.Flags()); err != nil {
				return err
			}
			err := errors.Join(cmd.ValidateRequiredFlags(), cmd.ValidateFlagGroups())
			*begun = err == nil
			return err
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	chapter := func(title string, commands ...*cobra.Command) []*cobra.Command {
		root.AddGroup(&cobra.Group{ID: title, Title: title})
		for _, cmd := range commands {
			cmd.GroupID = title
		}
		root.AddCommand(commands...)
		return commands
	}
	for _, cmd := range slices.Concat(
		chapter("Talk:", chatCommand(with), listenCommand(with), shoutCommand(with), whisperCommand(with)),
		chapter("Look around:", peersCommand(with), doctorCommand(with))) {
		with.register(cmd.Flags())
	}
	for _, cmd := range chapter("Who is who:", identityCommand(with), joinCommand(with), trustCommand(with)) {
		with.identityFlag(cmd.PersistentFlags(), "`DIR` of the identity (default: see once identity --help)")
	}
	chapter("Who is a member:", networkCommand(), inviteCommand(), revokeCommand())
	root.AddCommand(interfacesCommand(), versionCommand(), manCommand())
	return root, begun
}

// family completes a command that only has others.
func family(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(members...)
	return cmd
}

// isClosedPipe tells whether whoever reads the program's output has gone.
func isClosedPipe(err error) bool {
	var fault *os.PathError
	return errors.As(err, &fault) && fault.Path == os.Stdout.Name() && errors.Is(err, syscall.EPIPE)
}

// must is for errors that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
