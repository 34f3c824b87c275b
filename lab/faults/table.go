//go:build linux

package main

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// row is what came of one part.
type row struct {
	what                        string
	messages                    int
	resets, inside, both        int
	frozen, slowed, oneway      int
	early, reordered            int
	again, wasted               int // messages that were sent again; those that had to be
	octets                      int // that were sent again
	kills, back                 int // messages that came back
	lost, doubled, disorder     int
	wrong                       int
	unacknowledged, unread, all int // octets at most; and of memory in use
	peak                        int
	took                        time.Duration
	broken                      []string
}

// needs notes that something is not so.
func (r *row) needs(is bool, format string, args ...any) {
	if !is {
		r.broken = append(r.broken, fmt.Sprintf(format, args...))
	}
}

// add adds what a node has heard of another.
func (r *row) add(a acquaintance) {
	r.messages += a.Taken
	r.lost += a.Lost
	r.doubled += a.Doubled
	r.disorder += a.Disorder
	r.wrong += a.Wrong
}

// whole notes if something was not heard as it was said.
func (r *row) whole() {
	r.needs(r.lost+r.doubled+r.disorder+r.wrong == 0, "messages were lost: %d, doubled: %d, out of order: %d, not as they were said: %d", r.lost, r.doubled, r.disorder, r.wrong)
}

// table is what came of all.
type table struct {
	began  time.Time
	trials []*trial
	mu     sync.Mutex // guards their rows
}

func (t *table) add(of *trial, r row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of.row, of.ended = r, true
	fmt.Printf("%v, %s: %v\n", of.setting, of.what, r.took.Round(time.Second/10))
	for _, one := range r.broken {
		fmt.Println("  BROKEN:", one)
	}
}

// end prints all, and fails if something was broken.
func (t *table) end(err error) error {
	const head = "%-22s %10s %7s %7s %7s %6s %6s %6s %6s %7s %8s %12s %6s %6s %5s %5s %5s %7s %7s %7s %7s\n"
	fmt.Printf("\n"+head, "", "messages", "resets", "inside", "both", "early", "frozen", "slowed", "1-way", "crossed",
		"again", "octets again", "kills", "back", "lost", "twice", "order", "unacked", "unread", "in use", "peak")
	for _, of := range t.trials {
		if !of.ended {
			continue
		}
		r := of.row
		mib := func(octets int) string { return fmt.Sprintf("%.1fM", float64(octets)/(1<<20)) }
		fmt.Printf("%-22s %10d %7d %7d %7d %6d %6d %6d %6d %7d %8d %12d %6d %6d %5d %5d %5d %7s %7s %7s %7s\n", r.what, r.messages, r.resets,
			r.inside, r.both, r.early, r.frozen, r.slowed, r.oneway, r.reordered, r.again, r.octets, r.kills, r.back,
			r.lost, r.doubled, r.disorder+r.wrong, mib(r.unacknowledged), mib(r.unread), mib(r.all), mib(r.peak))
		for _, one := range r.broken {
			err = errors.Join(err, fmt.Errorf("%v, %s: %s", of.setting, of.what, one))
		}
	}
	fmt.Println("in all:", time.Since(t.began).Round(time.Second))
	return err
}
