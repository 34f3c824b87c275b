package explore

import (
	"fmt"
	"slices"
	"strings"
)

// names resolves the names of a side's expressions; side is nil where all sides are meant.
type names struct {
	*compiler
	of *side
}

// state finds the states that a name stands for: one, those that inherit from one, or none at all.
func (n names) state(of, text string) ([]int, error) {
	s := n.sideNamed(of)
	if of == "state" && n.of != nil {
		s = n.of
	}
	if s == nil {
		return nil, fmt.Errorf("%q is no side, so it has no state", of)
	}
	if text == "-" {
		return []int{0}, nil
	}
	var found []int
	for i, st := range s.states {
		if st.name == text || slices.Contains(st.above, text) {
			found = append(found, i+1)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("%s has no state %q", s.name, text)
	}
	return found, nil
}

// name finds a number of one's own; state; here, the connection that a rule is about; SIDE, for
// its state; SIDE.NUMBER; message.NUMBER; LINK.up, the connection that stands; LINK.free, how many
// there can be yet; LINK.sent, the messages of one's own under way; and LEFT, whether a link of a
// side is all read.
func (n names) name(word string) (expression, error) {
	before, after, dotted := strings.Cut(word, ".")
	switch s := n.sideNamed(before); {
	case !dotted && word == "here":
		return func(s *scope) int { return s.slot }, nil
	case !dotted && word == "state" && n.of != nil:
		return at(n.of.at), nil
	case !dotted && s != nil:
		return at(s.at), nil
	case !dotted && n.of != nil:
		if number := n.of.number(word); number != nil {
			return at(number.at), nil
		}
	case dotted && before == "message" && n.numbers[after] != nil:
		of := n.numbers[after]
		return func(s *scope) int {
			if s.id >= len(of) || of[s.id] < 0 || of[s.id] >= len(s.said) {
				return 0
			}
			return int(s.said[of[s.id]])
		}, nil
	case dotted && s != nil:
		if number := s.number(after); number != nil {
			return at(number.at), nil
		}
	case dotted:
		if e := n.linkName(before, after); e != nil {
			return e, nil
		}
	}
	return nil, fmt.Errorf("nothing here is called %q", word)
}

func (n names) linkName(name, what string) expression {
	for _, l := range n.links {
		end := 0
		if n.of != nil {
			end = l.end(n.of)
		}
		if l.name != name || end < 0 {
			continue
		}
		switch what {
		case "up":
			return func(s *scope) int { return l.standing(s.joint, end) }
		case "dialing":
			return at(l.dialing[end])
		case "sent":
			return func(s *scope) (sum int) {
				for _, slot := range l.slots {
					sum += slot.queues[end].messages(s.joint)
				}
				return sum
			}
		}
	}
	return nil
}

func at(place int) expression { return func(s *scope) int { return int(s.joint[place]) } }

func (s *side) number(name string) *number {
	for _, n := range s.numbers {
		if n.name == name {
			return n
		}
	}
	return nil
}
