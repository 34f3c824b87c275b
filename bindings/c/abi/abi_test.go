//go:build linux

package abi

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

type object struct{ closed int }

func (o *object) Close() error { o.closed++; return nil }

// A handle is of one object only, and closing it closes what belongs to it, once.
func TestHandles(t *testing.T) {
	parent, child := &object{}, &object{}
	handle, _ := Open(parent, nil, nil)
	_, e, _ := Of[*object](handle)
	below, _ := Open(child, e, nil)
	if _, _, code := Of[*Cancel](below); code != CodeHandle {
		t.Error("a handle of one type is taken for one of another")
	}
	for range 2 {
		if code := Close(handle); code != 0 {
			t.Errorf("closing returned %d", code)
		}
	}
	if parent.closed != 1 || child.closed != 1 {
		t.Errorf("parent was closed %d times, child %d times", parent.closed, child.closed)
	}
	if next, _ := Open(&object{}, nil, nil); next == handle || next == below {
		t.Error("a handle was used again")
	}
	if _, _, code := Of[*object](below); code != CodeHandle {
		t.Error("the handle of what was closed is not stale")
	}
	if _, code := Open(child, e, nil); code != CodeHandle || child.closed != 2 {
		t.Error("something belongs to what is closed")
	}
	for _, never := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
		if Close(never) != CodeHandle {
			t.Errorf("%d is taken for a handle", never)
		}
	}
}

// Many threads may open and close at a time.
func TestHandlesAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				o := &object{}
				handle, _ := Open(o, nil, nil)
				if found, _, code := Of[*object](handle); code != 0 || found != o {
					t.Error("a handle is of something else")
				}
				if Close(handle) != 0 || o.closed != 1 {
					t.Error("it was not closed")
				}
			}
		})
	}
	all.Wait()
}

func TestWaits(t *testing.T) {
	handle, _ := Open(&object{}, nil, nil)
	_, e, _ := Of[*object](handle)
	cancel := NewCancel()
	ctx, done, code := e.Wait(Forever, cancel)
	if code != 0 || ctx.Err() != nil {
		t.Fatal(code, ctx.Err())
	}
	EndWaits(cancel)
	<-ctx.Done()
	if code := e.Fail(ctx.Err()); code != CodeCanceled {
		t.Errorf("code %d", code)
	}
	done()
	if _, _, code := e.Wait(0, handle); code != CodeHandle {
		t.Error("an object is taken for what cancels")
	}
	forever, _, _ := e.Wait(Forever, 0)
	Close(handle)
	<-forever.Done() // a close ends what waits
	Close(cancel)
}

// What is said of an error is told by its handle and code, also once it is closed.
func TestMessages(t *testing.T) {
	handle, _ := Open(&object{}, nil, nil)
	_, e, _ := Of[*object](handle)
	code := e.Fail(errors.New("it rains"))
	if code != CodeFailed || Message(handle, code) != "it rains" || Message(handle, CodeBusy) != Texts[CodeBusy] {
		t.Errorf("%d: %q", code, Message(handle, code))
	}
	Close(handle)
	e.Fail(errors.New("it is over"))
	if Message(handle, CodeFailed) != "it is over" {
		t.Errorf("%q", Message(handle, CodeFailed))
	}
}

// A writer that is bounded writes all of a record or says how much it needs.
func TestBoundedWriter(t *testing.T) {
	put := func(w *Writer) {
		at := w.Begin(7, 16+4+4+8)
		w.UUID(uuid.UUID{15: 9})
		w.Text("text")
		w.Frames([][]byte{{1}, nil})
		w.Time(time.Time{})
		w.End(at)
	}
	whole := NewWriter()
	put(whole)
	if size := binary.BigEndian.Uint32(whole.buf[1:]); int(size) != len(whole.buf)-5 {
		t.Fatalf("the length is %d of %d", size, len(whole.buf))
	}
	for size := range len(whole.buf) + 8 {
		var w Writer
		w.Reset(make([]byte, size))
		put(&w)
		if fits := size >= len(whole.buf); fits != (w.missing == 0) || fits && !bytes.Equal(w.buf, whole.buf) {
			t.Errorf("in %d octets: %d are missing", size, w.missing)
		}
		if w.missing > 0 && len(w.buf)+w.missing != len(whole.buf) {
			t.Errorf("in %d octets it says that it needs %d", size, len(w.buf)+w.missing)
		}
	}
}

// source has three events in each batch, until it is at its end.
type source struct{ batches chan Events }

