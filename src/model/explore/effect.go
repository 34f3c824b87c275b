package explore

import "fmt"

// turn is the context in which effects happen.
type turn struct {
	*system
	side  *side
	link  *link   // that the rule is about, nil for none
	slot  int     // and which of its connections, counted from 1
	id    int     // of the message that was heard
	said  []uint8 // its numbers
	depth int     // of events that fire events
	sees  scope   // what its expressions see
}

// tell notes something that a side does, if somebody will want to know.
func (t *turn) tell(o *outcome, side *side, format string, args ...any) {
	if t.telling {
		o.notes = append(o.notes, note{side.index, fmt.Sprintf(format, args...)})
	}
}

// outcome is a joint state that a step leads to, and what is to be told of the way there.
type outcome struct {
	joint
	notes []note
	fault *Fault
	self  [1]*outcome
}

// alone returns the outcome as the only one.
func (o *outcome) alone() []*outcome {
	o.self[0] = o
	return o.self[:]
}

// note is something that happened on the way.
type note struct {
	side int
	text string
}

// effect is what changes a joint state, in one way or several. It may change the
// outcome that it is given.
type effect func(t *turn, o *outcome) []*outcome

func (o *outcome) copy() *outcome {
	return &outcome{joint: append(joint(nil), o.joint...), notes: append([]note(nil), o.notes...), fault: o.fault}
}

// fail marks an outcome as a fault, which the search stops at.
func (o *outcome) fail(kind, format string, args ...any) []*outcome {
	if o.fault == nil {
		o.fault = &Fault{Kind: kind, Text: fmt.Sprintf(format, args...)}
	}
	return o.alone()
}

// mostOutcomes bounds in how many ways a rule may end: choices multiply.
const mostOutcomes = 1 << 10

// do lets effects happen one after the other.
func (t *turn) do(effects []effect, o *outcome) []*outcome {
	all := o.alone()
	for _, e := range effects {
		if len(all) == 1 && o.fault == nil {
			all = e(t, o)
			o = all[0]
			continue
		}
		var next []*outcome
		for _, o := range all {
			if o.fault != nil {
				next = append(next, o)
			} else {
				next = append(next, e(t, o)...)
			}
			if len(next) > mostOutcomes {
				return o.fail("too many choices", "what follows may go on in more than %d ways: let <choose> have fewer cases", mostOutcomes)
			}
		}
		all, o = next, next[0]
	}
	return all
}

func (t *turn) scope(j joint) *scope {
	t.sees = scope{joint: j, side: t.side.index, slot: t.slot, id: t.id, said: t.said}
	return &t.sees
}

const maxDepth = 12 // events that fire events

// fire lets a side's machine step. Where there is none, an event means nothing.
func (t *turn) fire(s *side, event int, o *outcome) []*outcome {
	state := s.state(o.joint)
	if state == nil {
		return o.alone()
	}
	if t.depth == maxDepth {
		return o.fail("livelock", "events of %s fire events without end, %s among them", s.name, s.names[event])
	}
	step := &state.steps[event]
	if step.next < 0 && s.ignores {
		t.tell(o, s, "%s means nothing", s.names[event])
		return o.alone()
	}
	if step.next < 0 {
		return o.fail("unhandled event", "%s in %s has no step for the event %s", s.name, state.name, s.names[event])
	}
	step.taken++
	o.joint[s.at] = uint8(step.next + 1)
	if next := s.states[step.next].name; next != state.name {
		t.tell(o, s, "%s: %s -> %s", s.names[event], state.name, next)
	} else {
		t.tell(o, s, "%s", s.names[event])
	}
	inner := *t
	inner.depth++
	if inner.side = s; s != t.side {
		inner.link, inner.slot = nil, 0
	}
	all := inner.do(step.effects(s), o)
	if s.states[step.next].final {
		for _, o := range all {
			s.forget(o.joint)
		}
	}
	return all
}

// forget gives the numbers of a machine back what they are at its start.
func (s *side) forget(j joint) {
	for _, n := range s.numbers {
		if !n.keeps {
			j[n.at] = uint8(n.start)
		}
	}
}

// begin gives a side a new machine.
func (t *turn) begin(s *side, o *outcome) []*outcome {
	o.joint[s.at] = 1
	s.forget(o.joint)
	t.tell(o, s, "begins: %s", s.states[0].name)
	inner := *t
	inner.side = s
	return inner.do(s.opening, o)
}

// send puts a message under way. What nobody can get is lost.
func (t *turn) send(l *link, on int, id int, said []uint8, o *outcome) []*outcome {
	end := l.end(t.side)
	slot := l.slots[0]
	if !l.datagram {
		if on < 1 || on > len(l.slots) || o.joint[l.slots[on-1].up[end]] == 0 {
			t.tell(o, t.side, "has no %s for %s", l.name, t.messages[id])
			return o.alone()
		}
		slot = l.slots[on-1]
	}
	t.tell(o, t.side, "sends %s%s", t.messages[id], figures(said))
	if o.joint[slot.broken] != 0 {
		return o.alone()
	}
	q := slot.queues[end]
	if q.messages(o.joint) == l.holds {
		return o.fail("queue without bound", "%s sends %s while %d messages of it are under way on %s: the model lets it hold %d",
			t.side.name, t.messages[id], l.holds, l.name, l.holds)
	}
	q.add(o.joint, uint8(id), said...)
	if l.datagram {
		q.sort(o.joint)
	}
	return o.alone()
}

