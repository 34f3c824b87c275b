package explore

// class says where a move comes from.
type class uint8

const (
	inner   class = iota // it follows from what was said and done
	clock                // a time-out, when nothing else follows
	outside              // somebody wants something
	trouble              // something goes wrong
)

// move is something that can happen next.
type move struct {
	class class
	what  string // as a sequence chart has it; empty for what arrives
	said  string // what arrives
	link  *link
	from  int // the end of the link that a message comes from
	slot  int
	entry int // in the queue
	side  *side
	rule  *rule
	outs  []*outcome // where it leads
}

// moves finds all that can happen next, always in the same order.
func (s *system) moves(j joint) (all []move) {
	for _, l := range s.links {
		all = s.arrivals(all, j, l)
		all = s.connections(all, j, l)
	}
	for _, side := range s.sides {
		for _, r := range side.rules {
			if r.kind == will && s.ready(j, side, r) {
				all = s.apply(all, j, move{side: side, rule: r, what: r.name})
			}
		}
	}
	follows := len(all) > 0
	for _, side := range s.sides {
		for _, r := range side.rules {
			m := move{class: outside, side: side, rule: r, what: r.name}
			switch {
			case r.kind == may && r.budget.fault:
				m.class = trouble
			case r.kind == beats && !follows:
				m.class = clock
			case r.kind != may:
				continue
			}
			if s.ready(j, side, r) {
				all = s.apply(all, j, m)
			}
		}
	}
	all = s.timeouts(all, j, follows)
	for _, l := range s.links {
		all = s.troubles(all, j, l)
	}
	return all
}

func (s *system) ready(j joint, side *side, r *rule) bool {
	return r.budget.left(j) && (r.when == nil || r.when(&scope{joint: j, side: side.index}) != 0)
}

// apply lets a rule be followed from a joint state.
func (s *system) apply(all []move, j joint, m move) []move {
	o := &outcome{joint: append(joint(nil), j...)}
	m.rule.budget.take(o.joint)
	m.outs = s.follow(&turn{system: s, side: m.side}, m.rule, o)
	return append(all, m)
}

// follow lets the effects of a rule happen.
func (s *system) follow(t *turn, r *rule, o *outcome) []*outcome {
	if !r.begins || !t.side.over(o.joint) {
		return t.do(r.effects, o)
	}
	var all []*outcome
	for _, o := range t.begin(t.side, o) {
		all = append(all, t.do(r.effects, o)...)
	}
	return all
}

// arrivals are what can be read next on a link.
func (s *system) arrivals(all []move, j joint, l *link) []move {
	for i, slot := range l.slots {
		for from, q := range slot.queues {
			for entry := range q.length(j) {
				if entry > 0 && (!l.datagram || string(q.entry(j, entry)) == string(q.entry(j, entry-1))) {
					continue
				}
				m := move{link: l, from: from, slot: i + 1, entry: entry, side: l.ends[1-from]}
				if s.telling {
					m.said = s.words(q.entry(j, entry))
				}
				o := &outcome{joint: append(joint(nil), j...)}
				q.take(o.joint, entry)
				m.outs = s.read(m, q.entry(j, entry), o)
				if all = append(all, m); !l.datagram {
					break
				}
			}
		}
	}
	return all
}

// read takes in what has arrived.
func (s *system) read(m move, entry []uint8, o *outcome) []*outcome {
	t := &turn{system: s, side: m.side, link: m.link, slot: m.slot, id: int(entry[0]), said: entry[1 : 1+s.arity[entry[0]]]}
	slot := m.link.slots[m.slot-1]
	if t.id >= notices {
		return s.hear(t, o)
	}
	kind := [...]kind{linkedNotice: linked, acceptedNotice: accepts, lostNotice: lost}[t.id]
	o.joint[slot.up[1-m.from]] = uint8(truth(kind != lost))
	slot.settle(o.joint)
	return s.notice(t, kind, o)
}

// notice lets a side's rules about a link be followed, if it has some.
func (s *system) notice(t *turn, k kind, o *outcome) (all []*outcome) {
	for _, r := range t.side.rules {
		if r.kind == k && r.link == t.link && (r.when == nil || r.when(t.scope(o.joint)) != 0) {
			all = append(all, s.follow(t, r, o.copy())...)
		}
	}
	if all == nil {
		return o.alone()
	}
	return all
}

// hear lets a side take in a message. Where there is no machine, or it has ended, words
// need not mean anything.
func (s *system) hear(t *turn, o *outcome) (all []*outcome) {
	h := &t.side.hears[t.id]
	for _, r := range h.rules {
		if (r.link == nil || r.link == t.link) && (r.when == nil || r.when(t.scope(o.joint)) != 0) &&
			(r.begins || t.side.state(o.joint) != nil) {
			all = append(all, s.follow(t, r, o.copy())...)
		}
	}
	switch {
	case all != nil:
		return all
	case len(h.rules) == 0 && h.event >= 0:
		return t.fire(t.side, h.event, o)
	case t.side.over(o.joint):
		return o.alone()
	}
	return o.fail("unhandled message", "%s in %s takes no %s", t.side.name, t.side.stateName(o.joint), s.messages[t.id])
}

