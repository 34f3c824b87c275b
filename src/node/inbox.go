package node

import (
	"context"
	"sync"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/link"
)

// inbox is the queue between a node and its application. Content is bounded in
// octets: who brings more waits, and so holds back the peer that sent it. Who
// comes and goes is queued without waiting; if the application does not read,
// what cancels out is taken from the queue, so that it never grows beyond what
// there is to know.
type inbox struct {
	limit int // octets that content may take; set before anyone brings some

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

	ready chan struct{} // holds a token when the queue may have become non-empty

	current *Batch // the consumer's
	next    int    // index in current of the event to be read

	pool sync.Pool // of *Batch
}

// compactFrom is the least number of tidings that is worth compacting.
const compactFrom = 1024

// What an event and a frame count for beside the buffer that the content is in.
const (
	eventOctets = 96
	frameOctets = 24
)

func newInbox() *inbox {
	in := &inbox{compact: compactFrom, ready: make(chan struct{}, 1)}
	in.room.L = &in.mu
	in.pool.New = func() any { return new(Batch) }
	return in
}

// batch returns an empty batch for content of source, which it retains.
func (in *inbox) batch(source *link.Batch) *Batch {
	b := in.pool.Get().(*Batch)
	source.Retain()
	b.source, b.octets = source, source.Octets()
	return b
}

// push queues a batch of content that a receiver brings, and waits while the
// queue is full, about which waits is called first. It tells whether more may come: an inbox
// that has ended takes none, nor does one whose application has been told that the peer is gone.
func (in *inbox) push(b *Batch, from *receiver, waits func()) bool {
	in.mu.Lock()
	if in.octets >= in.limit && len(b.events) > 0 && !in.shut {
		from.stalled.Store(true)
		in.mu.Unlock()
		waits()
		in.mu.Lock()
		for in.octets >= in.limit && !in.shut && !from.gone.Load() {
			in.room.Wait()
		}
		from.stalled.Store(false)
	}
	taken := !in.shut && !from.gone.Load()
	if taken { // before the application has it, which may say goodbye then
		from.taken.Store(from.reached)
	}
	if taken && len(b.events) > 0 {
		in.octets += b.octets
		in.queue = append(in.queue, b)
		in.mu.Unlock()
		in.wake()
		return true
	}
	in.mu.Unlock()
	in.recycle(b)
	return taken
}

// post queues an event that carries no content. It never waits.
func (in *inbox) post(e Event) {
	in.mu.Lock()
	last := len(in.queue) - 1
	if last < in.head || in.queue[last].source != nil {
		in.queue = append(in.queue, in.pool.Get().(*Batch))
		last++
	}
	in.queue[last].events = append(in.queue[last].events, e)
	if in.tidings++; in.tidings >= in.compact {
		in.queue, in.head = compact(in.queue[in.head:], in.snapshot), 0
		in.tidings = 0
		for _, b := range in.queue {
			if b.source == nil {
				in.tidings += len(b.events)
			}
		}
		in.compact = max(compactFrom, 2*in.tidings)
	}
	in.mu.Unlock()
	in.wake()
}

// mark notes that the application has a snapshot: the events that it holds and
// those after it are told as they are.
func (in *inbox) mark(snapshot uint64) {
	in.mu.Lock()
	in.snapshot = snapshot
	in.mu.Unlock()
}

func (in *inbox) wake() {
	select {
	case in.ready <- struct{}{}:
	default:
	}
}

// dismiss lets a receiver bring no more, also if it waits for room.
func (in *inbox) dismiss(from *receiver) {
	in.mu.Lock()
	from.gone.Store(true)
	in.mu.Unlock()
	in.room.Broadcast()
}

// end lets no more content in; what is queued can still be read.
func (in *inbox) end() {
	in.mu.Lock()
	in.shut = true
	in.mu.Unlock()
	in.room.Broadcast()
}

// ended tells whether no more content is let in.
func (in *inbox) ended() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.shut
}

// close ends the queue: who has read what is in it is told so.
func (in *inbox) close() {
	in.end()
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	in.wake()
}

// recv waits for the next event.
func (in *inbox) recv(ctx context.Context) (*Event, error) {
	if in.current == nil || in.next == len(in.current.events) {
		if err := in.take(ctx); err != nil {
			return nil, err
		}
	}
	in.next++
	return &in.current.events[in.next-1], nil
}

// recvBatch waits for a run of events: the rest of one that recv has begun, or
// the next.
func (in *inbox) recvBatch(ctx context.Context) (*Batch, error) {
	if in.current == nil || in.next == len(in.current.events) {
		if err := in.take(ctx); err != nil {
			return nil, err
		}
	}
	b := in.current
	b.events = b.events[in.next:]
	in.next = len(b.events)
	return b, nil
}

// take makes the first batch of the queue the current one.
func (in *inbox) take(ctx context.Context) error {
	if in.current != nil {
		in.finish(in.current)
		in.current = nil
	}
	for {
		in.mu.Lock()
		if in.head < len(in.queue) {
			in.current, in.next = in.queue[in.head], 0
			in.queue[in.head] = nil
			if in.head++; in.head == len(in.queue) {
				in.queue, in.head = in.queue[:0], 0
			}
			if in.current.source == nil {
				in.tidings -= len(in.current.events)
			}
			in.mu.Unlock()
			return nil
		}
		closed := in.closed
		in.mu.Unlock()
		if closed {
			return api.ErrStopped
		}
		select {
		case <-in.ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// finish gives back what the application has read, and makes room.
func (in *inbox) finish(b *Batch) {
	if b.octets > 0 {
		in.mu.Lock()
		full := in.octets >= in.limit
		in.octets -= b.octets
		in.mu.Unlock()
		if full {
			in.room.Broadcast()
		}
	}
	in.recycle(b)
}

func (in *inbox) recycle(b *Batch) {
	if b.source != nil {
		b.source.Release()
	}
	clear(b.events)
	clear(b.frames)
	*b = Batch{events: b.events[:0], frames: b.frames[:0]}
	in.pool.Put(b)
}
