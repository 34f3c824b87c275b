package control

import "golang.org/x/sys/unix"

// credentials says whose process is at the far end of a socket.
func credentials(fd int) (*unix.Xucred, error) {
	return unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
}