// connections are the attempts that can succeed.
func (s *system) connections(all []move, j joint, l *link) []move {
	for end, place := range l.dialing {
		if j[place] == 0 {
			continue
		}
		if l.open != nil && l.open(&scope{joint: j, side: -1}) == 0 {
			m := s.refusal(j, l, end)
			if j[place] == 2 {
				m.class = clock
			}
			all = append(all, m)
			continue
		}
		for _, slot := range l.slots {
			if !slot.free(j) {
				continue
			}
			o := &outcome{joint: append(joint(nil), j...)}
			o.joint[place] = 0
			if len(l.slots) == 1 {
				o.joint[l.dialing[1-end]] = 0
			}
			slot.queues[1-end].add(o.joint, linkedNotice)
			if l.ends[1-end].minds(accepts, l) {
				slot.queues[end].add(o.joint, acceptedNotice)
			} else {
				o.joint[slot.up[1-end]] = 1
			}
			all = append(all, move{what: "connects " + l.name, link: l, side: l.ends[end], outs: []*outcome{o}})
			break
		}
	}
	return all
}

// refusal is that nobody accepts what an end dials, of which it is told now and then.
func (s *system) refusal(j joint, l *link, end int) move {
	o := &outcome{joint: append(joint(nil), j...)}
	o.joint[l.dialing[end]] = 2
	t := &turn{system: s, side: l.ends[end], link: l, slot: 1}
	return move{what: "is refused " + l.name, side: t.side, outs: s.notice(t, refused, o)}
}

// minds tells whether a side has a rule of a kind about a link.
func (s *side) minds(k kind, l *link) bool {
	for _, r := range s.rules {
		if r.kind == k && r.link == l {
			return true
		}
	}
	return false
}

// timeouts are those of the states that machines are in. They are long: they come when
// nothing else follows, and early only in trouble.
func (s *system) timeouts(all []move, j joint, follows bool) []move {
	for _, side := range s.sides {
		state := side.state(j)
		if state == nil || !state.timeout {
			continue
		}
		m := move{class: clock, side: side, what: "time-out"}
		o := &outcome{joint: append(joint(nil), j...)}
		if follows {
			if m.class, m.what = trouble, "time-out, early"; !s.early.take(o.joint) {
				continue
			}
		}
		m.outs = s.expire(&turn{system: s, side: side}, o)
		all = append(all, m)
	}
	return all
}

// expire lets a time-out be over.
func (s *system) expire(t *turn, o *outcome) []*outcome {
	for _, r := range t.side.rules {
		if r.kind == expires && (r.when == nil || r.when(t.scope(o.joint)) != 0) {
			return s.follow(t, r, o)
		}
	}
	if event, known := t.side.events["timeout"]; known {
		return t.fire(t.side, event, o)
	}
	return o.fail("unhandled event", "%s in %s has a time-out, and its machine no event for it", t.side.name, t.side.stateName(o.joint))
}

// troubles are what can go wrong on a link.
func (s *system) troubles(all []move, j joint, l *link) []move {
	for end, place := range l.dialing {
		if j[place] == 0 || !l.refuses.left(j) {
			continue
		}
		m := s.refusal(j, l, end)
		for _, o := range m.outs {
			l.refuses.take(o.joint)
		}
		m.class = trouble
		all = append(all, m)
	}
	for i, slot := range l.slots {
		if l.datagram {
			all = s.mishaps(all, j, l, slot)
		} else if j[slot.broken] == 0 && !slot.free(j) {
			all = s.breaking(all, j, l, i)
		}
	}
	return all
}

// mishaps are what can happen to datagrams: their order means nothing in the first place.
func (s *system) mishaps(all []move, j joint, l *link, slot *slot) []move {
	for from, q := range slot.queues {
		for entry := range q.length(j) {
			if entry > 0 && string(q.entry(j, entry)) == string(q.entry(j, entry-1)) {
				continue
			}
			name := s.messages[q.entry(j, entry)[0]]
			if o := (&outcome{joint: append(joint(nil), j...)}); l.loses.take(o.joint) {
				q.take(o.joint, entry)
				all = append(all, move{class: trouble, what: name + " is lost", side: l.ends[from], outs: []*outcome{o}})
			}
			if o := (&outcome{joint: append(joint(nil), j...)}); q.length(j) < q.room && l.doubles.take(o.joint) {
				q.add(o.joint, q.entry(j, entry)[0], q.entry(j, entry)[1:]...)
				q.sort(o.joint)
				all = append(all, move{class: trouble, what: name + " is doubled", side: l.ends[from], outs: []*outcome{o}})
			}
		}
	}
	return all
}

// breaking are the ways in which a connection can break: of what is under way each side
// may get any first part.
func (s *system) breaking(all []move, j joint, l *link, i int) []move {
	slot := l.slots[i]
	for a := range slot.queues[0].length(j) + 1 {
		for b := range slot.queues[1].length(j) + 1 {
			o := &outcome{joint: append(joint(nil), j...)}
			if !l.breaks.take(o.joint) {
				return all
			}
			if !slot.cut(o.joint, 0, a) || !slot.cut(o.joint, 1, b) {
				continue
			}
			o.joint[slot.broken] = 1
			all = append(all, move{class: trouble, what: l.name + " breaks", link: l, side: l.ends[0], outs: []*outcome{o}})
		}
	}
	return all
}

// cut leaves so many entries of what comes from an end, and tells the far side of the loss behind
// them. It tells false if a notice would be cut.
func (s *slot) cut(j joint, from, n int) bool {
	q := s.queues[from]
	for i := n; i < q.length(j); i++ {
		if q.entry(j, i)[0] < notices {
			return false
		}
	}
	q.cut(j, n)
	q.add(j, lostNotice)
	return true
}

// words is a queue's entry as people read it.
func (s *system) words(entry []uint8) string {
	switch id := entry[0]; id {
	case linkedNotice, acceptedNotice:
		return "link stands"
	case lostNotice:
		return "link is lost"
	default:
		return s.messages[id] + figures(entry[1:1+s.arity[id]])
	}
}
