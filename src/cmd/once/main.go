// Command once lets people and scripts on a local network find each other and
// talk, without a server: see once --help.
//
// Its exit status is one of the table in once --help. However it ends, the node first
// says goodbye to its peers.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// The exit statuses; the table in once --help says what they are for.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run()) }

// run runs the command that the arguments name and returns the exit status.
func run() int {
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe is an error like any other
	ctx := until(context.Background(), os.Interrupt, syscall.SIGTERM)

	root, begun := newRoot()
	command, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil, isClosedPipe(err):
		return 0
	case command.Context().Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, once.ErrStopped)):
		return exitInterrupted
	}
	fmt.Fprintln(os.Stderr, "once:", clean(explain(command, err)))
	if !*begun || isUsage(err) {
		fmt.Fprintf(os.Stderr, "once: '%s --help' tells how to use it\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// until returns a context that a signal ends. A second one ends the program at once.
func until(parent context.Context, signals ...os.Signal) context.Context {
	ctx, stop := signal.NotifyContext(parent, signals...)
	context.AfterFunc(ctx, stop)
	return ctx
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
on the local network, and across the internet by a server that need not be
trusted and may be lost; they form groups, shout to a group and whisper to one
peer.
Programs that speak ZRE (Zyre, pyre, gyre) are peers like any other.

Every flag can also be given in the environment, as ONCE_ and its name in
capitals: ONCE_NAME, ONCE_GROUP, ONCE_LOG_LEVEL. Where a flag may be repeated,
commas separate the values.

Exit status:
    0  what was asked for is done; or what goes on until it is ended (chat,
       listen, answer, receive --keep, peers --watch, trace) was ended, by
       Ctrl-C or as asked for; or nobody reads the output any more
    1  it is not done: nobody is there, somebody is not known to have a message
       or a file, all refuse it, a question has no answer, a check of doctor
       fails, the system does not allow it; standard error says which
    2  the command line or an environment variable is wrong: nothing was done
  130  it was interrupted (Ctrl-C, SIGTERM, SIGHUP) before it was done`,
		Example: `  once chat --group room --name ana      talk, in one terminal and in another
  once listen --json | jq .              what happens, for a program
  once shout --group room "lunch!"       one message, from a script
  once invite ben | ssh ben once join -  a network of members only`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Annotations[reloads] == "" {
				cmd.SetContext(until(cmd.Context(), syscall.SIGHUP))
			}
			err := with.begin(cmd)
			if err == nil {
				err = checkFlags(cmd)
			}
			*begun = err == nil
			return err
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(badFlag)
	chapter := func(title string, commands ...*cobra.Command) []*cobra.Command {
		root.AddGroup(&cobra.Group{ID: title, Title: title})
		for _, cmd := range commands {
			cmd.GroupID = title
		}
		root.AddCommand(commands...)
		return commands
	}
	for _, cmd := range slices.Concat(
		chapter("Talk:", chatCommand(with), listenCommand(with), shoutCommand(with), whisperCommand(with),
			askCommand(with), answerCommand(with)),
		chapter("Files:", sendCommand(with), receiveCommand(with)),
		chapter("Look around:", peersCommand(with), pingCommand(with), doctorCommand(with), traceCommand(with))) {
		with.register(cmd.Flags())
	}
	for _, cmd := range chapter("Who is who:", identityCommand(with), joinCommand(with), trustCommand(with)) {
		with.identityFlag(cmd.PersistentFlags(), "a profile's `NAME-or-DIR` (default: see once identity --help)")
	}
	chapter("Who is a member:", networkCommand(with), inviteCommand(with), revokeCommand(with))
	chapter("Across the internet:", serverCommand(with))
	root.AddCommand(interfacesCommand(), versionCommand(), manCommand())
	root.SetHelpCommand(helpCommand())
	sayArguments(root)
	completeAll(root, with)
	return root, begun
}

// helpCommand tells how to use a command; that there is none of a name is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]...",
		Short:   "tell how to use a command",
		Example: "  once help listen",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("there is no command %q", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}
