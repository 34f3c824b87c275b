package abi

import (
	"runtime"
	"syscall"
)

// yield lets other threads run first, and tells whether that is possible: the goroutine
// keeps its processor of Go, so there has to be another.
func yield() bool {
	if runtime.GOMAXPROCS(0) == 1 {
		return false
	}
	_, _, _ = syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) // it never fails
	return true
}
