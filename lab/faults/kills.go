//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"time"
)

// killing is in which state a node is killed.
type killing uint8

const (
	quiet   killing = iota // what it has taken is acknowledged, and some of that is not read; more is on its way
	unheard                // what it has acknowledged last was lost
	wild                   // all talk, and nothing is held
	silent                 // the same, and then its host says nothing any more
)

// Steps that are said at a time, far less than there is room for.
const (
	few  = 300
	more = 600
	many = 100_000
)

// kills has one node killed again and again, in one state after the other, and looks at what
// the others are told.
func kills(ctx context.Context, s setting, plan plan) (r row, err error) {
	began := time.Now()
	r.what = "  kill -9"
	p, err := begin(ctx, s, true)
	if err != nil {
		return r, err
	}
	defer func() {
		if e := p.end(); err == nil {
			err = e
		}
		r.peak, r.took = p.peaked, time.Since(began)
	}()
	if err := p.goOn(few); err != nil {
		return r, err
	}
	for life, how := range plan.kills {
		p.tell("kill %d", how)
		if err := p.killed(&r, how, uint32(life+2)); err != nil {
			return r, fmt.Errorf("kill %d, in state %d: %w", r.kills, how, err)
		}
	}
	list, err := p.each(order{Do: "state"})
	if err != nil {
		return r, err
	}
	for i, one := range list {
		r.needs(!p.processes[i].errs(), "%s", p.processes[i].faults.String())
		for j, a := range one.Peers {
			if i == j {
				continue
			}
			r.messages += a.Taken
			r.lost, r.doubled, r.disorder, r.wrong = r.lost+a.Lost, r.doubled+a.Doubled, r.disorder+a.Disorder, r.wrong+a.Wrong
			enters, exits := 1, 0
			if j == p.victim() {
				enters, exits = 1+r.kills, r.kills
			}
			r.needs(i == p.victim() || a.Enters == enters && a.Exits == exits, "%s was told %d enters and %d exits of %s, want %d and %d", nameOf(i), a.Enters, a.Exits, nameOf(j), enters, exits)
		}
	}
	r.needs(r.lost+r.doubled+r.disorder+r.wrong == 0, "messages were lost: %d, doubled: %d, out of order: %d, not as they were said: %d", r.lost, r.doubled, r.disorder, r.wrong)
	return r, nil
}

// victim is who is killed.
func (p *play) victim() int { return p.nodes - 1 }

// others are the rest.
func (p *play) others() []*process { return p.processes[:p.nodes-1] }

// goOn has all say something, and waits until it was heard.
func (p *play) goOn(steps int) error {
	if err := p.say(p.said + steps); err != nil {
		return err
	}
	return p.settle()
}

// killed has the victim killed, and comes back with it in another life.
func (p *play) killed(r *row, how killing, life uint32) error {
	v := p.processes[p.victim()]
	list, err := p.each(order{Do: "state"})
	if err != nil {
		return err
	}
	suspected := make([]int, p.nodes) // how often each has suspected the victim before
	for i, r := range list {
		suspected[i] = r.Peers[v.Me].Suspects
	}
	before, err := p.agony(how, v)
	if err != nil {
		return err
	}
	p.peaked = max(p.peaked, v.peak())
	front := p.proxy.fronts[v.Me]
	if how == silent {
		front.leads("")
		p.proxy.hold(func(from, to int) bool { return from == v.Me || to == v.Me })
	} else {
		front.shut()
	}
	v.kill()
	if r.kills++; how == quiet || how == unheard { // what was held is lost
		for _, c := range p.proxy.live() {
			if c.dialler == v.Me || c.server == v.Me {
				c.reset()
			}
		}
	}
	if how != silent {
		p.proxy.hold(none)
	}
	if err := p.gone(v); err != nil {
		return err
	}
	p.proxy.hold(none)
	if err := p.compare(r, how, v, before, suspected); err != nil {
		return err
	}
	if how == silent { // what was taken meanwhile leads nowhere for ever
		front.shut()
	}
	if err := front.open(); err != nil {
		return err
	}
	if err := p.start(v.Me, life); err != nil {
		return err
	}
	for _, one := range p.others() {
		if _, err := one.tell(order{Do: "mark", UUID: v.UUID}); err != nil {
			return err
		}
		if err := p.meet(p.processes[v.Me], one); err != nil {
			return err
		}
		if err := p.meet(one, p.processes[v.Me]); err != nil {
			return err
		}
	}
	if err := p.present(); err != nil {
		return err
	}
	if _, err := p.processes[v.Me].tell(order{Do: "skip", Step: p.said}); err != nil {
		return err
	}
	if err := p.goOn(few); err != nil {
		return err
	}
	if list, err = p.each(order{Do: "state"}); err != nil {
		return err
	}
	for i := range p.others() {
		said, heard := list[i].Peers[v.Me].SaidFirst, list[v.Me].Peers[i].First
		r.needs(said == heard, "kill %d: %s goes on with step %d, and %d is heard", r.kills, nameOf(i), said, heard)
	}
	return nil
}

// present waits until all know each other.
func (p *play) present() error {
	return p.await("all to know each other", func(all []report) bool {
		for i, r := range all {
			for j, a := range r.Peers {
				if i != j && (!a.Present || a.UUID != p.processes[j].UUID) {
					return false
				}
			}
		}
		return true
	})
}

// last is how a node stood with the victim before that was killed.
type last struct {
	taken          int // messages that the victim had taken in
	unacknowledged int
}

