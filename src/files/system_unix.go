//go:build unix

package files

import (
	"errors"
	"os"
	"syscall"
)

// errLocked is why lock fails: another open file has the lock.
const errLocked = syscall.EWOULDBLOCK

// lock takes the lock of a file, until it is closed.
func lock(file *os.File) (err error) {
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}
	return err
}

func syncFolder(folder *os.File) error { return folder.Sync() }

// isFull tells whether an error says that there is no room on a disk.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
