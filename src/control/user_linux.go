package control

import (
	"net"

	"golang.org/x/sys/unix"
)

// userOf returns whose process has made a connection.
func userOf(conn *net.UnixConn) (user int, known bool, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false, err
	}
	var found *unix.Ucred
	var fault error
	if err := raw.Control(func(fd uintptr) {
		found, fault = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, false, err
	}
	if fault != nil {
		return 0, false, fault
	}
	return int(found.Uid), true, nil
}
