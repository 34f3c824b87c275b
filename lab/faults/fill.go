//go:build linux

package main

// filling is how many steps say more than there is room for.
const filling = 20_000

// Octets that may be in use beside what waits, and what each octet that waits may take.
const (
	beside = 8 << 20
	factor = 2
)

// fill has all nodes say more than there is room for, while none of them reads and then
// while nothing passes, and looks at what they hold.
func fill(p *play, r *row, empty []report) error {
	if _, err := p.each(order{Do: "pause"}); err != nil {
		return err
	}
	if err := p.say(p.said + filling); err != nil {
		return err
	}
	if err := stuck(p); err != nil {
		return err
	}
	list, err := p.each(order{Do: "flush"})
	if err != nil {
		return err
	}
	for i, one := range list {
		for j, a := range one.Peers {
			r.unacknowledged = max(r.unacknowledged, a.UnacknowledgedOctets)
			r.unread = max(r.unread, a.unread(script{p.nodes, j}, i))
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

// unread returns how many octets a node has taken in of another who plays a script, and not read.
func (a acquaintance) unread(theirs script, me int) (octets int) {
	for step := a.Next; a.Taken < int(a.Queued); a.Taken++ {
		step = theirs.nextContent(step, me)
		octets += sizeOf(step)
		step++
	}
	return octets
}

// stuck waits until nobody can say more.
func stuck(p *play) error {
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
