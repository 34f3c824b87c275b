package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// errIndirect is why ping fails that has not found a direct way.
var errIndirect = errors.New("no direct way was found: what is said goes through a server, which cannot read it (once doctor says what is in the way)")

func pingCommand(with *common) *cobra.Command {
	var wait, timeout time.Duration
	var count int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ping NAME-or-ID [--count 10] [--timeout 5s] [--wait 5s] [--json]",
		Short: "tell how a peer is reached, and how long it takes to answer",
		Long: `Ping asks a peer, once a second, to confirm what was said to it, and tells how
long that takes and which way it goes: lan; direct, across the internet; or
relayed by a server, as long as there is no better way. It ends when the way is
lan or direct, or after --count answers; the exit status is 1 if it is relayed
still, or the peer does not answer.`,
		Example: `  once ping ana
  once ping ana --count 3 --json`,
		Args: cobra.ExactArgs(1),
		RunE: whileRead(func(cmd *cobra.Command, args []string) error {
			with.brief = true
			node, err := with.start(cmd.Context(), os.Stderr)
			if err != nil {
				return err
			}
			defer node.Close()
			id, err := seek(cmd.Context(), node, args[0], wait)
			if err != nil {
				return err
			}
			return ping(cmd.Context(), node, id, count, timeout, asJSON)
		}),
	}
	waitFlag(cmd.Flags(), &wait, 5*time.Second, "how long to look for the peer")
	cmd.Flags().IntVar(&count, "count", 10, "end after this `NUMBER` of answers")
	plainly(cmd.Flags(), "count", "give a number from 1 on")
	cmd.Flags().Var(waiting{&timeout}, "timeout", "the longest `TIME` to wait for an answer")
	timeout = 5 * time.Second
	jsonFlag(cmd.Flags(), &asJSON)
	return cmd
}

// seek waits until there is one who goes by a name or an id: who is here, or who is known to
// servers.
func seek(ctx context.Context, node *once.Node, who string, wait time.Duration) (uuid.UUID, error) {
	until := time.Now().Add(wait)
	for {
		all := knownPeers(node.Peers())
		for id, name := range node.Known() {
			all = append(all, known{name: name, id: id})
		}
		switch found := resolve(who, all); {
		case len(found) == 1:
			return found[0].id, nil
		case len(found) > 1:
			return uuid.Nil, ambiguous(who, found)
		case isItself(node, who):
			return uuid.Nil, fmt.Errorf("%q is this node itself", who)
		case time.Now().After(until):
			return uuid.Nil, fmt.Errorf("%q is not here: %s", who, advice(node))
		}
		if err := await(ctx, node, glance, func() bool { return false }, warnOf); !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return uuid.Nil, because(ctx, node, err)
		}
	}
}

// pong is an answer as JSON.
type pong struct {
	Peer      string  `json:"peer"`
	Name      string  `json:"name"`
	Way       string  `json:"way"`
	RoundTrip float64 `json:"round_trip"` // in milliseconds
}

// ping asks a peer until the way to it is a direct one.
func ping(ctx context.Context, node *once.Node, id uuid.UUID, count int, timeout time.Duration, asJSON bool) error {
	for n := 0; ; {
		attempt, cancel := context.WithTimeout(ctx, timeout)
		took, err := node.Ping(attempt, id)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v", timeout)
		}
		if err != nil {
			return err
		}
		p, err := node.Peer(id)
		if err != nil {
			return err
		}
		if asJSON {
			err = writeJSON(os.Stdout, pong{id.String(), p.Name(), p.Way().String(), float64(took.Microseconds()) / 1000})
		} else {
			_, err = fmt.Printf("%s answers by way of %s in %v\n", clean(cmp.Or(p.Name(), id.String())), p.Way(), took.Round(10*time.Microsecond))
		}
		if n++; err != nil || p.Way() != once.WayRelayed {
			return err
		}
		if n >= count {
			return errIndirect
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
