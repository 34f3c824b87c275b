//go:build unix

package identity

import (
	"os"
	"syscall"
)

// lock waits until no other open file has the lock.
func lock(file *os.File) error { return flock(file, syscall.LOCK_EX) }

// tryLock takes the lock, or returns errLocked if another open file has it.
func tryLock(file *os.File) error {
	err := flock(file, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return errLocked
	}
	return err
}

func flock(file *os.File, how int) (err error) {
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(file.Fd()), how)
	}
	return err
}
