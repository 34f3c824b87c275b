package beacon

import (
	"math/bits"
	"syscall"
	"unsafe"
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

// member lets a socket hear the IPv6 group on the interface with index, or no
// longer, as the option says. Package syscall has that but not the call.
func member(fd uintptr, index, option int) error {
	group := syscall.IPv6Mreq{Multiaddr: Group.As16(), Interface: uint32(index)}
	return syscall.Setsockopt(syscall.Handle(fd), syscall.IPPROTO_IPV6, int32(option),
		(*byte)(unsafe.Pointer(&group)), int32(unsafe.Sizeof(group)))
}
