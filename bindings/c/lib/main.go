// Package main is the library libonce for C: make lib builds it.
package main

// #cgo CFLAGS: -I${SRCDIR}/../include -O2 -Wall
// #include <stdlib.h>
// #include "once.h"
import "C"

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/c/abi"
	"github.com/sjohnr/at-once/src/check"
)

func main() {}

//export go_once_close
func go_once_close(handle C.uint64_t) C.int { return C.int(abi.Close(uint64(handle))) }

//export go_once_message
func go_once_message(handle C.uint64_t, code C.int, result *C.once_data_t) C.int {
	give(result, []byte(abi.Message(uint64(handle), int(code))))
	return 0
}

//export go_once_cancel_new
func go_once_cancel_new(result *C.once_cancel_t) C.int {
	*result = C.once_cancel_t(abi.NewCancel())
	return 0
}

//export go_once_cancel
func go_once_cancel(handle C.uint64_t) C.int { return C.int(abi.EndWaits(uint64(handle))) }

//export go_once_call_new
func go_once_call_new(timeout C.int64_t, cancel, calls C.uint64_t, result *C.once_cancel_t) C.int {
	handle, code := abi.NewCall(int64(timeout), uint64(cancel), uint64(calls))
	if code == 0 {
		*result = C.once_cancel_t(handle)
	}
	return C.int(code)
}

//export go_once_calls_new
func go_once_calls_new(result *C.once_calls_t) C.int {
	*result = C.once_calls_t(abi.NewCalls())
	return 0
}

//export go_once_calls_next
func go_once_calls_next(self C.uint64_t, timeout C.int64_t, cancel C.uint64_t, result *C.once_cancel_t) C.int {
	call, code := abi.NextCall(uint64(self), int64(timeout), uint64(cancel))
	if code == 0 {
		*result = C.once_cancel_t(call)
	}
	return C.int(code)
}

//export go_once_descriptor
func go_once_descriptor(handle C.uint64_t, result *C.int) C.int {
	_, e, code := abi.Of[any](uint64(handle))
	if code == 0 && e.Inbox == nil {
		code = abi.CodeHandle
	}
	if code != 0 {
		return C.int(code)
	}
	fd, code := e.Descriptor()
	if code == 0 {
		*result = C.int(fd)
	}
	return C.int(code)
}

// text copies a text of C.
func text(method, argument string, data *C.char, size C.size_t) (string, error) {
	if size > math.MaxInt32 {
		return "", refuse(method, argument, fmt.Sprint(size, " octets"), fmt.Sprint(math.MaxInt32, " octets"))
	}
	lent := unsafe.String((*byte)(unsafe.Pointer(data)), int(size))
	if !utf8.ValidString(lent) {
		return "", refuse(method, argument, check.Quote(lent), "UTF-8")
	}
	return strings.Clone(lent), nil
}

// refuse returns the error of an argument that cannot be what it is to be.
func refuse(method, argument, given, allowed string) error {
	return &check.Error{Method: method, Argument: argument, Given: given, Allowed: allowed}
}

func octets(data unsafe.Pointer, size C.size_t) []byte {
	if data == nil {
		return nil
	}
	return unsafe.Slice((*byte)(data), int(min(size, math.MaxInt32)))
}

func id(method, argument string, octets *C.once_uuid_t) (uuid.UUID, error) {
	if octets == nil {
		return uuid.Nil, refuse(method, argument, "no UUID", "one")
	}
	return *(*uuid.UUID)(unsafe.Pointer(octets)), nil
}

func uuidOf(id uuid.UUID) C.once_uuid_t { return *(*C.once_uuid_t)(unsafe.Pointer(&id)) }

// constant returns the value of an enumeration; 0, which none has, for what is beyond all.
func constant(v C.int64_t) uint8 {
	if v < 0 || v > math.MaxUint8 {
		return 0
	}
	return uint8(v)
}

// milliseconds returns a duration; one that is too long stays out of all limits.
func milliseconds(v C.int64_t) time.Duration {
	return time.Duration(max(-1, min(int64(v), math.MaxInt64/int64(time.Millisecond)))) * time.Millisecond
}

// lists has the headers of frames, so that a call need not make them.
var lists = sync.Pool{New: func() any { return new([][]byte) }}

// frames returns content as it lies in C. It is to be released when the call is over.
func frames(method, argument string, data unsafe.Pointer, sizes *C.size_t, count C.size_t, most int) (*[][]byte, error) {
	if count > C.size_t(most) || count > 0 && sizes == nil {
		return nil, refuse(method, argument, fmt.Sprint(count, " frames"), fmt.Sprint("at most ", most, ", with their sizes"))
	}
	list := lists.Get().(*[][]byte)
	*list = (*list)[:0]
	for _, size := range unsafe.Slice(sizes, int(count)) {
		if size > 0 && data == nil || size > math.MaxInt32 {
			release(list)
			return nil, refuse(method, argument, fmt.Sprintf("a frame of %d octets", size), fmt.Sprint("one that is there, of at most ", math.MaxInt32))
		}
		*list = append(*list, unsafe.Slice((*byte)(data), int(size)))
		data = unsafe.Add(data, int(size))
	}
	return list, nil
}

// copied returns frames that last longer than the call.
func copied(list [][]byte) [][]byte {
	kept := make([][]byte, len(list))
	for i, frame := range list {
		kept[i] = bytes.Clone(frame)
	}
	return kept
}

func release(list *[][]byte) {
	clear(*list)
	lists.Put(list)
}

// give hands a copy of data to the caller, with a zero after it.
func give(result *C.once_data_t, data []byte) {
	memory := C.malloc(C.size_t(len(data) + 1))
	to := unsafe.Slice((*byte)(memory), len(data)+1)
	to[copy(to, data)] = 0
	result.data, result.size = memory, C.size_t(len(data))
}
