package beacon

import (
	"math/bits"
	"syscall"
)

// errTooLong is WSAEMSGSIZE, which reading a datagram fails with if the buffer
// is too short.
const errTooLong = syscall.Errno(10040)

// ipUnicastIf is IP_UNICAST_IF, which package syscall lacks.
const ipUnicastIf = 31

// sharePort lets other sockets bind to the port and hear the same broadcasts.
func sharePort(fd uintptr) error {
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
}

// leaveThrough sends all datagrams out through the interface with index, which
// Windows, little-endian everywhere, wants in network order.
func leaveThrough(fd uintptr, index int) error {
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.IPPROTO_IP, ipUnicastIf, int(bits.ReverseBytes32(uint32(index))))
}
