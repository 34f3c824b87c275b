package registry

import (
	"cmp"
	"slices"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// kept is an entry, and when it changed. One that takes its place makes it stale.
type kept struct {
	*Entry
	change uint64
	former []rendezvous.Tag // that it had, sorted
	stale  bool
}

// row is what is kept, by the change. What is stale stays in it while it is less than half of it.
type row struct {
	list  []*kept
	stale int
}

func (r *row) push(k *kept) { r.list = append(r.list, k) }

// drop notes that one in the row has become stale.
func (r *row) drop() {
	if r.stale++; 2*r.stale >= len(r.list) {
		r.list = slices.DeleteFunc(r.list, func(k *kept) bool { return k.stale })
		r.stale = 0
	}
}

// after returns what has changed after a change, and may be stale.
func (r *row) after(change uint64) []*kept {
	at, _ := slices.BinarySearchFunc(r.list, change+1, func(k *kept, c uint64) int { return cmp.Compare(k.change, c) })
	return r.list[at:]
}

// rows are several, of which one may be in more than one.
type rows [][]*kept

// next takes the first of all that is not stale, nil if there is none.
func (r rows) next() (first *kept) {
	for i := range r {
		for len(r[i]) > 0 && r[i][0].stale {
			r[i] = r[i][1:]
		}
		if len(r[i]) > 0 && (first == nil || r[i][0].change < first.change) {
			first = r[i][0]
		}
	}
	for i := range r {
		if len(r[i]) > 0 && r[i][0] == first {
			r[i] = r[i][1:]
		}
	}
	return first
}
