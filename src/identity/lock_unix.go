//go:build unix

package identity

import (
	"os"
	"syscall"
)

// errLocked is why lock fails that does not wait: another open file has the lock.
const errLocked = syscall.EWOULDBLOCK

// lock takes the lock of a file, and waits while another open file has it.
func lock(file *os.File, wait bool) (err error) {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(file.Fd()), how)
	}
	return err
}
