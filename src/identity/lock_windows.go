package identity

import (
	"os"

	"golang.org/x/sys/windows"
)

// beyond is an octet that no file here has: what is locked cannot be read by others.
const beyond = maxFile + 1

// errLocked is why lock fails that does not wait: another open file has the lock.
const errLocked = windows.ERROR_LOCK_VIOLATION

// lock takes the lock of a file, and waits while another open file has it.
func lock(file *os.File, wait bool) error {
	var how uint32 = windows.LOCKFILE_EXCLUSIVE_LOCK
	if !wait {
		how |= windows.LOCKFILE_FAIL_IMMEDIATELY
	}
	return windows.LockFileEx(windows.Handle(file.Fd()), how, 0, 1, 0, &windows.Overlapped{Offset: beyond})
}
