package events

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zre"
)

// Queue is what lies between a node and its application. Content is bounded in
// octets: who brings more waits, and so holds back the peer that sent it. Who
// comes and goes is queued without waiting; if the application does not read,
// what cancels out is taken from the queue, so that it never grows beyond what
// there is to know.
type Queue struct {
	limit int // octets that content may take
	from  int // tidings that are worth compacting

	mu       sync.Mutex
	room     sync.Cond
	queue    []*Batch
	head     int // index in queue of the first batch
	octets   int
	tidings  int    // events in the queue that carry no content
	compact  int    // tidings at which the queue is compacted
	shut     bool   // no more content is let in
	closed   bool   // nor anything else
	snapshot uint64 // version of the latest
	taps     []*Queue
	recent   []Facts  // the latest that Post was given of those who are not talked with
	gap      *lost    // of the last event of the queue that tells of it, if that is unread
	wants    []func() // whom to tell that there is room again

	ready chan struct{} // holds a token when the queue may have become non-empty

	back    func(*Batch) bool // the consumer's: yields what has come back and is read next; nil for nothing
	current *Batch            // the consumer's
	next    int               // index in current of the event to be read

	pool sync.Pool // of *Batch
}

// Bringer is a connection that brings content. Who holds it brings from one goroutine.
type Bringer struct {
	stalled atomic.Bool   // waits for the application
	gone    atomic.Bool   // the peer's exit has been told: what it said later is not
	taken   atomic.Uint64 // messages that were taken in, content into the queue
}

// Stalled tells whether the bringer waits for room.
func (b *Bringer) Stalled() bool { return b.stalled.Load() }

// Taken returns what was reached when the latest content was taken in.
func (b *Bringer) Taken() uint64 { return b.taken.Load() }

// New returns a queue that is compacted when so many tidings wait, at least.
func New(compactFrom int) *Queue {
	q := &Queue{from: compactFrom, compact: compactFrom, ready: make(chan struct{}, 1)}
	q.room.L = &q.mu
	q.pool.New = func() any { return new(Batch) }
	return q
}

// Limit sets how many octets content may take. It is called before there is any.
func (q *Queue) Limit(octets int) { q.limit = octets }

// Return queues content of ours that has come back from a peer, and is somewhere else until it is read:
// take adds the next of it to a batch and lets go of that there, and tells whether there is
// more. It never waits: it tells whether the queue takes any. Who taps the queue gets the
// content as other content: look hands on all of it, in runs.
func (q *Queue) Return(from *zre.Peer, take func(*Batch) (more bool), look func(do func([]Facts))) bool {
	q.mu.Lock()
	closed, taps := q.closed, slices.Clone(q.taps)
	q.mu.Unlock()
	if closed {
		return false
	}
	for _, tap := range taps {
		look(func(list []Facts) { tap.Offer(tap.returned(list)) })
	}
	b := q.pool.Get().(*Batch)
	b.back = take
	b.events = append(b.events, Event{Facts{Type: api.EventTypeUndelivered, Peer: from}}) // for compact
	q.mu.Lock()
	q.queue = append(q.queue, b)
	q.mu.Unlock()
	q.wake()
	return true
}

// returned returns a batch of content that has memory of its own.
func (q *Queue) returned(list []Facts) *Batch {
	b := q.pool.Get().(*Batch)
	for _, f := range list {
		b.Add(f)
		for _, frame := range f.Content {
			b.octets += len(frame)
		}
	}
	return b
}

// Batch returns an empty batch for content of source, which it retains.
func (q *Queue) Batch(source *link.Batch) *Batch {
	b := q.pool.Get().(*Batch)
	source.Retain()
	b.source, b.octets = source, source.Octets()
	return b
}

// Push queues a batch of content that somebody brings, and waits while the queue is
// full; waits is called before. If that is nil it does not wait: see [Queue.Room]. Then reached is what the bringer has taken in. It tells
// whether more may come: a queue that has ended takes none, and none of who was dismissed.
func (q *Queue) Push(b *Batch, from *Bringer, reached uint64, waits func()) bool {
	q.mu.Lock()
	if q.octets >= q.limit && len(b.events) > 0 && !q.shut && waits != nil {
		q.waitLocked(from, waits)
	}
	taken := !q.shut && !from.gone.Load()
	if taken { // before the application has it, which may say goodbye then
		from.taken.Store(reached)
	}
	if taken && len(b.events) > 0 {
		for _, tap := range q.taps {
			tap.Offer(tap.share(b))
		}
		q.octets += b.octets
		q.queue = append(q.queue, b)
		q.mu.Unlock()
		q.wake()
		return true
	}
	q.mu.Unlock()
	q.Recycle(b)
	return taken
}

// Await waits until there is room for content of who brings it, or none is let in any more;
// waits is called before, if it has to.
func (q *Queue) Await(from *Bringer, waits func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.octets >= q.limit && !q.shut {
		q.waitLocked(from, waits)
	}
}

func (q *Queue) waitLocked(from *Bringer, waits func()) {
	from.stalled.Store(true)
	q.mu.Unlock()
	waits()
	q.mu.Lock()
	for q.octets >= q.limit && !q.shut && !from.gone.Load() {
		q.room.Wait()
	}
	from.stalled.Store(false)
}