func (s source) receive(ctx context.Context) (Events, error) {
	select {
	case e, ok := <-s.batches:
		if !ok {
			return Events{}, errors.New("the end")
		}
		return e, nil
	case <-ctx.Done():
		return Events{}, ctx.Err()
	}
}

func three() Events {
	return Events{Size: 3, Put: func(w *Writer, index int) {
		at := w.Begin(1, 1)
		w.Uint8(uint8(index))
		w.End(at)
	}}
}

// Events come in order and whole, whatever the buffer's size; the descriptor is readable
// while there are any.
func TestInbox(t *testing.T) {
	s := source{make(chan Events, 4)}
	handle, _ := Open(&object{}, nil, NewInbox(s.receive))
	_, e, _ := Of[*object](handle)
	s.batches <- three()
	if size, code := e.Read(Forever, 0, make([]byte, 5)); code != CodeRoom || size != 6 {
		t.Fatalf("%d, %d", size, code)
	}
	buf := make([]byte, 13)
	if size, code := e.Read(Forever, 0, buf); code != 0 || size != 12 || buf[5] != 0 || buf[11] != 1 {
		t.Fatalf("%d, %d: % x", size, code, buf)
	}
	fd, code := e.Descriptor()
	if code != 0 {
		t.Fatal(code)
	}
	readable := func(timeout int64) bool {
		var set syscall.FdSet
		set.Bits[fd/64] |= 1 << (fd % 64)
		n, err := syscall.Select(fd+1, &set, nil, nil, &syscall.Timeval{Sec: timeout})
		return err == nil && n == 1
	}
	if !readable(0) {
		t.Error("an event waits, and the descriptor is not readable")
	}
	if data, code := e.ReadOne(Forever, 0); code != 0 || data[5] != 2 {
		t.Fatal(code)
	}
	if readable(0) {
		t.Error("no event waits, and the descriptor is readable")
	}
	s.batches <- three()
	if !readable(10) {
		t.Error("an event waits, and the descriptor is not readable")
	}
	if size, code := e.Read(Forever, 0, make([]byte, 100)); code != 0 || size != 18 {
		t.Error(size, code)
	}
	close(s.batches)
	if _, code := e.Read(Forever, 0, buf); code != CodeFailed {
		t.Error(code)
	}
	if Close(handle) != 0 {
		t.Error("it does not close")
	}
}

// A thread that has had events soon looks out for the next ones before it sleeps; one that
// has had to wait for long, or is not to wait, does not.
func TestLookout(t *testing.T) {
	if !yield() {
		t.Skip("there is one processor, or no way to wait for others but to sleep")
	}
	synctest.Test(t, func(t *testing.T) {
		looks, nap := 0, time.Duration(0)
		handle, _ := Open(&object{}, nil, NewInbox(func(ctx context.Context) (Events, error) {
			looks++
			if time.Sleep(nap); ctx == expired && (looks%3 != 0 || nap > 0) {
				return Events{}, ctx.Err()
			}
			return three(), nil
		}))
		_, e, _ := Of[*object](handle)
		read := func(timeout int64, want, after int) {
			if _, code := e.Read(timeout, 0, make([]byte, 100)); code != want || looks != after {
				t.Errorf("code %d instead of %d, %d looks instead of %d", code, want, looks, after)
			}
		}
		read(Forever, 0, 1) // which has no reason to expect any
		read(Forever, 0, 3)
		read(0, CodeTimedOut, 4)
		nap = time.Second
		read(Forever, 0, 6) // once in vain, and then it waits
		nap = 0
		read(Forever, 0, 7)
		Close(handle)
	})
}

// One thread receives at a time.
func TestBusy(t *testing.T) {
	s := source{make(chan Events)}
	handle, _ := Open(&object{}, nil, NewInbox(s.receive))
	_, e, _ := Of[*object](handle)
	cancel := NewCancel()
	e.Inbox.reading.Lock()
	if _, code := e.Read(Forever, cancel, nil); code != CodeBusy {
		t.Error(code)
	}
	if _, code := e.ReadOne(Forever, cancel); code != CodeBusy {
		t.Error(code)
	}
	if _, code := e.Descriptor(); code != CodeBusy {
		t.Error(code)
	}
	e.Inbox.reading.Unlock()
	EndWaits(cancel)
	if _, code := e.Read(Forever, cancel, nil); code != CodeCanceled {
		t.Error(code)
	}
	if _, code := e.Read(Forever, handle, nil); code != CodeHandle {
		t.Error("an object is taken for what cancels")
	}
	Close(cancel)
	Close(handle)
}
