package explore

import "slices"

func (g *graph) leads(from, to int32) bool { return slices.Contains(g.of(int(from)), to) }

// components finds the sets of states that lead to each other, by Tarjan's algorithm, without
// recursion. Of those for which wanted is true it returns that with the first state in the order
// of states, which comes first in it, or nil. Last is whether nothing leads out of a set.
func (g *graph) components(wanted func(members []int32, last bool) bool) []int32 {
	n := len(g.first)
	order, low, part := make([]int32, n), make([]int32, n), make([]int32, n)
	var stack, path, edge []int32
	var found []int32
	next, parts := int32(1), int32(1)
	for root := range n {
		if order[root] != 0 {
			continue
		}
		path, edge = append(path, int32(root)), append(edge, 0)
		for len(path) > 0 {
			at := path[len(path)-1]
			if order[at] == 0 {
				order[at], low[at] = next, next
				next++
				stack = append(stack, at)
			}
			if to := g.of(int(at)); int(edge[len(edge)-1]) < len(to) {
				far := to[edge[len(edge)-1]]
				edge[len(edge)-1]++
				switch {
				case order[far] == 0:
					path, edge = append(path, far), append(edge, 0)
				case part[far] == 0:
					low[at] = min(low[at], order[far])
				}
				continue
			}
			path, edge = path[:len(path)-1], edge[:len(edge)-1]
			if len(path) > 0 {
				low[path[len(path)-1]] = min(low[path[len(path)-1]], low[at])
			}
			if low[at] != order[at] {
				continue
			}
			from := len(stack) - 1
			for stack[from] != at {
				from--
			}
			members := slices.Clone(stack[from:])
			stack = stack[:from]
			slices.Sort(members)
			for _, m := range members {
				part[m] = parts
			}
			if parts++; wanted(members, g.last(members, part)) {
				if found == nil || members[0] < found[0] {
					found = members
				}
			}
		}
	}
	return found
}

// last tells whether nothing leads out of a set of states.
func (g *graph) last(members, part []int32) bool {
	for _, m := range members {
		for _, to := range g.of(int(m)) {
			if part[to] != part[m] {
				return false
			}
		}
	}
	return true
}

// graph has the edges of all states, one state after the other.
type graph struct {
	first []int32
	to    []int32
}

func (g *graph) of(state int) []int32 {
	last := len(g.to)
	if state+1 < len(g.first) {
		last = int(g.first[state+1])
	}
	return g.to[g.first[state]:last]
}
