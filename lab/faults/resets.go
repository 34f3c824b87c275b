//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// fault is what is done to connections.
type fault uint8

const (
	cut     fault = iota // all connections are reset while both sides have something unacknowledged
	abrupt               // one is reset as it is
	early                // those that come next are reset while they begin
	frozen               // nothing passes for a while
	slowed               // little passes
	oneWay               // nothing passes in one direction for a while
	crossed              // connections come in another order than they were made
)

// while is how long a connection is frozen, slow or one way at most.
const while = 300 * time.Millisecond

// wheel is from which faults are drawn.
var wheel = func() (list []fault) {
	for what, parts := range []int{cut: 80, abrupt: 3, early: 3, frozen: 4, slowed: 3, oneWay: 4, crossed: 3} {
		for range parts {
			list = append(list, fault(what))
		}
	}
	return list
}()

// ordeal is what nodes go through whose connections fail.
type ordeal struct {
	*play
	row    *row
	chance *rand.Rand
	cuts   int // how often all was cut
}

// resets has all nodes talk to each other while the proxy does its worst.
func resets(ctx context.Context, s setting, plan plan, r *row) error {
	r.what = s.String()
	return perform(ctx, s, r, func(p *play) error {
		if err := p.begin(false); err != nil {
			return err
		}
		if err := p.goOn(100); err != nil { // so that all keys were exchanged
			return err
		}
		empty, err := p.each(order{Do: "collect"})
		if err != nil {
			return err
		}
		p.proxy.clear()
		o := &ordeal{play: p, row: r, chance: rand.New(rand.NewPCG(s.seed, uint64(s.nodes)<<8+uint64(s.mode)))}
		first := p.said
		if err := o.goThrough(plan, (script{p.nodes, 0}).upTo(plan.messages)); err != nil {
			return err
		}
		if err := fill(p, r, empty); err != nil {
			return err
		}
		return o.judge(first)
	})
}

// goThrough has faults happen until there were enough resets, while all say what there is up to
// a step, and more as long as it takes.
func (o *ordeal) goThrough(plan plan, last int) error {
	r := o.row
	pairs := o.nodes * (o.nodes - 1) / 2
	share := max(few/10, (last-o.said)*pairs*6/10/plan.resets) // some rounds reset less
	for r.resets = 0; r.resets < plan.resets || r.both < plan.resets*9/10; r.resets = o.proxy.sum().resets {
		if time.Since(o.began) > 10*patience {
			return fmt.Errorf("%d resets take too long", r.resets)
		}
		what := wheel[o.chance.IntN(len(wheel))]
		if err := o.suffer(what, max(o.said+few/10, min(last, o.said+share))); err != nil { // there always is something to say
			return err
		}
		if err := o.goesOn(); err != nil {
			return err
		}
	}
	if err := o.say(max(last, o.said)); err != nil {
		return err
	}
	return o.settle()
}

// suffer has a fault happen, while all are let say a little more.
func (o *ordeal) suffer(what fault, step int) error {
	r := o.row
	o.tell("%d resets, %d both, step %d: fault %d", r.resets, r.both, o.said, what)
	wait := time.Duration(o.chance.IntN(int(while)))
	switch what {
	case cut:
		return o.cut(step)
	case abrupt:
		if err := o.say(step); err != nil {
			return err
		}
		if live := o.proxy.live(); len(live) > 0 {
			live[o.chance.IntN(len(live))].resets()
		}
		return nil
	case early: // in the handshake, or while what was not acknowledged is said again
		o.proxy.mu.Lock()
		for range 1 + o.chance.IntN(3) {
			o.proxy.limits = append(o.proxy.limits, 1+o.chance.IntN(4<<10))
		}
		o.proxy.mu.Unlock()
		return o.cut(step)
	case crossed:
		o.proxy.mu.Lock()
		o.proxy.delay = true
		o.proxy.mu.Unlock()
		return o.cut(step)
	case frozen:
		r.frozen++
		o.proxy.hold(all)
		defer o.proxy.hold(none)
	case slowed:
		r.slowed++
		for _, c := range o.proxy.live() {
			for _, pipe := range c.pipes {
				pipe.slowly(true)
				defer pipe.slowly(false)
			}
		}
	case oneWay:
		r.oneway++
		whom := o.chance.IntN(o.nodes)
		o.proxy.hold(func(_, to int) bool { return to == whom })
		defer o.proxy.hold(none)
	}
	if err := o.say(step); err != nil {
		return err
	}
	return rest(o.ctx, wait)
}

// cut resets connections while both sides of each have said something that the other has
// not got, many inside a message.
func (o *ordeal) cut(step int) error {
	o.proxy.hold(all)
	defer o.proxy.hold(none)
	if err := o.say(step); err != nil {
		return err
	}
	wants := o.nodes * (o.nodes - 1) / 2
	ready := o.proxy.ready(wants)
	o.cuts++
	inside := o.cuts%3 > 0
	for _, c := range ready {
		was := false
		for _, pipe := range c.pipes {
			was = pipe.upTo(inside, o.chance.IntN) && inside || was
		}
		both := c.pipes[0].waits() && c.pipes[1].waits()
		c.resets()
		if both {
			o.row.both++
		}
		if both && was {
			o.row.inside++
		}
	}
	return nil
}

// goesOn waits until content passes between all nodes, or nobody has anything to say.
func (o *ordeal) goesOn() error {
	return o.await("content to pass again", func(all []report) bool {
		passes := map[[2]int]bool{}
		for _, c := range o.proxy.live() {
			for _, pipe := range c.pipes {
				passes[[2]int{pipe.from, pipe.to}] = passes[[2]int{pipe.from, pipe.to}] || pipe.progress() > 0
			}
		}
		return len(passes) > 0 && everything(passes) && len(passes) == o.nodes*(o.nodes-1) || o.heard(all, -1)
	})
}

func everything(are map[[2]int]bool) bool {
	for _, is := range are {
		if !is {
			return false
		}
	}
	return true
}

// judge compares what was heard with what was said.
func (o *ordeal) judge(first int) error {
	r := o.row
	list, err := o.each(order{Do: "state"})
	if err != nil {
		return err
	}
	frames, octets := 0, 0 // that had to be sent at least
	for i, one := range list {
		r.needs(!o.processes[i].errs(), "%s", o.processes[i].faults.String())
		for j, a := range one.Peers {
			if i == j {
				continue
			}
			r.add(a)
			theirs := script{o.nodes, j}
			start := theirs.next(0, i)
			r.needs(a.First == theirs.nextContent(start, i), "%s has heard %s from step %d on", nameOf(i), nameOf(j), a.First)
			r.needs(a.Enters == 1 && a.Exits == 0, "%s was told %d enters and %d exits (%s) of %s", nameOf(i), a.Enters, a.Exits, a.Reason, nameOf(j))
			r.needs(a.Back == 0 && list[j].Peers[i].Missed == 0, "%d messages came back", a.Back)
			for step := theirs.nextContent(first, i); step < o.said; step = theirs.nextContent(step+1, i) {
				frames++
				octets += sizeOf(step) + o.overhead()
			}
		}
	}
	sum := o.proxy.sum()
	r.resets, r.early, r.reordered = sum.resets, sum.storm, sum.reordered
	r.again, r.octets, r.wasted = sum.frames-frames, sum.octets-octets, sum.dropped
	r.whole()
	r.needs(r.inside*2 >= r.both, "%d of %d resets were inside a message", r.inside, r.both)
	r.needs(r.again > 0 && r.octets > 0 && r.again >= r.wasted, "%d messages were sent again, and %d had to be", r.again, r.wasted)
	return nil
}
