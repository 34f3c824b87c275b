package identity

import (
	"os"

	"golang.org/x/sys/windows"
)

// lock waits until no other open file has the lock.
func lock(file *os.File) error {
	return windows.LockFileEx(windows.Handle(file.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, new(windows.Overlapped))
}
