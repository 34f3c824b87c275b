//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
)

// compare compares what the others were told with what the victim has taken.
func (k *kill) compare() error {
	r := k.row
	for i, one := range k.others() {
		state, err := one.tell(order{Do: "state"})
		if err != nil {
			return err
		}
		a := state.Peers[k.victim.Me]
		written, faults, err := k.written(i)
		if err != nil {
			return err
		}
		who := fmt.Sprintf("kill %d: %s", r.kills, nameOf(i))
		acknowledged := a.Said - a.Back
		r.back += a.Back
		r.needs(faults == 0, "%s: of what the victim has written, %d messages are not the next", who, faults)
		r.needs(a.BackWrong == 0, "%s: of %d messages that came back, %d are not the next", who, a.Back, a.BackWrong)
		r.needs(a.Back > 0 && a.BackLast == a.SaidLast, "%s: the last message that came back is of step %d, that was said of %d", who, a.BackLast, a.SaidLast)
		suspect := a.Suspects > k.suspected[one.Me] && k.nodes > 2 // shouts for which there was no room are told by Flush only
		r.needs(a.Missed == a.Back || suspect && a.Missed > a.Back, "%s: Flush told of %d messages, and %d came back", who, a.Missed, a.Back)
		switch k.how {
		case quiet:
			r.needs(acknowledged == k.before[i].taken, "%s: %d messages are acknowledged, and the victim has taken %d", who, acknowledged, k.before[i].taken)
			r.needs(written < k.before[i].taken, "%s: the victim has read all %d messages that it has taken", who, written)
		case unheard:
			r.needs(a.Back == k.before[i].unacknowledged, "%s: %d messages came back, and %d were not acknowledged", who, a.Back, k.before[i].unacknowledged)
			r.needs(acknowledged < k.before[i].taken, "%s: %d messages are acknowledged, and the victim has taken %d: no acknowledgement was lost", who, acknowledged, k.before[i].taken)
		default: // it reads as soon as something is there
			unread := (2*inbox + outbox) / least
			r.needs(written <= a.Said && acknowledged <= written+unread, "%s: of %d messages, %d are acknowledged, and the victim has written %d", who, a.Said, acknowledged, written)
		}
		k.tell("  %s: said %d, back %d, before %+v, written %d, %s", nameOf(i), a.Said, a.Back, k.before, written, a.Reason)
	}
	return nil
}

// written returns how many messages of a node the victim has written down, and how many of
// them are not what comes next.
func (k *kill) written(from int) (messages, faults int, err error) {
	b, err := os.ReadFile(k.victim.Taken)
	if err != nil {
		return 0, 0, err
	}
	theirs, next := script{k.nodes, from}, -1
	for ; len(b) >= header; b = b[header:] {
		if int(binary.BigEndian.Uint32(b[12:])) != from {
			continue
		}
		step := int(binary.BigEndian.Uint64(b))
		if next >= 0 && step != next {
			faults++
		}
		messages++
		next = theirs.nextContent(step+1, k.victim.Me)
	}
	return messages, faults, nil
}
