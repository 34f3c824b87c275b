//go:build linux

package main

import (
	"context"
	"fmt"
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
func kills(ctx context.Context, s setting, plan plan, r *row) error {
	r.what = "  kill -9"
	return perform(ctx, s, r, func(p *play) error {
		if err := p.begin(true); err != nil {
			return err
		}
		if err := p.goOn(few); err != nil {
			return err
		}
		for life, how := range plan.kills {
			p.tell("kill %d", how)
			k := kill{play: p, row: r, how: how, victim: p.processes[p.nodes-1]}
			err := k.strike()
			if err == nil {
				err = k.comesBack(uint32(life + 2))
			}
			if err != nil {
				return fmt.Errorf("kill %d, in state %d: %w", r.kills, how, err)
			}
		}
		return judgeKills(p, r)
	})
}

// judgeKills holds what all have heard in the end against the contract.
func judgeKills(p *play, r *row) error {
	list, err := p.each(order{Do: "state"})
	if err != nil {
		return err
	}
	victim := p.nodes - 1
	for i, one := range list {
		r.needs(!p.processes[i].errs(), "%s", p.processes[i].faults.String())
		for j, a := range one.Peers {
			if i == j {
				continue
			}
			r.add(a)
			enters, exits := 1, 0
			if j == victim {
				enters, exits = 1+r.kills, r.kills
			}
			r.needs(i == victim || a.Enters == enters && a.Exits == exits, "%s was told %d enters and %d exits of %s, want %d and %d", nameOf(i), a.Enters, a.Exits, nameOf(j), enters, exits)
		}
	}
	r.whole()
	return nil
}

// kill is how one node is killed.
type kill struct {
	*play
	row       *row
	how       killing
	victim    *process
	before    []last // how each of the others stands with it before, where that is known
	suspected []int  // how often each has suspected it before
}

// last is how a node stood with the victim before that was killed.
type last struct {
	taken          int // messages that the victim had taken in
	unacknowledged int
}

// others are the rest.
func (k *kill) others() []*process { return k.processes[:k.nodes-1] }

// strike has the victim killed, and looks at what the others are told.
func (k *kill) strike() error {
	list, err := k.each(order{Do: "state"})
	if err != nil {
		return err
	}
	for _, r := range list {
		k.suspected = append(k.suspected, r.Peers[k.victim.Me].Suspects)
	}
	if err := k.agony(); err != nil {
		return err
	}
	k.peaked = max(k.peaked, k.victim.peak())
	me, front := k.victim.Me, k.proxy.fronts[k.victim.Me]
	if k.how == silent {
		front.leads("")
		k.proxy.hold(func(from, to int) bool { return from == me || to == me })
	} else {
		front.shut()
	}
	k.victim.kill()
	if k.row.kills++; k.how == quiet || k.how == unheard { // what was held is lost
		for _, c := range k.proxy.live() {
			if c.dialler == me || c.server == me {
				c.reset()
			}
		}
	}
	if k.how != silent {
		k.proxy.hold(none)
	}
	if err := k.gone(); err != nil {
		return err
	}
	k.proxy.hold(none)
	return k.compare()
}

// comesBack starts the victim in another life, and has all talk again.
func (k *kill) comesBack(life uint32) error {
	me, front := k.victim.Me, k.proxy.fronts[k.victim.Me]
	if k.how == silent { // what was taken meanwhile leads nowhere for ever
		front.shut()
	}
	if err := front.open(); err != nil {
		return err
	}
	if err := k.start(me, life); err != nil {
		return err
	}
	back := k.processes[me]
	for _, one := range k.others() {
		if _, err := one.tell(order{Do: "mark", UUID: k.victim.UUID}); err != nil {
			return err
		}
		if err := k.meet(back, one); err != nil {
			return err
		}
		if err := k.meet(one, back); err != nil {
			return err
		}
	}
	if err := k.present(); err != nil {
		return err
	}
	if _, err := back.tell(order{Do: "skip", Step: k.said}); err != nil {
		return err
	}
	if err := k.goOn(few); err != nil {
		return err
	}
	list, err := k.each(order{Do: "state"})
	if err != nil {
		return err
	}
	for i := range k.others() {
		said, heard := list[i].Peers[me].SaidFirst, list[me].Peers[i].First
		k.row.needs(said == heard, "kill %d: %s goes on with step %d, and %d is heard", k.row.kills, nameOf(i), said, heard)
	}
	return nil
}

// gone waits until the others know that the victim is gone, and have said what they were to
// say.
func (k *kill) gone() error {
	for _, one := range k.others() {
		for ends := time.Now().Add(patience); ; {
			r, err := one.tell(order{Do: "flush"})
			if err != nil {
				return err
			}
			if a := r.Peers[k.victim.Me]; !a.Present && r.Idle && a.Missed >= a.Back {
				break
			}
			if time.Now().After(ends) {
				return fmt.Errorf("%s is not told that the victim is gone: %+v", nameOf(one.Me), r)
			}
			if err := rest(k.ctx, 10*time.Millisecond); err != nil {
				return err
			}
		}
	}
	if k.nodes == 2 {
		return nil
	}
	return k.await("the others to hear each other", func(all []report) bool { return k.heard(all, k.victim.Me) })
}
