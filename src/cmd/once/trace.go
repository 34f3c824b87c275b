package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
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

// moves writes the moves of machines, which are lines of the log.
type moves struct {
	mu  sync.Mutex
	to  io.Writer
	err error
}

// moveMessage is what the log calls a move of a machine.
const moveMessage = "machine moves"

// trace waits until the time is over or nobody reads any more. The node's events are not of
// interest, but have to be read.
func (m *moves) trace(ctx context.Context, node *once.Node, lasts time.Duration) error {
	if lasts > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, lasts)
		defer stop()
	}
	for range node.Events(ctx) {
		if err := m.failed(); err != nil {
			return err
		}
	}
	return m.failed()
}

func (m *moves) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// handler hands moves to m, and the rest of the log to another handler.
type moveHandler struct {
	slog.Handler
	*moves
}

func (h moveHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h moveHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == moveMessage {
		h.write(r)
		return nil
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (m *moves) write(r slog.Record) {
	values := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		values[a.Key] = a.Value.String()
		return true
	})
	line, err := json.Marshal(struct {
		Time    time.Time `json:"time"`
		Machine string    `json:"machine"`
		About   string    `json:"about"`
		State   string    `json:"state"`
		Event   string    `json:"event"`
		Next    string    `json:"next"`
	}{r.Time, values["machine"], values["about"], values["state"], values["event"], values["next"]})
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		_, err = m.to.Write(append(line, '\n'))
	}
	if m.err == nil {
		m.err = err
	}
}
