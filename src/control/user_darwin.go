package control

import "golang.org/x/sys/unix"

// userAt returns whose process is at the far end of a socket.
func userAt(fd int) (int, error) {
	found, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, err
	}
	return int(found.Uid), nil
}
