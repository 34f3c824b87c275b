//go:build linux || darwin

package control

import (
	"errors"
	"net"
)

// userOf returns whose process has made a connection.
func userOf(conn *net.UnixConn) (user int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fault error
	err = raw.Control(func(fd uintptr) {
		found, err := credentials(int(fd))
		if fault = err; err == nil {
			user = int(found.Uid)
		}
	})
	return user, errors.Join(err, fault)
}
