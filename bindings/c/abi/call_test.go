//go:build linux

package abi

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/check"
)

// waiting is what a call does until it is told to end.
func waiting(release chan int, begun *int) func() func(context.Context) (any, error) {
	return func() func(context.Context) (any, error) {
		*begun++
		return func(ctx context.Context) (any, error) {
			select {
			case v := <-release:
				return v, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
}

// newCall returns a call, an object that it may be begun on, and their handles.
func newCall(t *testing.T, timeout int64, cancel, calls uint64) (*Call, *Entry, uint64) {
	t.Helper()
	handle, code := NewCall(timeout, cancel, calls)
	if code != 0 {
		t.Fatal(code)
	}
	on, _ := Open(&object{}, nil, nil)
	_, e, _ := Of[*object](on)
	t.Cleanup(func() { Close(on); Close(handle) })
	return CallOf(handle), e, handle
}

// A call is begun once, however often it is made while it goes on, and its outcome is
// had once.
func TestCallGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, begun, release := NewCalls(), 0, make(chan int)
		defer Close(calls)
		c, e, handle := newCall(t, Forever, 0, calls)
		for range 3 {
			if _, code := c.Go(e, "ask", 200, waiting(release, &begun)); code != CodePending || begun != 1 {
				t.Fatalf("code %d, begun %d times", code, begun)
			}
		}
		if _, code := c.Go(e, "flush", 0, waiting(release, &begun)); code != CodeBusy {
			t.Errorf("another function: code %d", code)
		}
		if _, code := NextCall(calls, 0, 0); code != CodeTimedOut {
			t.Errorf("a call that has no outcome is told: code %d", code)
		}
		release <- 7
		if told, code := NextCall(calls, 1000, 0); code != 0 || told != handle {
			t.Errorf("told %d, code %d", told, code)
		}
		if got, code := c.Go(e, "ask", 0, waiting(release, &begun)); code != 0 || got != 7 || begun != 1 {
			t.Errorf("%v, code %d, begun %d times", got, code, begun)
		}
		if _, code := c.Go(e, "flush", 0, waiting(release, &begun)); code != CodePending || begun != 2 {
			t.Errorf("the next call: code %d, begun %d times", code, begun)
		}
	})
}

// A call ends by its own timeout, by its cancel, by that of the program, and with what it
// was begun on.
func TestCallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancel := NewCancel()
		defer Close(cancel)
		for _, test := range []struct {
			what    string
			timeout int64
			end     func(call uint64, e *Entry)
			code    int
		}{
			{"timeout", 1000, func(uint64, *Entry) { time.Sleep(time.Second) }, CodeTimedOut},
			{"cancel", Forever, func(call uint64, _ *Entry) { EndWaits(call) }, CodeCanceled},
			{"closed", Forever, func(_ uint64, e *Entry) { Close(e.handle) }, CodeCanceled},
			{"program", Forever, func(uint64, *Entry) { EndWaits(cancel) }, CodeCanceled},
		} {
			c, e, handle := newCall(t, test.timeout, cancel, 0)
			begun := 0
			if _, code := c.Go(e, "ask", 0, waiting(nil, &begun)); code != CodePending {
				t.Fatalf("%s: code %d", test.what, code)
			}
			test.end(handle, e)
			if _, code := c.Go(e, "ask", Forever, waiting(nil, &begun)); code != test.code || begun != 1 {
				t.Errorf("%s: code %d, begun %d times", test.what, code, begun)
			}
		}
	})
}

// Calls whose outcome was taken, or that were closed, are told no more and take no room.
func TestCallsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, begun, release := NewCalls(), 0, make(chan int, 1)
		defer Close(calls)
		q, _, _ := Of[*Calls](calls)
		for i := range 100 {
			c, e, handle := newCall(t, Forever, 0, calls)
			release <- i
			if _, code := c.Go(e, "ask", Forever, waiting(release, &begun)); code != 0 {
				t.Fatal(code)
			}
			if _, code := c.Go(e, "ask", 0, waiting(release, &begun)); code != CodePending {
				t.Fatal(code)
			}
			release <- i
			synctest.Wait()
			if len(q.over) != 1 || q.over[0] != c {
				t.Fatalf("%d calls have an outcome", len(q.over))
			}
			Close(handle)
			synctest.Wait()
		}
		if told, code := NextCall(calls, 0, 0); code != CodeTimedOut {
			t.Errorf("told of call %d, code %d", told, code)
		}
	})
}

