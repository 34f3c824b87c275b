package control

import "golang.org/x/sys/unix"

// credentials says whose process is at the far end of a socket.
func credentials(fd int) (*unix.Ucred, error) {
	return unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
}
