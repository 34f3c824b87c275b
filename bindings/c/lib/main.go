// Package main is the library libonce for C: make lib builds it.
package main

// #cgo CFLAGS: -I${SRCDIR}/../include -O2 -Wall
// #include <stdlib.h>
// #include "once.h"
import "C"

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/c/abi"
	"github.com/sjohnr/at-once/bindings/go/libonce"
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
func text(data *C.char, size C.size_t) string {
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(data)), int(size)))
}

func octets(data unsafe.Pointer, size C.size_t) []byte {
	if data == nil {
		return nil
	}
	return unsafe.Slice((*byte)(data), int(min(size, math.MaxInt32)))
}

func id(octets *C.once_uuid_t) uuid.UUID {
	if octets == nil {
		return uuid.Nil
	}
	return *(*uuid.UUID)(unsafe.Pointer(octets))
}

func uuidOf(id uuid.UUID) C.once_uuid_t { return *(*C.once_uuid_t)(unsafe.Pointer(&id)) }

// milliseconds returns a duration; one that is too long stays out of all limits.
func milliseconds(v C.int64_t) time.Duration {
	return time.Duration(max(-1, min(int64(v), math.MaxInt64/int64(time.Millisecond)))) * time.Millisecond
}

// lists has the headers of frames, so that a call need not make them.
var lists = sync.Pool{New: func() any { return new([][]byte) }}

// frames returns content as it lies in C. It is to be released when the call is over.
func frames(data unsafe.Pointer, sizes *C.size_t, count C.size_t, most int) (*[][]byte, error) {
	if count > C.size_t(most) || count > 0 && sizes == nil {
		return nil, fmt.Errorf("content has %d frames: at most %d, with their sizes: %w", count, most, libonce.ErrArgument)
	}
	list := lists.Get().(*[][]byte)
	*list = (*list)[:0]
	for _, size := range unsafe.Slice(sizes, int(count)) {
		if size > 0 && data == nil || size > math.MaxInt32 {
			release(list)
			return nil, fmt.Errorf("a frame of %d octets is not there, or too large: %w", size, libonce.ErrArgument)
		}
		*list = append(*list, unsafe.Slice((*byte)(data), int(size)))
		data = unsafe.Add(data, int(size))
	}
	return list, nil
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
