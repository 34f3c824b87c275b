//go:build linux

package main

import (
	"context"
	"fmt"
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

// resets has all nodes talk to each other while the proxy does its worst.
func resets(ctx context.Context, s setting, plan plan) (r row, err error) {
	began := time.Now()
	r.what = fmt.Sprintf("%v", s)
	p, err := begin(ctx, s, false)
	if err != nil {
		return r, err
	}
	defer func() {
		if e := p.end(); err == nil {
			err = e
		}
		r.peak, r.took = p.peaked, time.Since(began)
	}()
	if err := p.say(100); err != nil {
		return r, err
	}
	if err := p.settle(); err != nil { // so that all keys were exchanged
		return r, err
	}
	empty, err := p.each(order{Do: "collect"})
	if err != nil {
		return r, err
	}
	p.proxy.clear()
	first, last := p.said, (script{p.nodes, 0}).upTo(plan.messages)
	pairs := p.nodes * (p.nodes - 1) / 2
	share := max(few/10, (last-first)*pairs*6/10/plan.resets) // some rounds reset less
	for r.resets = 0; r.resets < plan.resets || r.both < plan.resets*9/10; r.resets = p.proxy.sum().resets {
		if r.took = time.Since(began); r.took > 10*patience {
			return r, fmt.Errorf("%d resets take too long", r.resets)
		}
		what := wheel[p.chance.IntN(len(wheel))]
		if err := p.suffer(what, &r, max(p.said+few/10, min(last, p.said+share))); err != nil { // there always is something to say
			return r, err
		}
		if err := p.goesOn(); err != nil {
			return r, err
		}
	}
	if err := p.say(max(last, p.said)); err != nil {
		return r, err
	}
	if err := p.settle(); err != nil {
		return r, err
	}
	if err := p.fill(&r, empty); err != nil {
		return r, err
	}
	return r, p.judge(&r, first)
}

// suffer has a fault happen, while all are let say a little more.
func (p *play) suffer(what fault, r *row, step int) error {
	p.tell("%d resets, %d both, step %d: fault %d", r.resets, r.both, p.said, what)
	wait := time.Duration(p.chance.IntN(int(while)))
	switch what {
	case cut:
		return p.cut(r, step)
	case abrupt:
		if err := p.say(step); err != nil {
			return err
		}
		if live := p.proxy.live(); len(live) > 0 {
			live[p.chance.IntN(len(live))].resets()
		}
		return nil
	case early: // in the handshake, or while what was not acknowledged is said again
		p.proxy.mu.Lock()
		for range 1 + p.chance.IntN(3) {
			p.proxy.limits = append(p.proxy.limits, 1+p.chance.IntN(4<<10))
		}
		p.proxy.mu.Unlock()
		return p.cut(r, step)
	case crossed:
		p.proxy.mu.Lock()
		p.proxy.delay = true
		p.proxy.mu.Unlock()
		return p.cut(r, step)
	case frozen:
		r.frozen++
		p.proxy.hold(all)
		defer p.proxy.hold(none)
	case slowed:
		r.slowed++
		for _, c := range p.proxy.live() {
			for _, pipe := range c.pipes {
				pipe.slowly(true)
				defer pipe.slowly(false)
			}
		}
	case oneWay:
		r.oneway++
		whom := p.chance.IntN(p.nodes)
		p.proxy.hold(func(_, to int) bool { return to == whom })
		defer p.proxy.hold(none)
	}
	if err := p.say(step); err != nil {
		return err
	}
	return rest(p.ctx, wait)
}

// cut resets connections while both sides of each have said something that the other has
// not got, many inside a message.
func (p *play) cut(r *row, step int) error {
	p.proxy.hold(all)
	defer p.proxy.hold(none)
	if err := p.say(step); err != nil {
		return err
	}
	wants := p.nodes * (p.nodes - 1) / 2
	ready := p.ready(wants)
	p.cuts++
	inside := p.cuts%3 > 0
	for _, c := range ready {
		was := false
		for _, pipe := range c.pipes {
			was = pipe.upTo(inside, p.chance.IntN) && inside || was
		}
		both := c.pipes[0].waits() && c.pipes[1].waits()
		c.resets()
		if both {
			r.both++
		}
		if both && was {
			r.inside++
		}
	}
	return nil
}

// ready returns connections over which both sides have said something that is held, so many
// if that many come to be.
func (p *play) ready(wants int) (ready []*conn) {
	p.proxy.mu.Lock()
	defer p.proxy.mu.Unlock()
	p.proxy.waitLocked(time.Second, func() bool {
		ready = ready[:0]
		for _, c := range p.proxy.conns {
			if c.pipes[0].waits() && c.pipes[1].waits() {
				ready = append(ready, c)
			}
		}
		return len(ready) >= wants
	})
	return ready
}

// goesOn waits until content passes between all nodes, or nobody has anything to say.
func (p *play) goesOn() error {
	return p.await("content to pass again", func(all []report) bool {
		passes := map[[2]int]bool{}
		for _, c := range p.proxy.live() {
			for _, pipe := range c.pipes {
				passes[[2]int{pipe.from, pipe.to}] = passes[[2]int{pipe.from, pipe.to}] || pipe.progress() > 0
			}
		}
		return len(passes) > 0 && everything(passes) && len(passes) == p.nodes*(p.nodes-1) || p.heard(all, -1)
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

// filling is how many steps say more than there is room for.
const filling = 20_000

// Octets that may be in use beside what waits, and what each octet that waits may take.
const (
	beside = 8 << 20
	factor = 2
)

// fill has all nodes say more than there is room for, while none of them reads and then
// while nothing passes, and looks at what they hold.
func (p *play) fill(r *row, empty []report) error {
	if _, err := p.each(order{Do: "pause"}); err != nil {
		return err
	}
	if err := p.say(p.said + filling); err != nil {
		return err
	}
	if err := p.stuck(); err != nil {
		return err
	}
	list, err := p.each(order{Do: "flush"})
	if err != nil {
		return err
	}
	for i, one := range list {
		for j, a := range one.Peers {
			r.unacknowledged = max(r.unacknowledged, a.UnacknowledgedOctets)
			r.unread = max(r.unread, p.unreadBy(i, j, a))
		}
	}
	if list, err = p.each(order{Do: "collect"}); err != nil {
		return err
	}
	for i, one := range list {
		r.all = max(r.all, int(one.Live)-int(empty[i].Live))
	}
	others := p.nodes - 1
	r.needs(r.unacknowledged >= outbox/2 && r.unacknowledged <= outbox+largest+1024, "%d octets are unacknowledged, where %d may be", r.unacknowledged, outbox)
	r.needs(r.unread > 0 && r.unread <= inbox+outbox+largest, "%d octets are unread, where %d may be", r.unread, inbox)
	r.needs(r.all <= beside+factor*(inbox+others*(outbox+outbox)), "%d octets are in use for what waits", r.all)
	if _, err := p.each(order{Do: "resume"}); err != nil {
		return err
	}
	return p.settle()
}

// unreadBy returns how many octets a node has taken in of another, and not read.
func (p *play) unreadBy(me, other int, a acquaintance) (octets int) {
	theirs := script{p.nodes, other}
	for step := a.Next; a.Taken < int(a.Queued); a.Taken++ {
		step = theirs.nextContent(step, me)
		octets += sizeOf(step)
		step++
	}
	return octets
}

// stuck waits until nobody can say more.
func (p *play) stuck() error {
	same, last := 0, []report{}
	return p.await("all to have no more room", func(all []report) bool {
		same++
		for i, r := range all {
			if len(last) == 0 || r.Idle || r.Step != last[i].Step {
				same = 0
			}
		}
		last = all
		return same == 30
	})
}

// judge compares what was heard with what was said.
func (p *play) judge(r *row, first int) error {
	list, err := p.each(order{Do: "state"})
	if err != nil {
		return err
	}
	frames, octets := 0, 0 // that had to be sent at least
	for i, one := range list {
		r.needs(!p.processes[i].errs(), "%s", p.processes[i].faults.String())
		for j, a := range one.Peers {
			if i == j {
				continue
			}
			r.messages += a.Taken
			r.lost, r.doubled, r.disorder, r.wrong = r.lost+a.Lost, r.doubled+a.Doubled, r.disorder+a.Disorder, r.wrong+a.Wrong
			theirs := script{p.nodes, j}
			start := theirs.next(0, i)
			r.needs(a.First == theirs.nextContent(start, i), "%s has heard %s from step %d on", nameOf(i), nameOf(j), a.First)
			r.needs(a.Enters == 1 && a.Exits == 0, "%s was told %d enters and %d exits (%s) of %s", nameOf(i), a.Enters, a.Exits, a.Reason, nameOf(j))
			r.needs(a.Back == 0 && list[j].Peers[i].Missed == 0, "%d messages came back", a.Back)
			for step := theirs.nextContent(first, i); step < p.said; step = theirs.nextContent(step+1, i) {
				frames++
				octets += sizeOf(step) + p.overhead()
			}
		}
	}
	sum := p.proxy.sum()
	r.resets, r.early, r.reordered = sum.resets, sum.storm, sum.reordered
	r.again, r.octets, r.wasted = sum.frames-frames, sum.octets-octets, sum.dropped
	r.needs(r.lost+r.doubled+r.disorder+r.wrong == 0, "messages were lost: %d, doubled: %d, out of order: %d, not as they were said: %d", r.lost, r.doubled, r.disorder, r.wrong)
	r.needs(r.inside*2 >= r.both, "%d of %d resets were inside a message", r.inside, r.both)
	r.needs(r.again > 0 && r.octets > 0 && r.again >= r.wasted, "%d messages were sent again, and %d had to be", r.again, r.wasted)
	return nil
}
