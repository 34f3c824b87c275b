package abi

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lookout is how long events are looked out for by a thread that stays awake.
const lookout = 50 * time.Microsecond

// Events are what a node has told at one time: how many, and how to write each.
type Events struct {
	Size int
	Put  func(w *Writer, index int)
}

// An Inbox hands the events of a node out, in order, as far as the caller has room.
// There may be one reader at a time.
type Inbox struct {
	receive func(context.Context) (Events, error)

	reading sync.Mutex // held by the reader
	rest    Events     // what was received and not handed out; from index next on
	next    int
	brisk   bool // events came soon after they were last waited for
	writer  Writer

	mu      sync.Mutex
	pump    *pump   // once there is a descriptor
	by      *Call   // that waits for events, or nil
	arrived *Events // what it has brought, and nobody has had yet
	done    bool
}

// NewInbox returns the inbox of a node whose events receive returns.
func NewInbox(receive func(context.Context) (Events, error)) *Inbox {
	return &Inbox{receive: receive}
}

// Read waits for events, as [Entry.Wait] says how long, and writes as many as it can into
// buf. It returns how many octets that is. If buf has no room for the first, it returns
// CodeRoom and how many octets it needs; the event stays.
func (e *Entry) Read(timeout int64, cancel uint64, buf []byte) (int, int) {
	in := e.Inbox
	if !in.reading.TryLock() {
		return 0, CodeBusy
	}
	defer in.reading.Unlock()
	if code := e.fill(timeout, cancel); code != 0 {
		return 0, code
	}
	w := &in.writer
	w.Reset(buf)
	for in.next < in.rest.Size {
		end := len(w.buf)
		w.missing = 0
		in.rest.Put(w, in.next)
		if w.missing > 0 {
			missing := len(w.buf) + w.missing
			w.buf = w.buf[:end]
			if end == 0 {
				return missing, CodeRoom
			}
			break
		}
		in.next++
	}
	in.drained()
	return len(w.buf), 0
}

// ReadOne waits for the next event and returns it.
func (e *Entry) ReadOne(timeout int64, cancel uint64) ([]byte, int) {
	in := e.Inbox
	if !in.reading.TryLock() {
		return nil, CodeBusy
	}
	defer in.reading.Unlock()
	if code := e.fill(timeout, cancel); code != 0 {
		return nil, code
	}
	w := NewWriter()
	in.rest.Put(w, in.next)
	in.next++
	in.drained()
	return w.buf, 0
}

// fill sees to it that there is an event to hand out.
func (e *Entry) fill(timeout int64, cancel uint64) int {
	if code := e.within(timeout); code != 0 {
		return code
	}
	in := e.Inbox
	if c := CallOf(cancel); c != nil {
		return e.fillBy(c, timeout)
	}
	if _, _, code := Of[*Cancel](cancel); code != 0 && cancel != 0 {
		return code
	}
	if in.next < in.rest.Size {
		return 0
	}
	receive, by := in.source()
	if events := in.claim(); events != nil {
		return e.filled(*events, nil)
	}
	if by != nil {
		return CodeBusy
	}
	return e.await(receive, timeout, cancel)
}

// fillBy is fill for a call, which receives what it waits for on behalf of all.
func (e *Entry) fillBy(c *Call, timeout int64) int {
	in := e.Inbox
	for in.next >= in.rest.Size {
		if events := in.claim(); events != nil {
			return e.filled(*events, nil)
		}
		receive, by := in.source()
		if by != nil && by != c {
			return CodeBusy
		}
		_, code := c.Go(e, "recv", timeout, func() func(context.Context) (any, error) {
			in.wait(c)
			return func(ctx context.Context) (any, error) { return nil, in.arrive(receive(ctx)) }
		})
		if code != 0 {
			return code
		}
	}
	return 0
}

// await waits for events. A thread of C that Go puts to sleep takes long to wake, and so
// does setting a clock: it looks out for events for a while first, if it had not to wait
// for long the last time.
func (e *Entry) await(receive func(context.Context) (Events, error), timeout int64, cancel uint64) int {
	in, begin := e.Inbox, time.Now()
	for in.brisk && timeout != 0 && time.Since(begin) < lookout {
		if events, err := receive(expired); !errors.Is(err, context.DeadlineExceeded) {
			return e.filled(events, err)
		}
		if !yield() {
			break
		}
	}
	ctx, done, code := e.Wait(timeout, cancel)
	if code != 0 {
		return code
	}
	defer done()
	events, err := receive(ctx)
	in.brisk = time.Since(begin) < 4*lookout
	return e.filled(events, err)
}

// source returns where events come from, and the call that waits for them, if any.
func (in *Inbox) source() (func(context.Context) (Events, error), *Call) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.pump != nil {
		return in.pump.take, in.by
	}
	return in.receive, in.by
}

// wait notes that a call waits for events; what the one before it has brought stays.
func (in *Inbox) wait(c *Call) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.by = c
}

// arrive keeps what a call has received until somebody has it, or returns why it has not.
func (in *Inbox) arrive(events Events, err error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.by = nil
	if err == nil {
		in.arrived = &events
	}
	return err
}

// claim returns what a call has brought, once, or nil.
func (in *Inbox) claim() *Events {
	in.mu.Lock()
	defer in.mu.Unlock()
	events := in.arrived
	in.arrived = nil
	return events
}

func (e *Entry) filled(events Events, err error) int {
	if err != nil {
		events = Events{}
	}
	e.Inbox.rest, e.Inbox.next = events, 0
	return e.Fail(err)
}

func (in *Inbox) pumped() *pump {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.pump
}

// drained lets the pump go on when all that it has brought is handed out.
func (in *Inbox) drained() {
	if in.next < in.rest.Size {
		return
	}
	in.rest = Events{}
	if p := in.pumped(); p != nil {
		p.goOn()
	}
}

// Descriptor returns a descriptor that is readable while events wait, or after the
// last.
func (e *Entry) Descriptor() (int, int) {
	in := e.Inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.done {
		return -1, CodeHandle
	}
	if in.pump == nil {
		if in.by != nil || !in.reading.TryLock() { // the reader would wait for what the pump takes
			return -1, CodeBusy
		}
		defer in.reading.Unlock()
		p, err := newPump(e.ctx, in.receive, in.next < in.rest.Size || in.arrived != nil)
		if err != nil {
			return -1, e.Fail(err)
		}
		in.pump = p
	}
	return in.pump.descriptor(), 0
}

// close waits for the pump, and lets no other begin.
func (in *Inbox) close() {
	in.mu.Lock()
	p := in.pump
	in.done = true
	in.mu.Unlock()
	if p != nil {
		p.close()
	}
}
