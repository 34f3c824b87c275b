//go:build unix

package identity

import (
	"os"
	"syscall"
)

// lock waits until no other open file has the lock.
func lock(file *os.File) (err error) {
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
	}
	return err
}