// agony brings the victim to the state in which it is killed. It returns how each of the
// others stands with it, where that is known.
func (p *play) agony(how killing, v *process) (before []last, err error) {
	if how == wild || how == silent {
		if err := p.say(p.said + many); err != nil {
			return nil, err
		}
		goal := p.said - many + many/50
		return nil, p.await("the victim to take some", func(all []report) bool {
			for i := range p.others() {
				if all[v.Me].Peers[i].Next < goal {
					return false
				}
			}
			return true
		})
	}
	if _, err := v.tell(order{Do: "pause"}); err != nil {
		return nil, err
	}
	if how == unheard {
		p.proxy.hold(func(from, _ int) bool { return from == v.Me })
		if err := p.say(p.said + more); err != nil {
			return nil, err
		}
	} else {
		if err := p.say(p.said + few); err != nil { // which is taken in, and not read
			return nil, err
		}
		if err := p.unread(v); err != nil {
			return nil, err
		}
		p.proxy.hold(func(_, to int) bool { return to == v.Me })
		if err := p.say(p.said + more); err != nil {
			return nil, err
		}
	}
	before = make([]last, p.nodes-1)
	same, ends := 0, time.Now().Add(patience)
	for ; same < 20; same++ { // what is on its way comes to rest
		if time.Now().After(ends) {
			return nil, fmt.Errorf("nothing comes to rest: %+v", before)
		}
		state, err := v.tell(order{Do: "state"})
		if err != nil {
			return nil, err
		}
		for i, one := range p.others() {
			r, err := one.tell(order{Do: "flush"})
			if err != nil {
				return nil, err
			}
			a := r.Peers[v.Me]
			now := last{int(state.Peers[i].Queued), a.Unacknowledged}
			rests := r.Idle && r.Step == p.said && now == before[i]
			if before[i] = now; !rests || how == quiet && now.unacknowledged != a.Said-now.taken {
				same = 0
			}
		}
	}
	return before, nil
}

// unread waits until the victim has taken in some messages of each that it has not read.
func (p *play) unread(v *process) error {
	return p.await("the victim to take in what was said", func(all []report) bool {
		for _, one := range p.others() {
			if a := all[v.Me].Peers[one.Me]; int(a.Queued) < a.Taken+few/10 {
				return false
			}
		}
		return true
	})
}

// gone waits until the others know that the victim is gone, and have said what they were to
// say.
func (p *play) gone(v *process) error {
	for _, one := range p.others() {
		for ends := time.Now().Add(patience); ; {
			r, err := one.tell(order{Do: "flush"})
			if err != nil {
				return err
			}
			if a := r.Peers[v.Me]; !a.Present && r.Idle && a.Missed >= a.Back {
				break
			}
			if time.Now().After(ends) {
				return fmt.Errorf("%s is not told that the victim is gone: %+v", nameOf(one.Me), r)
			}
			if err := rest(p.ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	}
	if p.nodes == 2 {
		return nil
	}
	return p.await("the others to hear each other", func(all []report) bool { return p.heard(all, v.Me) })
}

// compare compares what the others were told with what the victim has taken.
func (p *play) compare(r *row, how killing, v *process, before []last, suspected []int) error {
	for i, one := range p.others() {
		state, err := one.tell(order{Do: "state"})
		if err != nil {
			return err
		}
		a := state.Peers[v.Me]
		written, faults, err := p.written(v, i)
		if err != nil {
			return err
		}
		who := fmt.Sprintf("kill %d: %s", r.kills, nameOf(i))
		acknowledged := a.Said - a.Back
		r.back += a.Back
		r.needs(faults == 0, "%s: of what the victim has written, %d messages are not the next", who, faults)
		r.needs(a.BackWrong == 0, "%s: of %d messages that came back, %d are not the next", who, a.Back, a.BackWrong)
		r.needs(a.Back > 0 && a.BackLast == a.SaidLast, "%s: the last message that came back is of step %d, that was said of %d", who, a.BackLast, a.SaidLast)
		suspect := a.Suspects > suspected[one.Me] && p.nodes > 2 // shouts for which there was no room are told by Flush only
		r.needs(a.Missed == a.Back || suspect && a.Missed > a.Back, "%s: Flush told of %d messages, and %d came back", who, a.Missed, a.Back)
		switch how {
		case quiet:
			r.needs(acknowledged == before[i].taken, "%s: %d messages are acknowledged, and the victim has taken %d", who, acknowledged, before[i].taken)
			r.needs(written < before[i].taken, "%s: the victim has read all %d messages that it has taken", who, written)
		case unheard:
			r.needs(a.Back == before[i].unacknowledged, "%s: %d messages came back, and %d were not acknowledged", who, a.Back, before[i].unacknowledged)
			r.needs(acknowledged < before[i].taken, "%s: %d messages are acknowledged, and the victim has taken %d: no acknowledgement was lost", who, acknowledged, before[i].taken)
		default: // it reads as soon as something is there
			unread := (2*inbox + outbox) / least
			r.needs(written <= a.Said && acknowledged <= written+unread, "%s: of %d messages, %d are acknowledged, and the victim has written %d", who, a.Said, acknowledged, written)
		}
		p.tell("  %s: said %d, back %d, before %+v, written %d, %s", nameOf(i), a.Said, a.Back, before, written, a.Reason)
	}
	return nil
}

// written returns how many messages of a node the victim has written down, and how many of
// them are not what comes next.
func (p *play) written(v *process, from int) (messages, faults int, err error) {
	b, err := os.ReadFile(v.Taken)
	if err != nil {
		return 0, 0, err
	}
	theirs, next := script{p.nodes, from}, -1
	for ; len(b) >= header; b = b[header:] {
		if int(binary.BigEndian.Uint32(b[12:])) != from {
			continue
		}
		step := int(binary.BigEndian.Uint64(b))
		if next >= 0 && step != next {
			faults++
		}
		messages++
		next = theirs.nextContent(step+1, v.Me)
	}
	return messages, faults, nil
}
