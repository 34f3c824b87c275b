// Package abi is what the exports of libonce stand on: handles, errors, waits, and
// records, which are how values cross to other languages. It knows nothing of C.
package abi

import (
	"context"
	"sync"
	"sync/atomic"
)

// An Entry is an object that a handle stands for.
type Entry struct {
	Object any
	Inbox  *Inbox // of an object that has events, else nil

	handle uint64
	ctx    context.Context // ends when the handle is closed
	end    context.CancelFunc
	parent *Entry

	mu       sync.Mutex
	children map[*Entry]struct{} // nil once the entry is closed
	messages map[int]string      // of the last error of each code
}

// A slot holds one entry after another, each with a higher generation.
type slot struct {
	entry      atomic.Pointer[Entry]
	generation uint32 // of the last entry; under table.mu
}

// The table of all handles. Looking one up takes no lock.
var table struct {
	slots atomic.Pointer[[]*slot]
	mu    sync.Mutex
	free  []uint32
}

// Open returns a handle for an object that belongs to parent, which may be nil. It
// fails if parent is closed. Inbox is nil for an object that has no events.
func Open(object any, parent *Entry, inbox *Inbox) (uint64, int) {
	e := &Entry{Object: object, Inbox: inbox, parent: parent, children: map[*Entry]struct{}{}}
	above := context.Background()
	if parent != nil {
		above = parent.ctx
		parent.mu.Lock()
		defer parent.mu.Unlock()
		if parent.children == nil {
			closeObject(object)
			return 0, CodeHandle
		}
		parent.children[e] = struct{}{}
	}
	e.ctx, e.end = context.WithCancel(above)
	e.handle = place(e)
	return e.handle, 0
}

// place finds a slot for an entry. A handle is the slot's generation and its index.
func place(e *Entry) uint64 {
	table.mu.Lock()
	defer table.mu.Unlock()
	if len(table.free) == 0 {
		var slots []*slot
		if old := table.slots.Load(); old != nil {
			slots = *old
		}
		grown := append(slots[:len(slots):len(slots)], &slot{})
		table.slots.Store(&grown)
		table.free = append(table.free, uint32(len(slots)))
	}
	index := table.free[len(table.free)-1]
	table.free = table.free[:len(table.free)-1]
	s := (*table.slots.Load())[index]
	s.generation++
	e.handle = uint64(s.generation)<<32 | uint64(index)
	s.entry.Store(e)
	return e.handle
}

func find(handle uint64) *Entry {
	slots := table.slots.Load()
	if slots == nil || handle&0xffffffff >= uint64(len(*slots)) {
		return nil
	}
	if e := (*slots)[uint32(handle)].entry.Load(); e != nil && e.handle == handle {
		return e
	}
	return nil
}

// Of returns the object of a handle, if it is of type T.
func Of[T any](handle uint64) (object T, e *Entry, code int) {
	if e = find(handle); e == nil {
		return object, nil, CodeHandle
	}
	object, ok := e.Object.(T)
	if !ok {
		return object, nil, CodeHandle
	}
	return object, e, 0
}

// Close closes a handle and all that belong to it. A handle that was closed before is
// no error, one that never was is.
func Close(handle uint64) int {
	e := find(handle)
	if e == nil {
		return closedBefore(handle)
	}
	if e.parent != nil {
		e.parent.mu.Lock()
		delete(e.parent.children, e)
		e.parent.mu.Unlock()
	}
	return e.Fail(e.close())
}

func closedBefore(handle uint64) int {
	table.mu.Lock()
	defer table.mu.Unlock()
	slots := table.slots.Load()
	if slots == nil || handle&0xffffffff >= uint64(len(*slots)) {
		return CodeHandle
	}
	if s := (*slots)[uint32(handle)]; handle>>32 == 0 || uint32(handle>>32) > s.generation {
		return CodeHandle
	}
	return 0
}

func (e *Entry) close() error {
	e.mu.Lock()
	children := e.children
	e.children = nil
	e.mu.Unlock()
	if children == nil {
		return nil // somebody else does
	}
	e.end()
	for child := range children {
		_ = child.close() // what the parent says of its end covers it
	}
	err := closeObject(e.Object)
	if e.Inbox != nil {
		e.Inbox.close()
	}
	table.mu.Lock()
	(*table.slots.Load())[uint32(e.handle)].entry.Store(nil)
	if uint32(e.handle>>32) < 1<<32-1 { // a slot that has no generation left is given up
		table.free = append(table.free, uint32(e.handle))
	}
	table.mu.Unlock()
	return err
}

func closeObject(object any) error {
	if closer, ok := object.(interface{ Close() error }); ok {
		return closer.Close()
	}
	return nil
}
