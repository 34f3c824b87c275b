package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
)

func traceCommand(with *common) *cobra.Command {
	var groups []string
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "trace [--group GROUP]... [--for 10s]",
		Short: "write the moves of the node's state machines as JSON, a line each",
		Long: `Trace runs a node, and writes a line of JSON for each move of one of its state
machines: time, machine (peer, election, gossip_client or gossip_server), about
(the peer's id, the group, or the address of the gossip), state, event and next.
The machines are in the book of protocols; once-model serve --trace highlights
in it where they have been.

A node that another process runs writes nothing here: --identity none is for
one apart.`,
		Example: `  once trace --group room --for 1m > trace.json
  once trace --group room | jq -r 'select(.next == "suspect").about'
  once-model serve --trace trace.json`,
		Args: cobra.NoArgs,
		RunE: whileRead(func(cmd *cobra.Command, _ []string) error {
			with.moves = &moves{to: os.Stdout}
			node, err := with.start(cmd.Context(), os.Stderr, groups...)
			if err != nil {
				return err
			}
			defer node.Close()
			if holder := node.Holder(); holder != "" {
				return usage("process %s runs the node, and its machines are not seen from here: give --identity none for a node apart", clean(holder))
			}
			return with.moves.trace(cmd.Context(), node, lasts)
		}),
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "`GROUP` to join; may be repeated")
	cmd.Flags().Var(waiting{&lasts}, "for", "end after this `TIME`")
	return cmd
}
