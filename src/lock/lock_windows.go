// Package lock locks files, against other processes and within this one, and replaces what
// is in them.
//
// Programs import bindings/go/once: what is here may change at any time.
package lock

import (
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// ErrTaken is why Take fails that does not wait: another open file has the lock.
const ErrTaken = windows.ERROR_LOCK_VIOLATION

// Take takes the lock of a file, until it is closed, and may wait while another open file
// has it. It is that of an octet that no file has: what is locked cannot be read or written
// by others.
func Take(file *os.File, wait bool) error {
	var how uint32 = windows.LOCKFILE_EXCLUSIVE_LOCK
	if !wait {
		how |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	return windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: math.MaxInt32})
}
