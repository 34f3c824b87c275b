package main

import (
	"context"
	"errors"
	"sync"
)

// errQuit ends a conversation.
var errQuit = errors.New("quit")

// typed is a line that somebody has entered. One that is said is text, whatever it begins
// with.
type typed struct {
	text string
	said bool
}

// maxWaits is how many lines may wait to be obeyed.
const maxWaits = 1 << 12

// lineQueue has the lines that wait to be obeyed, at most maxWaits.
type lineQueue struct {
	mu    sync.Mutex
	lines []typed
	more  chan struct{} // has one when there are some
}

func newLineQueue() *lineQueue { return &lineQueue{more: make(chan struct{}, 1)} }

// put adds lines, all or none, and tells whether there was room.
func (q *lineQueue) put(lines ...typed) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines)+len(lines) > maxWaits {
		return false
	}
	q.lines = append(q.lines, lines...)
	select {
	case q.more <- struct{}{}:
	default:
	}
	return true
}

// pass passes the lines on, in their order, until ctx ends.
func (q *lineQueue) pass(ctx context.Context, to chan<- typed) {
	for {
		line, found := q.take()
		for ; found; line, found = q.take() {
			select {
			case to <- line:
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-q.more:
		case <-ctx.Done():
			return
		}
	}
}

func (q *lineQueue) take() (line typed, found bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) == 0 {
		return typed{}, false
	}
	line, q.lines = q.lines[0], q.lines[1:]
	return line, true
}