// hangUp ends one of a side's connections of a link, or, on 0, all of them and its attempts to make
// one. What it has said before arrives.
func (t *turn) hangUp(l *link, on int, o *outcome) []*outcome {
	end := l.end(t.side)
	if on == 0 {
		o.joint[l.dialing[end]] = 0
	}
	for i, slot := range l.slots {
		if on != 0 && on != i+1 || o.joint[slot.up[end]] == 0 && (o.joint[slot.broken] != 0 || slot.free(o.joint)) {
			continue
		}
		t.tell(o, t.side, "closes %s", l.name)
		o.joint[slot.up[end]] = 0
		slot.queues[1-end].cut(o.joint, 0)
		if o.joint[slot.broken] == 0 {
			o.joint[slot.broken] = 1
			slot.queues[end].add(o.joint, lostNotice)
		}
		slot.settle(o.joint)
	}
	return o.alone()
}

// settle forgets that a connection was broken, when nothing is left of it.
func (s *slot) settle(j joint) {
	if s.free(j) {
		j[s.broken] = 0
	}
}

func figures(said []uint8) (text string) {
	for i, n := range said {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(n)
	}
	if text != "" {
		text = " (" + text + ")"
	}
	return text
}

// sending is the effect of a message. Where no connection is named it goes over that which the
// rule is about, else over one that stands.
func sending(l *link, on expression, id int, said []expression) effect {
	return func(t *turn, o *outcome) []*outcome {
		scope, at := t.scope(o.joint), 0
		switch end := l.end(t.side); {
		case on != nil:
			at = on(scope)
		case t.link == l && o.joint[l.slots[t.slot-1].up[end]] != 0:
			at = t.slot
		default:
			at = l.standing(o.joint, end)
		}
		numbers := make([]uint8, len(said))
		for i, n := range said {
			value := n(scope)
			if value < 0 || value > mostNumber {
				return o.fail("number out of range", "%s says %d in %s", t.side.name, value, t.messages[id])
			}
			numbers[i] = uint8(value)
		}
		return t.send(l, at, id, numbers, o)
	}
}

// answering is the effect of a message that goes over the link that the rule is about.
func answering(id int, said []expression) effect {
	return func(t *turn, o *outcome) []*outcome {
		if t.link == nil {
			return o.fail("unhandled event", "%s answers with %s though nothing was heard", t.side.name, t.messages[id])
		}
		return sending(t.link, nil, id, said)(t, o)
	}
}

func firing(s *side, event int) effect {
	return func(t *turn, o *outcome) []*outcome { return t.fire(s, event, o) }
}

func setting(s *side, n *number, to expression) effect {
	return func(t *turn, o *outcome) []*outcome {
		value := to(t.scope(o.joint))
		if value < 0 || value > n.most {
			return o.fail("number out of range", "%s of %s would be %d, and is at most %d", n.name, s.name, value, n.most)
		}
		o.joint[n.at] = uint8(value)
		return o.alone()
	}
}

// choice is what may happen, if a condition holds.
type choice struct {
	when    expression
	effects []effect
}

// choosing is the effect of one of several choices, of which the model does not say which.
func choosing(cases []choice) effect {
	return func(t *turn, o *outcome) (all []*outcome) {
		for _, c := range cases {
			if c.when == nil || c.when(t.scope(o.joint)) != 0 {
				all = append(all, t.do(c.effects, o.copy())...)
			}
		}
		if all == nil {
			all = append(all, o)
		}
		return all
	}
}

func dialing(l *link) effect {
	return func(t *turn, o *outcome) []*outcome {
		if place := l.dialing[l.end(t.side)]; o.joint[place] == 0 {
			o.joint[place] = 1
			t.tell(o, t.side, "dials %s", l.name)
		}
		return o.alone()
	}
}

func closing(l *link, on expression) effect {
	return func(t *turn, o *outcome) []*outcome {
		which := 0
		if on != nil {
			if which = on(t.scope(o.joint)); which == 0 {
				return o.alone()
			}
		}
		return t.hangUp(l, which, o)
	}
}

func checking(holds expression, text string) effect {
	return func(t *turn, o *outcome) []*outcome {
		if holds(t.scope(o.joint)) == 0 {
			return o.fail("broken promise", "%s: it is not so that %s", t.side.name, text)
		}
		return o.alone()
	}
}

// ending takes a machine away: its node has forgotten it.
func ending(s *side) effect {
	return func(t *turn, o *outcome) []*outcome {
		o.joint[s.at] = 0
		s.forget(o.joint)
		t.tell(o, s, "is no more")
		return o.alone()
	}
}

// Fault is something that should not happen in a conversation, and the shortest way there.
type Fault struct {
	Kind string // in words
	Text string // what is wrong
	path []leg
	end  joint
}

// leg is a move on a way, and where it led.
type leg struct {
	move move
	out  *outcome
}
