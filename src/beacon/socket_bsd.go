//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package beacon

import (
	"errors"
	"runtime"
	"syscall"
)

// ipBoundIf is IP_BOUND_IF of macOS, which package syscall lacks.
const ipBoundIf = 25

// sharePort lets other sockets bind to the port and hear the same broadcasts.
func sharePort(fd uintptr) error {
	return errors.Join(
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEPORT, 1))
}

// leaveThrough sends all datagrams out through the interface with index. Only
// macOS can be told so; elsewhere the destination decides.
func leaveThrough(fd uintptr, index int) error {
	if runtime.GOOS != "darwin" {
		return nil
	}
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBoundIf, index)
}
