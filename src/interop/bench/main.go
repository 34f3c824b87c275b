// Command bench measures @Once beside goczmq, which sends the same two ZeroMQ
// frames over the same loopback TCP in the simplest way it offers. Each figure is
// taken between two processes, of both stacks in turn, and printed as the median
// of all runs:
//
//	figure NAME ours=N reference=N ratio=N target=N spread=N..N/N..N
//
// where the spread is from the lowest to the highest of the runs, of ours and of the
// reference.
// Beside it there are, as comments, NATS core, whose messages go through its server, and the
// floor: messages gathered into writes of 64 KiB on a plain connection.
//
// A stack measured against itself (-ours goczmq) shows the noise of the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/zeromq/goczmq"
)

const reference = "goczmq"

// errMissed is returned with -check if a figure is worse than its target.
var errMissed = errors.New("a target was missed")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	runs := flags.Int("runs", 5, "how often to take each figure")
	duration := flags.Duration("duration", 2*time.Second, "how long to send for one figure, once")
	smoke := flags.Bool("smoke", false, "only prove that all works: one run of 100 ms")
	only := flags.String("figures", "", "take only the figures whose names match this regular expression")
	check := flags.Bool("check", false, "fail if a target is missed")
	ours := flags.String("ours", "once", "the stack to measure beside "+reference)
	child := flags.String("child", "", "be one of the two processes; for bench itself")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *child != "" {
		return runChild(ctx, *child, os.Stdin, out)
	}
	if *smoke {
		*runs, *duration = 1, 100*time.Millisecond
	}
	if *runs < 1 || *duration <= 0 || flags.NArg() > 0 {
		return errors.New("bench takes a positive number of runs, a positive duration, and no arguments")
	}
	for _, name := range []string{*ours, reference} {
		if _, err := stackNamed(name); err != nil {
			return err
		}
	}
	chosen, err := named(*only)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "# %s and %s, %d runs of %v, medians; %s, libzmq %d.%d, %s/%s, %d CPUs\n",
		*ours, reference, *runs, *duration, runtime.Version(), goczmq.ZMQVersionMajor, goczmq.ZMQVersionMinor, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Fprintln(out, "# whisper: messages/s; shout: deliveries/s to 8 receivers, reference to one; higher is better, ratio >= target")
	fmt.Fprintln(out, "# curve-: both over CURVE, but for the roundtrip of the reference; sealed-whisper: beside ours over CURVE")
	fmt.Fprintln(out, "# nats-: beside NATS core, through its server; tcp-: beside a plain connection with writes of 64 KiB")
	fmt.Fprintln(out, "# roundtrip: microseconds; allocs: for each message, the worse end; lower is better, ratio (allocs: ours) <= target")
	taken, err := takeAll(ctx, chosen, *ours, *runs, *duration)
	if err != nil {
		return err
	}
	missed := false
	for _, f := range chosen {
		line, met := f.report(taken)
		fmt.Fprintln(out, line)
		missed = missed || !met
	}
	if *check && missed {
		return errMissed
	}
	return nil
}

// named returns the figures whose names match a regular expression.
func named(expression string) ([]figure, error) {
	match, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("-figures: %w", err)
	}
	chosen := slices.DeleteFunc(slices.Clone(figures), func(f figure) bool { return !match.MatchString(f.name) })
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-figures: none matches %q", expression)
	}
	return chosen, nil
}
