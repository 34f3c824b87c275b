package explore

// system is a conversation that can be explored.
type system struct {
	name     string
	few      string // why there are few joint states
	layout   layout
	messages []string         // the notices' names, then those of messages
	arity    []int            // how many numbers each message carries
	numbers  map[string][]int // by name: which of a message's numbers it is, -1 for none
	sides    []*side
	links    []*link
	early    *budget // time-outs that come while something is under way
	wrongs   *budget // all that goes wrong, together; nil for no such limit
	budgets  []*budget
	always   []promise
	calm     []promise
	last     []promise
	start    joint
	limit    int  // joint states
	telling  bool // the way is of interest, not only where it leads
}

// budget is how often something from outside happens at the most.
type budget struct {
	name  string
	at    int // place of how often it may yet happen; -1 if only whole limits it
	times int
	fault bool    // it is something that goes wrong
	whole *budget // of all that goes wrong, nil for none
}

// left tells whether it may happen once more.
func (b *budget) left(j joint) bool {
	return b != nil && (b.at < 0 || j[b.at] > 0) && (b.whole == nil || j[b.whole.at] > 0)
}

// take takes one from a budget; it tells whether there was one.
func (b *budget) take(j joint) bool {
	if !b.left(j) {
		return false
	}
	if b.at >= 0 {
		j[b.at]--
	}
	if b.whole != nil {
		j[b.whole.at]--
	}
	return true
}

// promise is what must be so.
type promise struct {
	holds expression
	text  string
}

// side is a machine that takes part.
type side struct {
	index   int
	name    string
	at      int  // place of its state, counted from 1; 0 is that there is no machine
	later   bool // the machine begins by a rule
	ignores bool // an event that a state has no step for means nothing, as zproto's engines have it
	states  []state
	events  map[string]int
	names   []string   // of events
	does    []string   // names of actions
	actions [][]effect // what they do
	numbers []*number
	opening []effect // when the machine begins
	parts   map[string][]effect
	rules   []*rule
	hears   []hearing // by message
}

// state is one of a machine's.
type state struct {
	name    string
	above   []string // the states that it inherits from
	final   bool
	rests   expression // whether it may last as long as nothing happens from outside; nil for never
	timeout bool
	steps   []step // by event
}

// step is what a state does about an event.
type step struct {
	next    int // -1 where the event is unknown
	actions []int
	flat    []effect // of all actions
	taken   int      // how often the search took it
	path    string
}

// effects are those of all actions of a step, one after the other.
func (st *step) effects(s *side) []effect {
	if st.flat == nil && len(st.actions) > 0 {
		st.flat = []effect{}
		for _, a := range st.actions {
			st.flat = append(st.flat, s.actions[a]...)
		}
	}
	return st.flat
}

// hearing is what a side does about a message.
type hearing struct {
	rules []*rule
	event int // of the message's name, -1 for none; if there are no rules
}

// number is a side's variable.
type number struct {
	name            string
	at, start, most int
	keeps           bool // it outlives the machine
}

// kind of a rule.
type kind uint8

const (
	hears   kind = iota // a message
	linked              // what it has dialled stands
	accepts             // what the far side has dialled stands
	lost                // the link is gone
	refused             // nobody accepts what it dials; it goes on trying
	may                 // from outside, so many times
	will                // from outside, for sure
	beats               // again and again, when nothing else follows
	expires             // the time-out of the machine's state; without such a rule, the event timeout
)

var kinds = map[string]kind{"hears": hears, "linked": linked, "accepts": accepts, "lost": lost, "refused": refused, "may": may, "will": will, "beats": beats, "expires": expires}

// rule is what a side does when something happens.
type rule struct {
	kind    kind
	name    string
	link    *link // over which; nil for any
	when    expression
	begins  bool // a machine, if there is none or it has ended
	budget  *budget
	effects []effect
}

// link is a way between two sides.
type link struct {
	name     string
	ends     [2]*side
	datagram bool // what is under way has no order
	stands   bool // from the start
	holds    int  // messages each way; more is a fault
	slots    []*slot
	dialing  [2]int     // places: 1 while an end tries, 2 when it was refused and goes on
	open     expression // whether attempts can succeed; nil for always
	breaks   *budget
	refuses  *budget
	loses    *budget
	doubles  *budget
}

// end returns which end of the link a side is, or -1.
func (l *link) end(s *side) int {
	for i, e := range l.ends {
		if e == s {
			return i
		}
	}
	return -1
}

// standing returns the number of the first connection that an end takes for standing, 0 for none.
func (l *link) standing(j joint, end int) int {
	for i, s := range l.slots {
		if j[s.up[end]] != 0 {
			return i + 1
		}
	}
	return 0
}

// untroubled tells whether nothing has gone wrong so far.
func (s *system) untroubled(j joint) bool {
	for _, b := range s.budgets {
		if (b.fault || b == s.wrongs) && b.at >= 0 && int(j[b.at]) < b.times {
			return false
		}
	}
	return true
}

func (s *side) state(j joint) *state {
	if j[s.at] == 0 {
		return nil
	}
	return &s.states[j[s.at]-1]
}

func (s *side) stateName(j joint) string {
	if state := s.state(j); state != nil {
		return state.name
	}
	return "-"
}

// over tells whether there is no machine, or it has ended.
func (s *side) over(j joint) bool {
	state := s.state(j)
	return state == nil || state.final
}

// rests tells whether the side may stay as it is.
func (s *side) rests(j joint) bool {
	state := s.state(j)
	return state == nil || state.final || state.rests != nil && state.rests(&scope{joint: j, side: s.index}) != 0
}
