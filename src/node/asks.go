package node

import (
	"math/rand/v2"
	"sync"

	"github.com/sjohnr/at-once/generated/go/onceask"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
)

// asks are the questions of a node that wait for their answers.
type asks struct {
	mu      sync.Mutex
	last    uint64 // number of the latest; the first is drawn by lot, so that none of an earlier life is taken for it
	waiting map[uint64]*ask
	to      map[*channel.Channel]int // how many of them
}

type ask struct {
	to     *channel.Channel
	answer chan *events.Event // has room for it
}

// begin notes a question to a peer, and returns its number; or nil, if too many wait.
func (a *asks) begin(to *channel.Channel) (*ask, uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		a.last, a.waiting, a.to = rand.Uint64(), map[uint64]*ask{}, map[*channel.Channel]int{}
	}
	if a.to[to] == onceask.MaxToAPeer || len(a.waiting) == onceask.MaxOfANode {
		return nil, 0
	}
	a.last++
	a.to[to]++
	waits := &ask{to, make(chan *events.Event, 1)}
	a.waiting[a.last] = waits
	return waits, a.last
}

// end notes that an answer is not waited for any more. It tells whether it was.
func (a *asks) end(number uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.takeLocked(number) != nil
}

// takeLocked returns the question that waits and has a number, or nil. It waits no more.
func (a *asks) takeLocked(number uint64) *ask {
	waits := a.waiting[number]
	if waits == nil {
		return nil
	}
	delete(a.waiting, number)
	if a.to[waits.to]--; a.to[waits.to] == 0 {
		delete(a.to, waits.to)
	}
	return waits
}

// waits tells whether a peer is to answer a question of some number.
func (a *asks) waits(by *channel.Channel, number uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waitsLocked(by, number)
}

func (a *asks) waitsLocked(by *channel.Channel, number uint64) bool {
	waits := a.waiting[number]
	return waits != nil && waits.to == by
}

// answered takes in what a peer answers a question of some number. It tells whether that is
// waited for.
func (a *asks) answered(by *channel.Channel, number uint64, answer *events.Event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.waitsLocked(by, number) {
		return false
	}
	a.takeLocked(number).answer <- answer
	return true
}

// answer is one that has come, to a question of some number.
type answer struct {
	number uint64
	event  *events.Event
}
