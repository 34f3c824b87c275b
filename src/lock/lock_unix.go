//go:build unix

// Package lock locks files, against other processes and within this one, and replaces what
// is in them.
//
// Programs import bindings/go/once: what is here may change at any time.
package lock

import (
	"os"
	"syscall"
)

// ErrTaken is why Take fails that does not wait: another open file has the lock.
const ErrTaken = syscall.EWOULDBLOCK

// Take takes the lock of a file, until it is closed, and may wait while another open file
// has it.
func Take(file *os.File, wait bool) (err error) {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for err = syscall.EINTR; err == syscall.EINTR; {
		err = syscall.Flock(int(file.Fd()), how)
	}
	return err
}
