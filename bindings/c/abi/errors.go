package abi

import (
	"context"
	"errors"
	"sync"

	"github.com/sjohnr/at-once/bindings/go/libonce"
)

// loose has the messages of calls that have no handle.
var loose = &Entry{}

// closedMessages has the entries of those handles that failed to close, the last ones.
var closedMessages struct {
	sync.Mutex
	last [64]struct {
		handle uint64
		entry  *Entry
	}
	next int
}

// codeOf returns the code of an error.
func codeOf(err error) int {
	switch { // what became of a question matters more than what has ended the wait
	case errors.Is(err, libonce.ErrNoAnswer):
		return codeNamed(libonce.ErrNoAnswer)
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimedOut
	case errors.Is(err, context.Canceled):
		return CodeCanceled
	}
	return codeNamed(err)
}

// codeNamed returns the code of an error by what the class models call it.
func codeNamed(err error) int {
	for _, known := range errorCodes {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return CodeFailed
}

// Fail returns the code of an error, 0 for none, and notes its message.
func (e *Entry) Fail(err error) int {
	switch err {
	case nil:
		return 0
	case context.DeadlineExceeded:
		return CodeTimedOut
	case context.Canceled:
		return CodeCanceled
	}
	return e.note(codeOf(err), err.Error())
}

// FailLoose is Fail where there is no handle.
func FailLoose(err error) int { return loose.Fail(err) }

func (e *Entry) note(code int, message string) int {
	e.mu.Lock()
	if e.messages == nil {
		e.messages = map[int]string{}
	}
	e.messages[code] = message // at most one for each code that there is
	closed := e.children == nil && e != loose
	e.mu.Unlock()
	if closed {
		keepClosed(e)
	}
	return code
}

// keepClosed has the messages of what was closed last stay readable, such as what a
// node says that stops.
func keepClosed(e *Entry) {
	closedMessages.Lock()
	defer closedMessages.Unlock()
	at := &closedMessages.last[closedMessages.next%len(closedMessages.last)]
	at.handle, at.entry = e.handle, e
	closedMessages.next++
}

// Message returns what the last error with a code of a handle said, or what the code
// stands for.
func Message(handle uint64, code int) string {
	e := loose
	if handle != 0 {
		if e = find(handle); e == nil {
			e = recall(handle)
		}
	}
	if e != nil {
		e.mu.Lock()
		message := e.messages[code]
		e.mu.Unlock()
		if message != "" {
			return message
		}
	}
	return Texts[code]
}

func recall(handle uint64) *Entry {
	closedMessages.Lock()
	defer closedMessages.Unlock()
	for _, kept := range closedMessages.last {
		if kept.handle == handle {
			return kept.entry
		}
	}
	return nil
}
