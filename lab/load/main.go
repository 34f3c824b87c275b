//go:build linux

// Command load holds `once server` to its promises with as many nodes as it may have: light
// ones, which do CURVE and register over real sockets, in processes of their own, from several
// addresses of loopback; and more of them in memory. It prints what it measures, and fails if
// a limit is broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"
)

// plan is how much is tried.
type plan struct {
	stages   []int // how many nodes are there at a time
	watchers int
	memory   int           // nodes in memory
	rest     time.Duration // for which the server is watched while little happens

	whispering time.Duration // for each rate
}

var (
	full  = plan{stages: []int{1000, 10000, 18000}, watchers: 1000, memory: 50000, rest: 20 * time.Second, whispering: 2 * time.Second}
	smoke = plan{stages: []int{600}, watchers: 200, memory: 1000, rest: 3 * time.Second, whispering: time.Second / 4}
)

// The limits.
const (
	maxResident = 12 << 10 // octets for each node, where there are as many as stages has
	maxDelay    = 300 * time.Millisecond
	maxBack     = 90 * time.Second
	maxGrowth   = 1.3
)

func main() {
	short := flag.Bool("smoke", false, "take less than a minute")
	program := flag.String("once", "bin/once", "the `PROGRAM` that is the server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch flag.Arg(0) {
	case "crowd":
		err = crowd(ctx, flag.Arg(1), number(flag.Arg(2)))
	case "memory":
		err = inMemory(ctx, number(flag.Arg(1)), number(flag.Arg(2)))
	default:
		p := full
		if *short {
			p = smoke
		}
		err = run(ctx, p, *program)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err) // it is this program that gives it
	}
	return n
}

// verdict is what was measured, and which limits that has broken.
type verdict struct{ broken []string }

// say tells a figure, and its limit in words, if it has one.
func (v *verdict) say(what string, value any, limit string, kept bool) {
	mark := ""
	if !kept {
		mark = "  BROKEN"
		v.broken = append(v.broken, fmt.Sprintf("%s: %v, want %s", what, value, limit))
	}
	row(what, fmt.Sprint(value), limit+mark)
}

// row prints a row of the table.
func row(what, measured, limit string) {
	fmt.Println(strings.TrimRight(fmt.Sprintf("%-54s %10s  %s", what, measured, limit), " "))
}

func (v *verdict) atLeast(what string, value, least int, holds bool) {
	if !holds {
		v.note(what, value)
		return
	}
	v.say(what, value, fmt.Sprint("at least ", least), value >= least)
}

func (v *verdict) note(what string, value any) { v.say(what, value, "", true) }

// run tries the plan.
func run(ctx context.Context, p plan, program string) error {
	var v verdict
	row("WHAT", "MEASURED", "LIMIT")
	for _, measure := range []func(context.Context, plan, string, *verdict) error{relayed, overSockets} {
		if err := measure(ctx, p, program, &v); err != nil {
			return err
		}
	}
	if err := apart(ctx, "memory", strconv.Itoa(p.memory), strconv.Itoa(p.watchers)); err != nil {
		return err
	}
	if len(v.broken) > 0 {
		return fmt.Errorf("limits are broken: %q", v.broken)
	}
	return nil
}

// overSockets has a server with ever more nodes, and then takes it away from all at once.
func overSockets(ctx context.Context, p plan, program string, v *verdict) error {
	s, err := startServer(ctx, program, "--accept-rate", "0")
	if err != nil {
		return err
	}
	defer s.clean()
	crowds, err := startCrowds(ctx, s.address, p.watchers)
	if err != nil {
		return err
	}
	defer crowds.end()
	empty := s.resident()
	for _, n := range p.stages {
		began := time.Now()
		if err := crowds.grow(ctx, n); err != nil {
			return err
		}
		v.note(fmt.Sprintf("%d nodes: registrations a second", n), int(float64(n-crowds.before)/time.Since(began).Seconds()))
		busy, err := s.busy(ctx, p.rest)
		if err != nil {
			return err
		}
		v.note(fmt.Sprintf("%d nodes: CPU at rest, in %% of one core", n), fmt.Sprintf("%.1f", busy))
		each := (s.resident() - empty) / n
		limit := ""
		if n == full.stages[len(full.stages)-1] { // with fewer the process itself counts more
			limit = fmt.Sprint("at most ", maxResident)
		}
		v.say(fmt.Sprintf("%d nodes: octets resident for each", n), each, limit, limit == "" || each <= maxResident)
		delay, err := crowds.delay(ctx, s.address)
		if err != nil {
			return err
		}
		v.say(fmt.Sprintf("%d nodes: from enter to the last of %d watchers", n, p.watchers), delay.Round(time.Millisecond), "at most "+maxDelay.String(), delay <= maxDelay)
	}
	return comeBack(ctx, s, crowds, v)
}

// comeBack kills the server, and has another in its place, which has one core.
func comeBack(ctx context.Context, s *server, crowds *crowds, v *verdict) error {
	before := s.resident()
	if err := s.kill(); err != nil {
		return err
	}
	if err := crowds.await(ctx, func(all report) bool { return all.Present == 0 }); err != nil {
		return err
	}
	began := time.Now()
	if err := s.again(ctx); err != nil {
		return err
	}
	if err := crowds.await(ctx, func(all report) bool { return all.Present == crowds.nodes }); err != nil {
		return err
	}
	back := time.Since(began)
	v.note("seconds of its core that it needed for that", s.used().Round(time.Second/10).Seconds())
	v.say(fmt.Sprintf("%d nodes back at a server that was killed", crowds.nodes), back.Round(time.Second/10), "at most "+maxBack.String(), back <= maxBack)
	growth := float64(s.peak()) / float64(before)
	v.say("most that was resident meanwhile, to before", fmt.Sprintf("%.2f", growth), fmt.Sprint("at most ", maxGrowth), growth <= maxGrowth)
	exits := crowds.sum().Exits
	v.say("exits said meanwhile", exits, "none", exits == 0)
	return nil
}
