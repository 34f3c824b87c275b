//go:build linux

package main

import (
	"fmt"
	"time"
)

// agony brings the victim to the state in which it is killed, and notes how each of the others
// stands with it, where that is known.
func (k *kill) agony() error {
	if k.how == wild || k.how == silent {
		if err := k.say(k.said + many); err != nil {
			return err
		}
		goal := k.said - many + many/50
		return k.await("the victim to take some", func(all []report) bool {
			for i := range k.others() {
				if all[k.victim.Me].Peers[i].Next < goal {
					return false
				}
			}
			return true
		})
	}
	if _, err := k.victim.tell(order{Do: "pause"}); err != nil {
		return err
	}
	if k.how == unheard {
		k.proxy.hold(func(from, _ int) bool { return from == k.victim.Me })
		if err := k.say(k.said + more); err != nil {
			return err
		}
	} else {
		if err := k.say(k.said + few); err != nil { // which is taken in, and not read
			return err
		}
		if err := k.unread(); err != nil {
			return err
		}
		k.proxy.hold(func(_, to int) bool { return to == k.victim.Me })
		if err := k.say(k.said + more); err != nil {
			return err
		}
	}
	return k.comeToRest()
}

// unread waits until the victim has taken in some messages of each that it has not read.
func (k *kill) unread() error {
	return k.await("the victim to take in what was said", func(all []report) bool {
		for _, one := range k.others() {
			if a := all[k.victim.Me].Peers[one.Me]; int(a.Queued) < a.Taken+few/10 {
				return false
			}
		}
		return true
	})
}

// comeToRest waits until nothing is on its way any more, and notes how the others stand with the
// victim then.
func (k *kill) comeToRest() error {
	k.before = make([]last, k.nodes-1)
	same, ends := 0, time.Now().Add(patience)
	for ; same < 20; same++ {
		if time.Now().After(ends) {
			return fmt.Errorf("nothing comes to rest: %+v", k.before)
		}
		state, err := k.victim.tell(order{Do: "state"})
		if err != nil {
			return err
		}
		for i, one := range k.others() {
			r, err := one.tell(order{Do: "flush"})
			if err != nil {
				return err
			}
			a := r.Peers[k.victim.Me]
			now := last{int(state.Peers[i].Queued), a.Unacknowledged}
			rests := r.Idle && r.Step == k.said && now == k.before[i]
			if k.before[i] = now; !rests || k.how == quiet && now.unacknowledged != a.Said-now.taken {
				same = 0
			}
		}
	}
	return nil
}
