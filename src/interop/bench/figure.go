package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// A trial is one conversation between two processes.
type trial struct {
	Stack     string // empty is ours
	Security  once.Security
	Size      int  // octets of content
	Receivers int  // nodes in the receiving process, at least 1
	Echo      bool // every message is answered, and then the next one sent
}

func whispers(s once.Security, size int) trial {
	return trial{Security: s, Size: size, Receivers: 1}
}

func shouts(s once.Security) trial     { return trial{Security: s, Size: 64, Receivers: 8} }
func roundtrips(s once.Security) trial { return trial{Security: s, Size: 64, Receivers: 1, Echo: true} }

// by returns the trial of another stack.
func (t trial) by(stack string) trial {
	t.Stack = stack
	return t
}

// A result is what one trial gave. Each process fills in what it knows.
type result struct {
	Rate     float64 // messages a second at the receivers, from the first message to the last
	P50, P99 float64 // microseconds for a message and its answer
	Allocs   float64 // for each message, in the process that allocated more
}

// A figure is a number from the results of a trial, and a target for its ratio to
// the number from another, the reference.
type figure struct {
	name            string
	ours, reference trial
	value           func(result) float64
	target          float64
	lower           bool // less is better
	absolute        bool // the target is for ours, not for the ratio
	told            bool // as a comment, without a target
}

const (
	plain  = once.SecurityPlain
	sealed = once.SecurityAuto
	curve  = once.SecuritySecure
)

var figures = []figure{
	{name: "whisper-64", ours: whispers(plain, 64), reference: whispers(plain, 64).by(reference), value: rate, target: 8},
	{name: "whisper-1k", ours: whispers(plain, 1<<10), reference: whispers(plain, 1<<10).by(reference), value: rate, target: 4},
	{name: "whisper-64k", ours: whispers(plain, 64<<10), reference: whispers(plain, 64<<10).by(reference), value: rate, target: 1.5},
	{name: "shout-8x64", ours: shouts(plain), reference: whispers(plain, 64).by(reference), value: rate, target: 6},
	{name: "roundtrip-64-p50", ours: roundtrips(plain), reference: roundtrips(plain).by(reference), value: p50, target: 0.8, lower: true},
	{name: "roundtrip-64-p99", ours: roundtrips(plain), reference: roundtrips(plain).by(reference), value: p99, lower: true, told: true},
	{name: "allocs-64", ours: whispers(plain, 64), reference: whispers(plain, 64).by(reference), value: allocs, lower: true, absolute: true},

	{name: "curve-whisper-64", ours: whispers(curve, 64), reference: whispers(curve, 64).by(reference), value: rate, target: 3},
	{name: "curve-whisper-1k", ours: whispers(curve, 1<<10), reference: whispers(curve, 1<<10).by(reference), value: rate, target: 2},
	{name: "curve-whisper-64k", ours: whispers(curve, 64<<10), reference: whispers(curve, 64<<10).by(reference), value: rate, target: 1},
	{name: "curve-roundtrip-64-p50", ours: roundtrips(curve), reference: roundtrips(plain).by(reference), value: p50, target: 1, lower: true},
	{name: "curve-allocs-64", ours: whispers(curve, 64), reference: whispers(curve, 64).by(reference), value: allocs, lower: true, absolute: true},

	{name: "sealed-whisper-64", ours: whispers(sealed, 64), reference: whispers(curve, 64), value: rate, target: 0.5},
	{name: "sealed-whisper-1k", ours: whispers(sealed, 1<<10), reference: whispers(curve, 1<<10), value: rate, target: 0.5},
	{name: "sealed-whisper-64k", ours: whispers(sealed, 64<<10), reference: whispers(curve, 64<<10), value: rate, target: 0.5},
	{name: "sealed-shout-8x64", ours: shouts(sealed), reference: whispers(curve, 64).by(reference), value: rate, target: 1},
	{name: "sealed-allocs-64", ours: whispers(sealed, 64), reference: whispers(curve, 64), value: allocs, lower: true, absolute: true},

	{name: "nats-whisper-64", ours: whispers(plain, 64), reference: whispers(plain, 64).by("nats"), value: rate, told: true},
	{name: "nats-whisper-1k", ours: whispers(plain, 1<<10), reference: whispers(plain, 1<<10).by("nats"), value: rate, told: true},
	{name: "nats-whisper-64k", ours: whispers(plain, 64<<10), reference: whispers(plain, 64<<10).by("nats"), value: rate, told: true},
	{name: "nats-roundtrip-64-p50", ours: roundtrips(plain), reference: roundtrips(plain).by("nats"), value: p50, lower: true, told: true},
	{name: "tcp-whisper-64", ours: whispers(plain, 64), reference: whispers(plain, 64).by("tcp"), value: rate, told: true},
	{name: "tcp-whisper-1k", ours: whispers(plain, 1<<10), reference: whispers(plain, 1<<10).by("tcp"), value: rate, told: true},
	{name: "tcp-whisper-64k", ours: whispers(plain, 64<<10), reference: whispers(plain, 64<<10).by("tcp"), value: rate, told: true},
	{name: "tcp-roundtrip-64-p50", ours: roundtrips(plain), reference: roundtrips(plain).by("tcp"), value: p50, lower: true, told: true},
}