// Room tells whether there is room for more content. If not, tell is called once there is,
// by who reads the queue.
func (q *Queue) Room(tell func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.octets < q.limit || q.shut {
		return true
	}
	q.wants = append(q.wants, tell)
	return false
}

// Post queues an event that carries no content. It never waits.
func (q *Queue) Post(f Facts) {
	q.mu.Lock()
	for _, tap := range q.taps {
		tap.Post(f)
	}
	switch f.Type {
	case api.EventTypeRefused, api.EventTypeUnreachable, api.EventTypeTwin:
		q.recent = append(q.recent[max(len(q.recent)-MaxNotices+1, 0):], f)
	}
	q.postLocked(f)
	q.mu.Unlock()
	q.wake()
}

func (q *Queue) postLocked(f Facts) {
	last := len(q.queue) - 1
	if last < q.head || q.queue[last].carries() {
		q.queue = append(q.queue, q.pool.Get().(*Batch))
		last++
	}
	q.queue[last].events = append(q.queue[last].events, Event{f})
	if q.tidings++; q.tidings >= q.compact {
		q.queue, q.head = compact(q.queue[q.head:], q.snapshot), 0
		q.tidings = 0
		for _, b := range q.queue {
			if !b.carries() {
				q.tidings += len(b.events)
			}
		}
		q.compact = max(q.from, 2*q.tidings)
	}
}

// Mark notes that the application has a snapshot: the events that it holds and
// those after it are told as they are.
func (q *Queue) Mark(snapshot uint64) {
	q.mu.Lock()
	q.snapshot = snapshot
	q.mu.Unlock()
}

func (q *Queue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// Dismiss lets somebody bring no more, also if it waits for room.
func (q *Queue) Dismiss(from *Bringer) {
	q.mu.Lock()
	from.gone.Store(true)
	q.mu.Unlock()
	q.room.Broadcast()
}

// End lets no more content in; what is queued can still be read.
func (q *Queue) End() {
	q.mu.Lock()
	q.shut = true
	q.mu.Unlock()
	q.room.Broadcast()
}

// Ended tells whether no more content is let q.
func (q *Queue) Ended() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.shut
}

// Close ends the queue: who has read what is in it is told so.
func (q *Queue) Close() {
	q.End()
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
}

// Recv waits for the next event.
func (q *Queue) Recv(ctx context.Context) (*Event, error) {
	if err := q.take(ctx); err != nil {
		return nil, err
	}
	q.next++
	return &q.current.events[q.next-1], nil
}

// RecvBatch waits for a run of events: the rest of one that recv has begun, or
// the next.
func (q *Queue) RecvBatch(ctx context.Context) (*Batch, error) {
	if err := q.take(ctx); err != nil {
		return nil, err
	}
	b := q.current
	b.events = b.events[q.next:]
	q.next = len(b.events)
	return b, nil
}

// take makes the first batch of the queue the current one, if all of that was read.
func (q *Queue) take(ctx context.Context) error {
	if q.current != nil {
		if q.next < len(q.current.events) {
			return nil
		}
		q.finish(q.current)
		q.current = nil
	}
	for {
		for q.back != nil {
			if q.takeBack() {
				return nil
			}
		}
		q.mu.Lock()
		b, closed := q.firstLocked(), q.closed
		q.mu.Unlock()
		switch {
		case b != nil && b.back != nil:
			q.back = b.back
			q.Recycle(b)
			continue
		case b != nil:
			q.current, q.next = b, 0
			return nil
		case closed:
			return api.ErrStopped
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// firstLocked takes the first batch from the queue, or returns nil.
func (q *Queue) firstLocked() (b *Batch) {
	if q.head == len(q.queue) {
		return nil
	}
	b, q.gap = q.queue[q.head], nil
	q.queue[q.head] = nil
	if q.head++; q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
	}
	if !b.carries() {
		q.tidings -= len(b.events)
	}
	return b
}

// takeBack makes the next of what has come back the current batch, if there is some.
func (q *Queue) takeBack() bool {
	b := q.pool.Get().(*Batch)
	if !q.back(b) {
		q.back = nil
	}
	if b.octets = 0; len(b.events) == 0 { // it counts where it was
		q.Recycle(b)
		return false
	}
	q.current, q.next = b, 0
	return true
}

// finish gives back what the application has read, and makes room.
func (q *Queue) finish(b *Batch) {
	if b.octets > 0 {
		q.mu.Lock()
		full := q.octets >= q.limit
		q.octets -= b.octets
		var tell []func()
		if full && q.octets < q.limit {
			tell, q.wants = q.wants, nil
		}
		q.mu.Unlock()
		if full {
			q.room.Broadcast()
		}
		for _, do := range tell {
			do()
		}
	}
	q.Recycle(b)
}

// Recycle gives back a batch that is not queued.
func (q *Queue) Recycle(b *Batch) {
	if b.source != nil {
		b.source.Release()
	}
	clear(b.events)
	clear(b.frames)
	*b = Batch{events: b.events[:0], frames: b.frames[:0]}
	q.pool.Put(b)
}

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
