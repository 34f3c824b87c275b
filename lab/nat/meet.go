//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
)

// atOnce is how many pairs meet at a time, patience how long they may take to see whom they
// are to meet, or to meet.
const (
	atOnce   = 12
	patience = 30 * time.Second
)

// pair is two peers that are to meet.
type pair struct {
	a, b *actor
	want want
}

// meetAll lets every two meet, and prints how.
func meetAll(chosen []kind, cast map[string][]*actor, parts string, trip time.Duration) (failed int) {
	var pairs []pair
	for i, k := range chosen {
		for _, other := range chosen[i:] {
			want := wanted(k, other, trip > 0)
			if k.name == other.name && k.twin != "" {
				want = wantedInside(k)
			}
			if parts == "nodes" {
				want = ways(want)
			}
			pairs = append(pairs, pair{cast[k.name][0], cast[other.name][1], want})
		}
	}
	fmt.Printf("%-14s %-9s %9s %9s %9s\n", "pair", "rung", "first", "link", "best")
	var mu sync.Mutex
	var work sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, p := range pairs {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			line, ok := p.meet()
			mu.Lock()
			defer mu.Unlock()
			fmt.Println(line)
			if !ok {
				failed++
			}
		})
	}
	work.Wait()
	if trip != slowTrip {
		return failed
	}
	return failed + hastenAll(pairs, parts == "nodes")
}

func (p pair) name() string { return p.a.kind.name + " " + p.b.kind.name }

// agree waits until both use a link as they should, or no better one is found in time.
func (p pair) agree(within time.Duration) (near, far report) {
	limit := time.After(within)
	for {
		news := []chan struct{}{p.a.next(), p.b.next()}
		near, far = p.a.best(p.b.id), p.b.best(p.a.id)
		if near.Rung == far.Rung && near.Rung != "relayed" && slices.Contains(p.want, near.Rung) {
			return near, far
		}
		select {
		case <-news[0]:
		case <-news[1]:
		case <-limit:
			return near, far
		}
	}
}

// meet lets two peers meet, and says how they have.
func (p pair) meet() (line string, ok bool) {
	fault := func(text string) (string, bool) {
		near, far := p.a.tried(p.b.id), p.b.tried(p.a.id)
		return fmt.Sprintf("%-14s FAULT: %s\n    %s", p.name(), text, strings.Join(append(near, far...), "\n    ")), false
	}
	about := func(what string, other *actor, rungs ...string) func(report) bool {
		return func(r report) bool {
			return r.What == what && r.Peer == other.id && (rungs == nil || slices.Contains(rungs, r.Rung))
		}
	}
	for _, side := range []pair{{p.a, p.b, nil}, {p.b, p.a, nil}} {
		if _, ok := side.a.await(patience, func(r report) bool { return r.What == "mapped" || side.a.kind.mapped == "" }); !ok {
			return fault("no gateway of " + side.a.kind.name + " maps its port")
		}
		if _, ok := side.a.await(patience, about("knows", side.b)); !ok {
			return fault(side.a.kind.name + " is not told of the other")
		}
	}
	if err := json.NewEncoder(p.a.input).Encode(order{Reach: p.b.id}); err != nil {
		return fault(err.Error())
	}
	began, ok := p.a.await(patience, about("reach", p.b))
	if !ok {
		return fault("it does not look")
	}
	var took [3]time.Duration
	first, ok := p.b.await(patience, func(r report) bool {
		return r.Peer == p.a.id && (r.What == "ahead" || r.What == "message")
	})
	if !ok {
		return fault("nothing arrives")
	}
	took[0] = first.Time.Sub(began.Time)
	if first, ok = p.b.await(patience, about("message", p.a)); !ok {
		return fault("nothing arrives over a link")
	}
	took[1] = first.Time.Sub(began.Time)
	within := patience
	if slices.Contains(p.want, "relayed") {
		within = machine.DefaultClimb + 2*time.Second
	}
	near, far := p.agree(within)
	took[2] = max(near.Time.Sub(began.Time), far.Time.Sub(began.Time))
	switch {
	case near.Rung != far.Rung:
		return fault(fmt.Sprintf("one side has %s, the other %s, wanted %s", near.Rung, far.Rung, strings.Join(p.want, " or ")))
	case !slices.Contains(p.want, near.Rung):
		return fault(fmt.Sprintf("%s, wanted %s", near.Rung, strings.Join(p.want, " or ")))
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/1e6) }
	return fmt.Sprintf("%-14s %-9s %9s %9s %9s", p.name(), near.Rung, ms(took[0]), ms(took[1]), ms(took[2])), true
}