func rate(r result) float64   { return r.Rate }
func p50(r result) float64    { return r.P50 }
func p99(r result) float64    { return r.P99 }
func allocs(r result) float64 { return r.Allocs }

// takeAll runs each trial of the figures, the reference going first in every other
// run, so that what slows the machine for a while slows both. It returns the results
// of each in the order of the runs.
func takeAll(ctx context.Context, figures []figure, ours string, runs int, duration time.Duration) (map[trial][]result, error) {
	taken := make(map[trial][]result)
	for i := range runs {
		for _, f := range figures {
			pair := []trial{f.ours, f.reference}
			if i%2 == 1 {
				slices.Reverse(pair)
			}
			for _, t := range pair {
				if len(taken[t]) > i {
					continue
				}
				r, err := measure(ctx, t.by(cmp.Or(t.Stack, ours)), duration)
				if err != nil {
					return nil, fmt.Errorf("%s, run %d, %s: %w", f.name, i+1, cmp.Or(t.Stack, ours), err)
				}
				taken[t] = append(taken[t], r)
			}
		}
	}
	return taken, nil
}

// report returns the figure's line, and whether the target is met.
func (f figure) report(taken map[trial][]result) (line string, met bool) {
	ours, lowest, highest := f.sum(taken[f.ours])
	reference, low, high := f.sum(taken[f.reference])
	ratio := 0.0
	if reference > 0 {
		ratio = ours / reference
	}
	spread := fmt.Sprintf("spread=%s..%s/%s..%s", number(lowest), number(highest), number(low), number(high))
	line = fmt.Sprintf("figure %s ours=%s reference=%s ratio=%.2f target=%g %s", f.name, number(ours), number(reference), ratio, f.target, spread)
	judged := ratio
	if f.absolute {
		judged = ours
	}
	switch {
	case f.told:
		return fmt.Sprintf("# %s ours=%s reference=%s ratio=%.2f %s", f.name, number(ours), number(reference), ratio, spread), true
	case f.lower:
		return line, judged < f.target+0.005 // as printed
	default:
		return line, judged >= f.target
	}
}

// sum returns the figure's median, lowest and highest value.
func (f figure) sum(of []result) (median, lowest, highest float64) {
	values := make([]float64, len(of))
	for i, r := range of {
		values[i] = f.value(r)
	}
	return quantile(values, 0.5), quantile(values, 0), quantile(values, 1)
}

// quantile sorts values and returns the one below which the share q of them is.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[min(int(q*float64(len(values))), len(values)-1)]
}

// number prints large values without and small ones with two decimals.
func number(v float64) string {
	if v >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
