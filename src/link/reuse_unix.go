//go:build unix

package link

import (
	"cmp"
	"syscall"

	"golang.org/x/sys/unix"
)

// reuse lets a socket have the port of another that is of the same user and allows it too. A
// listener that is told so only when it listens has its port for itself up to then.
func reuse(raw syscall.RawConn) (err error) {
	fault := raw.Control(func(fd uintptr) {
		err = cmp.Or(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	})
	return cmp.Or(fault, err)
}
