package identity

import (
	"os"

	"golang.org/x/sys/windows"
)

// beyond is an octet that no file here has: what is locked cannot be read by others.
const beyond = maxFile + 1

// lock waits until no other open file has the lock.
func lock(file *os.File) error { return lockFile(file, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// tryLock takes the lock, or returns errLocked if another open file has it.
func tryLock(file *os.File) error {
	err := lockFile(file, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
	if err == windows.ERROR_LOCK_VIOLATION {
		return errLocked
	}
	return err
}

func lockFile(file *os.File, flags uint32) error {
	return windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: beyond})
}
