package explore

import "fmt"

// search goes through all joint states, the nearest first.
type search struct {
	*system
	index  map[string]int32
	states []string
	from   []origin
	inner  graph      // what follows by itself
	clock  graph      // and by time-outs
	begin  *outcome   // where it begins, nil for where the conversation does
	goal   expression // what is sought where nothing follows; nil for faults
	smooth bool       // with no trouble on the way
	steps  int
}

// origin is how a joint state was first reached.
type origin struct {
	state int32 // -1 for a start
	step  uint32
}

// starts are the joint states that a conversation begins in.
func (s *search) starts() []*outcome {
	if s.begin != nil {
		return []*outcome{s.begin}
	}
	all := []*outcome{{joint: append(joint(nil), s.start...)}}
	for _, side := range s.sides {
		var next []*outcome
		for _, o := range all {
			if side.later {
				next = append(next, o)
			} else {
				next = append(next, (&turn{system: s.system}).begin(side, o)...)
			}
		}
		all = next
	}
	return all
}

// run searches until all states are seen or there is a fault.
func (s *search) run() *Fault {
	for i, o := range s.starts() {
		if fault := s.reach(o, origin{-1, uint32(i)}); fault != nil {
			return fault
		}
	}
	for at := 0; at < len(s.states); at++ {
		if fault := s.expand(at); fault != nil {
			return fault
		}
		if len(s.states) > s.limit {
			return &Fault{Kind: "too many states", Text: fmt.Sprintf("there are more than %d joint states: cut the model's numbers", s.limit)}
		}
	}
	if s.goal != nil {
		return nil
	}
	return s.lasting()
}

// expand finds what a state leads to.
func (s *search) expand(at int) *Fault {
	j := joint(s.states[at])
	s.inner.first = append(s.inner.first, int32(len(s.inner.to)))
	s.clock.first = append(s.clock.first, int32(len(s.clock.to)))
	quiet, step := true, uint32(0)
	for _, m := range s.moves(j) {
		if s.smooth && m.class == trouble {
			step += uint32(len(m.outs))
			continue
		}
		quiet = quiet && m.class != inner
		for _, o := range m.outs {
			s.steps++
			if fault := s.reach(o, origin{int32(at), step}); fault != nil {
				return fault
			}
			to := s.index[string(o.joint)]
			switch m.class {
			case inner:
				s.inner.to = append(s.inner.to, to)
				s.clock.to = append(s.clock.to, to)
			case clock:
				s.clock.to = append(s.clock.to, to)
			}
			step++
		}
	}
	if s.goal != nil && quiet && s.goal(&scope{joint: j, side: -1}) != 0 {
		return s.trace(&Fault{Kind: shown}, s.here(at))
	}
	if s.goal == nil && quiet && s.untroubled(j) {
		return s.still(at, j)
	}
	return nil
}

// reach takes in a state that a step leads to.
func (s *search) reach(o *outcome, from origin) *Fault {
	if o.fault != nil {
		return s.trace(o.fault, from)
	}
	key := string(o.joint)
	if _, known := s.index[key]; known {
		return nil
	}
	s.index[key] = int32(len(s.states))
	s.states = append(s.states, key)
	s.from = append(s.from, from)
	if text := broken(s.always, o.joint); text != "" {
		return s.trace(&Fault{Kind: "broken promise", Text: "it is not so that " + text}, from)
	}
	return nil
}

// broken returns the first promise that a state breaks, or nothing.
func broken(promises []promise, j joint) string {
	for _, p := range promises {
		if p.holds(&scope{joint: j, side: -1}) == 0 {
			return p.text
		}
	}
	return ""
}

// still judges a state in which nothing follows, though nothing has gone wrong.
func (s *search) still(at int, j joint) *Fault {
	for _, side := range s.sides {
		if !side.rests(j) {
			return s.trace(&Fault{Kind: "deadlock", Text: fmt.Sprintf("nothing went wrong, and %s waits in %s for what nobody says", side.name, side.stateName(j))}, s.here(at))
		}
	}
	if text := broken(s.calm, j); text != "" {
		return s.trace(&Fault{Kind: "broken promise", Text: "nothing went wrong, and it is not so that " + text}, s.here(at))
	}
	return nil
}

// here is where the way to a state that was reached ends: no step of it.
func (s *search) here(at int) origin { return origin{int32(at), ^uint32(0)} }

// lasting judges what goes on for ever.
func (s *search) lasting() *Fault {
	if members := s.inner.components(func(members []int32, _ bool) bool {
		return len(members) > 1 || s.inner.leads(members[0], members[0])
	}); members != nil {
		return s.trace(&Fault{Kind: "livelock", Text: "messages follow each other for ever, though nobody wants anything"}, s.here(int(members[0])))
	}
	if members := s.clock.components(func(members []int32, last bool) bool {
		return last && s.ends(members) != nil
	}); members != nil {
		return s.trace(s.ends(members), s.here(int(members[0])))
	}
	return nil
}

// ends judges states that lead to each other only.
func (s *search) ends(members []int32) *Fault {
	text := ""
	for _, m := range members {
		j := joint(s.states[m])
		why := broken(s.last, j)
		if why != "" {
			why = "it never becomes so that " + why
		}
		for _, side := range s.sides {
			if !side.rests(j) {
				why = fmt.Sprintf("%s never comes to rest from %s", side.name, side.stateName(j))
			}
		}
		if why == "" {
			return nil
		}
		text = why
	}
	kind := "livelock"
	if len(members) == 1 && len(s.clock.of(int(members[0]))) == 0 {
		kind = "deadlock"
	}
	return &Fault{Kind: kind, Text: text}
}

// trace finds the way to a fault: it takes the same steps once more, and keeps them.
func (s *search) trace(f *Fault, from origin) *Fault {
	var back []origin
	for o := from; ; o = s.from[o.state] {
		back = append(back, o)
		if o.state < 0 {
			break
		}
	}
	s.telling = true
	starts := s.starts()
	now := starts[back[len(back)-1].step]
	f.path = append(f.path, leg{out: now})
	for i := len(back) - 2; i >= 0; i-- {
		if back[i].step == ^uint32(0) {
			break
		}
		step := uint32(0)
	moves:
		for _, m := range s.moves(now.joint) {
			for _, o := range m.outs {
				if step == back[i].step {
					f.path, now = append(f.path, leg{m, o}), o
					break moves
				}
				step++
			}
		}
	}
	f.end = now.joint
	return f
}

// shown is the kind of what a search is to find, and is no fault.
const shown = "shown"
