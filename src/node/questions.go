package node

import (
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/src/channel"
)

// questions are those of peers that wait for their answers, each with a number of ours.
type questions struct {
	mu   sync.Mutex
	last uint64 // number of the latest
	open map[uint64]asking
	of   map[*channel.Channel][]uint64 // the numbers of each peer's, lowest first
}

// asking is a question of a peer.
type asking struct {
	from   *channel.Channel
	number uint64 // as the peer has it
}

// add takes in a question that has just come, and returns the number that it is answered by:
// 0 if there are too many.
func (q *questions) add(from *channel.Channel, number uint64) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open == nil {
		q.last = rand.Uint64() >> 12 // so that none of an earlier life is taken for it; JSON has the rest
		q.open, q.of = map[uint64]asking{}, map[*channel.Channel][]uint64{}
	}
	if mine := q.of[from]; len(mine) == onceask.MaxToAPeer || len(q.open) == onceask.MaxOfANode {
		if len(mine) == 0 {
			return 0
		}
		q.takeLocked(mine[0])
	}
	q.last++
	q.putLocked(q.last, asking{from, number})
	return q.last
}

// put has a question wait again.
func (q *questions) put(ours uint64, a asking) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.putLocked(ours, a)
}

// putLocked has a question wait, if its peer is there.
func (q *questions) putLocked(ours uint64, a asking) {
	if a.from.Path() == nil {
		return
	}
	q.open[ours] = a
	at, _ := slices.BinarySearch(q.of[a.from], ours)
	q.of[a.from] = slices.Insert(q.of[a.from], at, ours)
}

// take returns a question that waits, and does no more.
func (q *questions) take(ours uint64) (asking, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.takeLocked(ours)
}

func (q *questions) takeLocked(ours uint64) (a asking, waits bool) {
	if a, waits = q.open[ours]; !waits {
		return a, false
	}
	delete(q.open, ours)
	at, _ := slices.BinarySearch(q.of[a.from], ours)
	if q.of[a.from] = slices.Delete(q.of[a.from], at, at+1); len(q.of[a.from]) == 0 {
		delete(q.of, a.from)
	}
	return a, true
}

// asker returns who has asked a question that waits.
func (q *questions) asker(ours uint64) (peer uuid.UUID, waits bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	a, waits := q.open[ours]
	if waits {
		peer = a.from.Peer().UUID()
	}
	return peer, waits
}

// forget forgets the questions of a peer that is gone.
func (q *questions) forget(from *channel.Channel) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, ours := range q.of[from] {
		delete(q.open, ours)
	}
	delete(q.of, from)
}
