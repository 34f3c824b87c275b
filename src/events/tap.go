package events

import (
	"fmt"
	"slices"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/zre"
)

// Tap has another queue get all that this one gets from now on. Content for which that has
// no room is dropped there, and told by an overrun: who reads this queue is never held up
// by who reads the other. It is also told of whom there has been no talking with since a
// time: that is not told again for a while.
func (q *Queue) Tap(other *Queue, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, f := range q.recent {
		if f.At.After(since) {
			other.Post(f)
		}
	}
	q.taps = append(q.taps, other)
}

// Untap ends that.
func (q *Queue) Untap(other *Queue) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taps = slices.DeleteFunc(q.taps, func(tap *Queue) bool { return tap == other })
}

// remember keeps what somebody may need to know who taps the queue later.
func (q *Queue) remember(f Facts) {
	switch f.Type {
	case api.EventTypeRefused, api.EventTypeUnreachable, api.EventTypeTwin:
		q.recent = append(q.recent[max(len(q.recent)-MaxNotices+1, 0):], f)
	}
}

// share returns a batch with the content of one of another queue.
func (q *Queue) share(b *Batch) *Batch {
	same := q.Batch(b.source)
	same.octets = b.octets
	for _, e := range b.events {
		e.facts.Content = slices.Clone(e.facts.Content)
		same.events = append(same.events, e)
	}
	return same
}

// Offer queues a batch of content if there is room now. Else it is dropped, and an overrun
// tells how much that is.
func (q *Queue) Offer(b *Batch) {
	q.mu.Lock()
	switch {
	case q.shut || len(b.events) == 0:
	case q.octets < q.limit:
		q.octets += b.octets
		q.queue, q.gap = append(q.queue, b), nil
		q.mu.Unlock()
		q.wake()
		return
	case q.gap == nil:
		q.gap = new(lost)
		q.postLocked(Facts{Type: api.EventTypeOverrun, Peer: nobody, At: time.Now(), lost: q.gap})
		fallthrough
	default:
		q.gap.messages += len(b.events)
		for i := range b.events {
			for _, frame := range b.events[i].Msg() {
				q.gap.octets += len(frame)
			}
		}
	}
	q.mu.Unlock()
	q.wake()
	q.Recycle(b)
}

// nobody is the peer of an overrun.
var nobody = new(zre.Peer)

// lost is how much content was dropped. It grows while it is in a queue, with the lock of
// that.
type lost struct{ messages, octets int }

func (l *lost) String() string {
	return fmt.Sprintf("this program has not got %d messages, of %d octets: it reads more slowly than they are said", l.messages, l.octets)
}