// A call whose object is closed has nothing under way, and may begin another.
func TestCallOutlivesObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls, begun, release := NewCalls(), 0, make(chan int, 1)
		defer Close(calls)
		c, e, handle := newCall(t, Forever, 0, calls)
		_, other, _ := newCall(t, Forever, 0, 0)
		lost := &object{}
		if _, code := c.Go(e, "ask", 0, func() func(context.Context) (any, error) {
			return func(ctx context.Context) (any, error) { <-ctx.Done(); return lost, nil }
		}); code != CodePending {
			t.Fatal(code)
		}
		Close(e.handle)
		release <- 7
		if got, code := c.Go(other, "ask", Forever, waiting(release, &begun)); code != 0 || got != 7 {
			t.Errorf("another call: %v, code %d", got, code)
		}
		if lost.closed != 1 {
			t.Errorf("an outcome that nobody can take is closed %d times", lost.closed)
		}
		Close(handle)
		if _, code := c.Go(other, "ask", 0, waiting(release, &begun)); code != CodeHandle {
			t.Errorf("a call that is closed begins: code %d", code)
		}
	})
}

// A close waits for the end of the call.
func TestCallIsClosed(t *testing.T) {
	c, e, handle := newCall(t, Forever, 0, 0)
	ended := false
	_, code := c.Go(e, "ask", 0, func() func(context.Context) (any, error) {
		return func(ctx context.Context) (any, error) {
			<-ctx.Done()
			ended = true
			return nil, ctx.Err()
		}
	})
	if code != CodePending || Close(handle) != 0 || !ended {
		t.Errorf("code %d, ended %v", code, ended)
	}
	for _, never := range [][2]uint64{{handle, 0}, {0, handle}} {
		if _, code := NewCall(Forever, never[0], never[1]); code != CodeHandle {
			t.Errorf("what was closed is taken: code %d", code)
		}
	}
}

// Events that a call has received are not lost with it, and while it waits others do not.
func TestCallReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, calls := source{make(chan Events, 4)}, NewCalls()
		defer Close(calls)
		handle, _ := Open(&object{}, nil, NewInbox(s.receive))
		defer Close(handle)
		_, e, _ := Of[*object](handle)
		buf := make([]byte, 100)
		read := func(call uint64, want, octets int) {
			t.Helper()
			if size, code := e.Read(0, call, buf); code != want || size != octets {
				t.Errorf("code %d and %d octets instead of %d and %d", code, size, want, octets)
			}
		}
		call, _ := NewCall(Forever, 0, calls)
		other, _ := NewCall(Forever, 0, calls)
		defer Close(other)
		read(call, CodePending, 0)
		read(0, CodeBusy, 0)
		read(other, CodeBusy, 0)
		if _, code := e.Descriptor(); code != CodeBusy {
			t.Errorf("a descriptor while a call waits: code %d", code)
		}
		s.batches <- three()
		if told, code := NextCall(calls, Forever, 0); told != call || code != 0 {
			t.Errorf("told %d, code %d", told, code)
		}
		read(call, 0, 18)
		read(call, CodePending, 0)
		s.batches <- three()
		synctest.Wait()
		Close(call)
		read(other, 0, 18)
		read(other, CodePending, 0)
		close(s.batches)
		synctest.Wait()
		read(other, CodeFailed, 0)
	})
}

// A timeout that is none is refused, wherever it is given, and the error names it.
func TestTimeouts(t *testing.T) {
	s := source{make(chan Events, 1)}
	handle, _ := Open(&object{}, nil, NewInbox(s.receive))
	defer Close(handle)
	_, e, _ := Of[*object](handle)
	argument := codeNamed(check.ErrArgument)
	s.batches <- three()
	for _, timeout := range []int64{-2, -1 << 63, Longest + 1, 1<<63 - 1} {
		if _, code := e.Read(timeout, 0, make([]byte, 100)); code != argument {
			t.Errorf("%d: events are received: code %d", timeout, code)
		}
		if _, _, code := e.Wait(timeout, 0); code != argument {
			t.Errorf("%d: code %d", timeout, code)
		}
		if _, code := NewCall(timeout, 0, 0); code != argument {
			t.Errorf("%d: a call: code %d", timeout, code)
		}
	}
	if said := Message(handle, argument); said != "timeout: 9223372036854775807 ms given, 0 to 1099511627776, or -1 for none, allowed" {
		t.Error(said)
	}
	if _, done, code := e.Wait(Longest, 0); code != 0 {
		t.Errorf("the longest: code %d", code)
	} else {
		done()
	}
}

// What peers say that is no UTF-8 is handed out as UTF-8.
func TestUTF8(t *testing.T) {
	w := NewWriter()
	at := w.Begin(7, 8)
	w.Text("Z\xfcrich")
	w.Map(map[string]string{"\xff": "a\xffb"})
	w.End(at)
	if got, want := string(w.Bytes()[13:]), "Z\ufffdrich\x00\x00\x00\x03\ufffd\x00\x00\x00\x05a\ufffdb"; got != want {
		t.Errorf("%q instead of %q", got, want)
	}
	if raw := Alone((*Writer).Frames, [][]byte{{0xff}}); raw[8] != 0xff {
		t.Error("content is changed")
	}
}
