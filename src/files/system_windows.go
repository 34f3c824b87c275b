package files

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// errLocked is why lock fails: another open file has the lock.
const errLocked = windows.ERROR_LOCK_VIOLATION

// lock takes the lock of a file, until it is closed: that of an octet that no file here
// has, since what is locked cannot be written.
func lock(file *os.File) error {
	const how = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: math.MaxInt32})
}

// syncFolder does nothing: Windows syncs no folders.
func syncFolder(*os.File) error { return nil }

// isFull tells whether an error says that there is no room on a disk.
func isFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
