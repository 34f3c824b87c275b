package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

func shoutCommand(with *common) *cobra.Command {
	var group string
	var say saying
	cmd := &cobra.Command{
		Use:   "shout --group GROUP [--wait 5s] [--timeout 30s|--no-wait] [--json] TEXT...|-",
		Short: "send one message to all who are in a group",
		Long: `Shout waits until somebody is in the group, sends the message, and exits when
all who are in it have confirmed that they have it; it prints how many have. If
somebody has not within --timeout, or is gone before, or if all of them refuse
it, it says who has it and who has not, and the exit status is 1. The words of
TEXT are joined by blanks; - sends standard input, octet by octet, as one
message of less than 64 MiB. A TEXT that begins with a dash comes after --.

With --no-wait it exits when the node has the message, and prints for how many:
whether they get it is not known then. Where another process runs the node, that
goes on with it; else the node goes on for a second, and ends.

With --json each peer that the message is for is an object, with peer (the id),
name, result (confirmed, refused, unconfirmed, or queued with --no-wait), and
where it is known, reason.`,
		Example: `  once shout --group room lunch is ready
  once shout --group backup --wait 30s - < report.txt
  once shout --group room --timeout 2s lunch is ready || echo not all have it
  once shout --group room --json hello | jq -r 'select(.result != "confirmed").name'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName(with.typed("group"), group); err != nil {
				return err
			}
			return say.send(cmd.Context(), with, args, func(node *once.Node) recipient { return members(node, group) })
		},
	}
	cmd.Flags().StringVar(&group, "group", "", "`GROUP` to shout to")
	must(cmd.MarkFlagRequired("group"))
	say.flags(cmd, "how long to wait for somebody to be in the group")
	return cmd
}

func whisperCommand(with *common) *cobra.Command {
	var say saying
	cmd := &cobra.Command{
		Use:   "whisper [--wait 5s] [--timeout 30s|--no-wait] [--json] NAME-or-UUID TEXT...|-",
		Short: "send one message to one peer",
		Long: `Whisper waits until the peer is there, sends the message, and exits when the
peer has confirmed that it has it; with status 1 if it has not within --timeout,
is gone before that, or refuses it. A name that several peers have is an error
that lists their ids. TEXT, -, --no-wait and --json are as in shout.`,
		Example: `  once whisper ana are you there?
  once whisper 5c0e9b4e-3c1f-4a4e-8a8f-0d5f6a3f9f0e - < key.bin
  once whisper --no-wait ana the door is open`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkName("peer", args[0]); err != nil {
				return err
			}
			return say.send(cmd.Context(), with, args[1:], func(node *once.Node) recipient { return someone(node, args[0]) })
		},
	}
	say.flags(cmd, "how long to wait for the peer to be there")
	return cmd
}

// defaultTimeout is how long a message may take to be confirmed.
const defaultTimeout = 30 * time.Second

// saying is how a message is sent.
type saying struct {
	wait, timeout time.Duration
	noWait        bool
	asJSON        bool
}

func (s *saying) flags(cmd *cobra.Command, waits string) {
	flags := cmd.Flags()
	waitFlag(flags, &s.wait, defaultWait, waits)
	timeFlag(flags, &s.timeout, "timeout", defaultTimeout, "how long to wait for all to confirm that they have it")
	flags.BoolVar(&s.noWait, "no-wait", false, "do not wait for that")
	cmd.MarkFlagsMutuallyExclusive("timeout", "no-wait")
	jsonFlag(flags, &s.asJSON)
}

// send sends one message from the command line or standard input.
func (s *saying) send(ctx context.Context, with *common, args []string, to func(*once.Node) recipient) error {
	message, err := read(ctx, args)
	if err != nil {
		return err
	}
	with.brief = true
	node, err := with.start(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer node.Close()
	if err := to(node).await(ctx, s.wait, warnOf); err != nil {
		return because(ctx, node, err)
	}
	sent := sent{peers: to(node).peers(), timeout: s.timeout}
	if err := to(node).send(ctx, message); err != nil {
		return because(ctx, node, err)
	}
	if s.noWait {
		return sent.reportQueued(os.Stdout, s.asJSON)
	}
	err = flush(ctx, node, s.timeout)
	sent.refusals, sent.err = refusals(node), because(ctx, node, err)
	return sent.report(os.Stdout, os.Stderr, s.asJSON)
}

// flush waits until all who were told something have it, for at most a while, and says so if
// that takes long.
func flush(ctx context.Context, node *once.Node, timeout time.Duration) error {
	defer time.AfterFunc(longWait, func() {
		fmt.Fprintln(os.Stderr, "once: sent, and not yet confirmed by all; to give up, press Ctrl-C")
	}).Stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return node.Flush(ctx)
}

// longWait is how long somebody at a terminal waits for confirmations without a word.
const longWait = 3 * time.Second

// refusals closes a node that has sent a message, and returns who has refused it until then,
// and why.
func refusals(node *once.Node) map[uuid.UUID]string {
	_ = node.Close() // what a peer says while it reads the message comes before the end
	told := map[uuid.UUID]string{}
	for event := range node.Events(context.Background()) { // which ends, as the node has
		if e, ok := event.(*once.Refusal); ok {
			told[e.Peer.UUID()] = e.Text
		}
	}
	return told
}

// warnOf tells who refuses whom and who cannot be reached, and of no other event.
func warnOf(event once.Event) error {
	switch e := event.(type) {
	case *once.Refusal:
		fmt.Fprintln(os.Stderr, "once:", refused(e.Peer, e.Text)+toldAgo(e))
	case *once.Unreachable:
		fmt.Fprintln(os.Stderr, "once:", refused(e.Peer, e.Text)+toldAgo(e))
	}
	return nil
}
