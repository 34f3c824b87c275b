//go:build linux

// Command faults holds channels to their contract: nodes in processes of their own talk over
// TCP on loopback, through a proxy that resets, freezes, slows, cuts one way and reorders their
// connections, and some are killed. It prints what came of it, and fails if a message was lost,
// doubled or out of order, if what comes back is not exactly what was not acknowledged, or if
// the faults were not those that the contract is about. Nothing is judged by how long it takes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// plan is how much is tried, in each mode.
type plan struct {
	messages int // that each node says to each other one
	resets   int // at least; nine of ten while both sides have something unacknowledged
	kills    []killing
}

var (
	full  = plan{messages: 1_000_000, resets: 1000, kills: []killing{quiet, unheard, wild, silent, quiet, unheard, wild}}
	smoke = plan{messages: 10_000, resets: 25, kills: []killing{quiet, unheard, wild}}
)

// patience is how long something that has to come is waited for; it is far more than it takes.
const patience = time.Minute

func main() {
	short := flag.Bool("smoke", false, "take less than a minute")
	seed := flag.Uint64("seed", 1, "what chance begins with")
	only := flag.String("only", "", "try one `MODE` only: plain, auto or secure")
	nodes := flag.Int("nodes", 0, "try with so many nodes only: 2 or 3")
	verbose := flag.Bool("v", false, "tell of each fault")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if flag.Arg(0) == "peer" {
		err = serve(ctx, os.Stdin, os.Stdout)
	} else {
		p := full
		if *short {
			p = smoke
		}
		err = run(ctx, p, setting{nodes: *nodes, seed: *seed, verbose: *verbose}, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// run tries the plan.
func run(ctx context.Context, p plan, s setting, only string) error {
	t := table{began: time.Now()}
	which := s.nodes
	for _, nodes := range []int{2, 3} {
		for _, mode := range []once.Security{once.SecurityPlain, once.SecurityAuto, once.SecuritySecure} {
			if only != "" && only != mode.String() || which != 0 && which != nodes {
				continue
			}
			s.nodes, s.mode = nodes, mode
			row, err := resets(ctx, s, p)
			if t.add(row); err != nil {
				return t.end(fmt.Errorf("%v, resets: %w", s, err))
			}
			row, err = kills(ctx, s, p)
			if t.add(row); err != nil {
				return t.end(fmt.Errorf("%v, kills: %w", s, err))
			}
		}
	}
	return t.end(nil)
}
