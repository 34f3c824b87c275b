package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A trial is one conversation between two processes.
type trial struct {
	Size      int  // octets of content
	Receivers int  // nodes in the receiving process, at least 1
	Echo      bool // every message is answered, and then the next one sent
}

// A result is what one trial gave. Each process fills in what it knows.
type result struct {
	Rate     float64 // messages a second at the receivers, from the first message to the last
	P50, P99 float64 // microseconds for a message and its answer
	Allocs   float64 // for each message, in the process that allocated more
}

// A figure is a number from the results of a trial, and a target for the ratio
// of ours to the reference's.
type figure struct {
	name     string
	trial    trial
	value    func(result) float64
	target   float64
	lower    bool // less is better
	absolute bool // the target is for ours, not for the ratio
	told     bool // as a comment, without a target
}

var (
	whisper64 = trial{Size: 64, Receivers: 1}
	roundtrip = trial{Size: 64, Receivers: 1, Echo: true}

	figures = []figure{
		{name: "whisper-64", trial: whisper64, value: rate, target: 8},
		{name: "whisper-1k", trial: trial{Size: 1 << 10, Receivers: 1}, value: rate, target: 4},
		{name: "whisper-64k", trial: trial{Size: 64 << 10, Receivers: 1}, value: rate, target: 1.5},
		{name: "shout-8x64", trial: trial{Size: 64, Receivers: 8}, value: rate, target: 6},
		{name: "roundtrip-64-p50", trial: roundtrip, value: p50, target: 0.8, lower: true},
		{name: "roundtrip-64-p99", trial: roundtrip, value: p99, lower: true, told: true},
		{name: "allocs-64", trial: whisper64, value: allocs, target: 0, lower: true, absolute: true},
	}
)

func rate(r result) float64   { return r.Rate }
func p50(r result) float64    { return r.P50 }
func p99(r result) float64    { return r.P99 }
func allocs(r result) float64 { return r.Allocs }

// results are those of one trial, in the order of the runs.
type results struct{ ours, reference []result }

// takeAll runs each trial of the figures, each stack going first in every other
// run, so that what slows the machine for a while slows both.
func takeAll(ctx context.Context, ours string, runs int, duration time.Duration) (map[trial]*results, error) {
	taken := make(map[trial]*results)
	for _, f := range figures {
		taken[f.trial] = &results{}
	}
	for i := range runs {
		done := make(map[trial]bool)
		for _, f := range figures {
			if done[f.trial] {
				continue
			}
			done[f.trial] = true
			if err := taken[f.trial].add(ctx, ours, f.trial, duration, i%2 == 0); err != nil {
				return nil, fmt.Errorf("%s, run %d: %w", f.name, i+1, err)
			}
		}
	}
	return taken, nil
}

// add runs t with both stacks. The reference, which has no groups, shouts to one.
func (r *results) add(ctx context.Context, ours string, t trial, duration time.Duration, oursFirst bool) error {
	for _, mine := range []bool{oursFirst, !oursFirst} {
		stack, list := ours, &r.ours
		if !mine {
			stack, list = reference, &r.reference
		}
		t := t
		if stack == reference {
			t.Receivers = 1
		}
		taken, err := measure(ctx, stack, t, duration)
		if err != nil {
			return fmt.Errorf("%s: %w", stack, err)
		}
		*list = append(*list, taken)
	}
	return nil
}

// report returns the figure's line, and whether the target is met.
func (f figure) report(taken map[trial]*results) (line string, met bool) {
	ours, reference := f.median(taken[f.trial].ours), f.median(taken[f.trial].reference)
	ratio := 0.0
	if reference > 0 {
		ratio = ours / reference
	}
	line = fmt.Sprintf("figure %s ours=%s reference=%s ratio=%.2f target=%g", f.name, number(ours), number(reference), ratio, f.target)
	judged := ratio
	if f.absolute {
		judged = ours
	}
	switch {
	case f.told:
		return fmt.Sprintf("# %s ours=%s reference=%s ratio=%.2f", f.name, number(ours), number(reference), ratio), true
	case f.lower:
		return line, judged < f.target+0.005 // as printed
	default:
		return line, judged >= f.target
	}
}

func (f figure) median(of []result) float64 {
	values := make([]float64, len(of))
	for i, r := range of {
		values[i] = f.value(r)
	}
	return quantile(values, 0.5)
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
