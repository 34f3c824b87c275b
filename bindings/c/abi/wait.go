package abi

import (
	"context"
	"fmt"
	"time"

	"github.com/sjohnr/at-once/src/check"
)

// Forever is the timeout of a wait that nothing ends but a cancel or a close.
const Forever = -1

// A Cancel ends calls that wait with it.
type Cancel struct {
	ctx context.Context
	end context.CancelFunc
}

// NewCancel returns a handle for something that ends waits.
func NewCancel() uint64 {
	ctx, end := context.WithCancel(context.Background())
	handle, _ := Open(&Cancel{ctx, end}, nil, nil)
	return handle
}

// Close ends all calls that wait with c.
func (c *Cancel) Close() error {
	c.cancel()
	return nil
}

func (c *Cancel) cancel() { c.end() }

// EndWaits ends all calls that wait with a handle of NewCancel, or the call of one of
// NewCall.
func EndWaits(handle uint64) int {
	c, _, code := Of[interface{ cancel() }](handle)
	if code == 0 {
		c.cancel()
	}
	return code
}

func nothing() {}

// expired is the context of calls that do not wait.
var expired, _ = context.WithDeadline(context.Background(), time.Unix(0, 0))

// within returns 0 if a timeout is one, else that of an error, whose message it notes.
func (e *Entry) within(timeout int64) int {
	if timeout >= Forever && timeout <= Longest {
		return 0
	}
	return e.note(codeNamed(check.ErrArgument), fmt.Sprintf("timeout: %d ms given, 0 to %d, or %d for none, allowed", timeout, Longest, Forever))
}

// Wait returns the context of a call that waits on an entry for so many milliseconds,
// and until a handle of NewCancel, if it is not 0, is ended.
func (e *Entry) Wait(timeout int64, cancel uint64) (context.Context, func(), int) {
	if code := e.within(timeout); code != 0 {
		return nil, nothing, code
	}
	if timeout < 0 && cancel == 0 {
		return e.ctx, nothing, 0
	}
	if timeout == 0 && cancel == 0 {
		return expired, nothing, 0
	}
	ctx, end := e.ctx, context.CancelFunc(nothing)
	if timeout >= 0 {
		ctx, end = context.WithTimeout(ctx, time.Duration(timeout)*time.Millisecond)
	}
	if cancel == 0 {
		return ctx, end, 0
	}
	c, _, code := Of[*Cancel](cancel)
	if code != 0 {
		end()
		return nil, nothing, code
	}
	ctx, both := context.WithCancel(ctx)
	stop := context.AfterFunc(c.ctx, both)
	return ctx, func() { stop(); both(); end() }, 0
}
