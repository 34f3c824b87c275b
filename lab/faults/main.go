//go:build linux

// Command faults holds channels to their contract: nodes in processes of their own talk over
// TCP on loopback, through a proxy that resets, freezes, slows, cuts one way and reorders their
// connections, and some are killed; over a relay while rendezvous servers are killed and
// swapped, forward one way only, and NATs before them forget; and with clocks that are an hour
// off. It prints what came of it, and fails if a message was lost, doubled or out of order, if
// what comes back is not exactly what was not acknowledged, or if the faults were not those that
// the contract is about. Nothing is judged by how long it takes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// plan is how much is tried, in each mode.
type plan struct {
	messages int // that each node says to each other one
	resets   int // at least; nine of ten while both sides have something unacknowledged
	kills    []killing
	brief    bool // what befalls servers and takes long is left out
}

var (
	full  = plan{messages: 1_000_000, resets: 1000, kills: []killing{quiet, unheard, wild, silent, quiet, unheard, wild}}
	smoke = plan{messages: 10_000, resets: 25, kills: []killing{quiet, unheard, wild}, brief: true}
)

// patience is how long something that has to come is waited for; it is far more than it takes.
const patience = time.Minute

func main() {
	short := flag.Bool("smoke", false, "take about a minute")
	seed := flag.Uint64("seed", 1, "what chance begins with")
	part := flag.String("part", "", "try one `PART` only: resets, kills, servers, clocks or crowd")
	only := flag.String("only", "", "try one `MODE` only: plain, auto or secure")
	nodes := flag.Int("nodes", 0, "try with so many nodes only: 2 or 3")
	verbose := flag.Bool("v", false, "tell of each fault")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	switch flag.Arg(0) {
	case "peer":
		err = serve(ctx, os.Stdin, os.Stdout)
	case "server":
		err = runServer(ctx, flag.Arg(1), flag.Arg(2), flag.Arg(3), flag.Arg(4))
	default:
		p := full
		if *short {
			p = smoke
		}
		err = run(ctx, p, setting{nodes: *nodes, seed: *seed, verbose: *verbose}, *only, *part)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// beyond tells whether something over servers is tried in a mode. Who is plain meets nobody
// there, and a crowd is always secure.
func (p plan) beyond(nodes int, mode once.Security, what string) bool {
	switch {
	case what == "crowd":
		return nodes == 2 && mode == once.SecuritySecure
	case p.brief:
		return nodes == 2 && mode == once.SecurityAuto
	}
	return nodes == 2 && mode != once.SecurityPlain
}

// parts are what is tried.
var parts = []struct {
	what string
	over bool // servers
	try  func(context.Context, setting, plan, *row) error
}{{"resets", false, resets}, {"kills", false, kills}, {"servers", true, overServers}, {"clocks", true, clocks}, {"crowd", true, crowd}}

// trial is a part in a setting, and what came of it.
type trial struct {
	setting
	what  string
	try   func(context.Context, setting, plan, *row) error
	row   row
	ended bool
}

// trials returns what is tried of the plan.
func trials(p plan, s setting, only, alone string) (list []*trial) {
	which := s.nodes
	for _, nodes := range []int{2, 3} {
		for _, mode := range []once.Security{once.SecurityPlain, once.SecurityAuto, once.SecuritySecure} {
			if only != "" && only != mode.String() || which != 0 && which != nodes {
				continue
			}
			s.nodes, s.mode = nodes, mode
			for _, part := range parts {
				if alone != "" && alone != part.what || part.over && !p.beyond(nodes, mode, part.what) {
					continue
				}
				list = append(list, &trial{setting: s, what: part.what, try: part.try})
			}
		}
	}
	return list
}

// abreast is how many are tried at a time: each waits most of its time.
const abreast = 2

// run tries the plan, until something cannot be tried.
func run(ctx context.Context, p plan, s setting, only, alone string) error {
	t := table{began: time.Now(), trials: trials(p, s, only, alone)}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *trial, len(t.trials))
	for _, one := range t.trials {
		next <- one
	}
	close(next)
	var work sync.WaitGroup
	for range abreast {
		work.Go(func() {
			for one := range next {
				if ctx.Err() != nil {
					return
				}
				var r row
				err := one.try(ctx, one.setting, p, &r)
				if t.add(one, r); err != nil {
					cancel(fmt.Errorf("%v, %s: %w", one.setting, one.what, err))
				}
			}
		})
	}
	work.Wait()
	return t.end(context.Cause(ctx))
}
