package abi

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A Call is a call that goes on while nobody waits for it: it is given in place of a
// [Cancel], and again, with the same function, until that has an outcome. There is one
// at a time.
type Call struct {
	Cancel
	handle uint64 // of the call; set before anybody can know it
	calls  *Calls // where it is told that there is an outcome, or nil

	mu     sync.Mutex
	closed bool
	of     *Entry        // what it was begun on, nil while there is none
	name   string        // the function
	done   chan struct{} // closed when there is an outcome
	value  any           // which is this
	err    error
}

// Calls are those that have an outcome which nobody has taken, in order.
type Calls struct {
	mu    sync.Mutex
	over  []*Call
	there chan struct{} // has room for one; not empty if there are any
}

// NewCalls returns a handle for calls that have an outcome.
func NewCalls() uint64 {
	handle, _ := Open(&Calls{there: make(chan struct{}, 1)}, nil, nil)
	return handle
}

// NewCall returns a handle for a call that ends after so many milliseconds, which a handle
// of [NewCancel] ends too, and of which one of [NewCalls] is told. Both may be 0.
func NewCall(timeout int64, cancel, calls uint64) (uint64, int) {
	if code := loose.within(timeout); code != 0 {
		return 0, code
	}
	c := &Call{}
	above := context.Background()
	if cancel != 0 {
		by, _, code := Of[*Cancel](cancel)
		if code != 0 {
			return 0, code
		}
		above = by.ctx
	}
	if calls != 0 {
		var code int
		if c.calls, _, code = Of[*Calls](calls); code != 0 {
			return 0, code
		}
	}
	if timeout < 0 {
		c.ctx, c.end = context.WithCancel(above)
	} else {
		c.ctx, c.end = context.WithTimeout(above, time.Duration(timeout)*time.Millisecond)
	}
	handle, code := Open(c, nil, nil)
	c.handle = handle
	return handle, code
}

// CallOf returns the call that is given in place of a cancel, or nil.
func CallOf(cancel uint64) *Call {
	if cancel == 0 {
		return nil
	}
	c, _, _ := Of[*Call](cancel)
	return c
}

// Go begins what prepare returns, on an entry in the name of a function, unless that is
// under way, and waits for its outcome for so many milliseconds. It returns CodePending if
// there is none yet.
func (c *Call) Go(e *Entry, name string, timeout int64, prepare func() func(context.Context) (any, error)) (any, int) {
	ctx, end, code := e.Wait(timeout, 0)
	if code != 0 {
		return nil, code
	}
	defer end()
	done, code := c.begin(e, name, prepare)
	if code != 0 {
		return nil, code
	}
	select {
	case <-done:
	default:
		select {
		case <-done:
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return nil, CodePending
			}
			<-done // what it was begun on is closed, and so it ends
		}
	}
	return c.take(e, done)
}

// begin returns what tells that the call under way has an outcome.
func (c *Call) begin(e *Entry, name string, prepare func() func(context.Context) (any, error)) (chan struct{}, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, CodeHandle
	}
	if c.of != nil && c.of != e && c.of.ctx.Err() != nil {
		_ = c.drop() // what it was begun on is closed, and so nobody can take its outcome
	}
	if c.of != nil {
		if c.of != e || c.name != name {
			return nil, CodeBusy
		}
		return c.done, 0
	}
	c.of, c.name, c.done = e, name, make(chan struct{})
	work, done := prepare(), c.done
	go func() {
		ctx, end := context.WithCancel(c.ctx)
		stop := context.AfterFunc(e.ctx, end)
		c.value, c.err = work(ctx) // which nobody reads before done is closed
		stop()
		end()
		close(done)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.done == done {
			c.calls.tell(c)
		}
	}()
	return done, 0
}

// take hands the outcome out, once, and makes room for another call.
func (c *Call) take(e *Entry, done chan struct{}) (any, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != done {
		return nil, CodeBusy // another thread was sooner
	}
	value, err := c.value, c.err
	c.clear()
	return value, e.Fail(err)
}

// clear makes room for another call.
func (c *Call) clear() {
	c.calls.forget(c)
	c.of, c.done, c.value, c.err = nil, nil, nil, nil
}

// drop waits for the outcome, which comes soon, and releases it.
func (c *Call) drop() error {
	<-c.done
	value := c.value
	c.clear()
	return closeObject(value)
}

// Close ends the call, waits until it has ended, and releases an outcome that nobody took.
func (c *Call) Close() error {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.of == nil {
		return nil
	}
	return c.drop()
}

// tell notes that a call has an outcome.
func (q *Calls) tell(call *Call) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = append(q.over, call)
	q.signal()
}

// forget leaves out a call whose outcome is taken, or lost.
func (q *Calls) forget(call *Call) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.over, call); i >= 0 {
		q.over = slices.Delete(q.over, i, i+1)
	}
}

func (q *Calls) signal() {
	select {
	case q.there <- struct{}{}:
	default:
	}
}

// NextCall waits, as [Entry.Wait] says how long, for the next call that has an outcome.
func NextCall(calls uint64, timeout int64, cancel uint64) (uint64, int) {
	q, e, code := Of[*Calls](calls)
	if code != 0 {
		return 0, code
	}
	ctx, end, code := e.Wait(timeout, cancel)
	if code != 0 {
		return 0, code
	}
	defer end()
	for {
		if call, ok := q.take(); ok {
			return call, 0
		}
		select {
		case <-q.there:
		case <-ctx.Done():
			return 0, e.Fail(ctx.Err())
		}
	}
}

func (q *Calls) take() (uint64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.over) == 0 {
		return 0, false
	}
	call := q.over[0]
	q.over = slices.Delete(q.over, 0, 1)
	if len(q.over) > 0 {
		q.signal() // another thread may wait for that
	}
	return call.handle, true
}
