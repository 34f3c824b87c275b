//go:build unix

package server

import (
	"io"
	"net"
	"syscall"
)

// peek waits for the first octet of a connection, and leaves it there if it can.
func peek(conn net.Conn) (net.Conn, byte, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return read(conn)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn, 0, err
	}
	first := make([]byte, 1)
	var n int
	var fault error
	err = raw.Read(func(fd uintptr) bool {
		n, _, fault = syscall.Recvfrom(int(fd), first, syscall.MSG_PEEK)
		return fault != syscall.EAGAIN && fault != syscall.EINTR
	})
	switch {
	case err != nil:
	case fault != nil:
		err = fault
	case n == 0:
		err = io.EOF
	}
	return conn, first[0], err
}
