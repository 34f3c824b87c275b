package beacon

import (
	"encoding/binary"
	"syscall"
)

// ipUnicastIf is IP_UNICAST_IF, which package syscall lacks. It holds for
// broadcasts too, and unlike SO_BINDTODEVICE needs no privilege.
const ipUnicastIf = 50

// sharePort lets other sockets bind to the port and hear the same broadcasts.
// SO_REUSEADDR alone does that, also with sockets of other programs.
func sharePort(fd uintptr) error {
	return syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
}

// leaveThrough sends all datagrams out through the interface with index.
func leaveThrough(fd uintptr, index int) error {
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipUnicastIf, networkOrder(index))
}

// networkOrder returns the integer whose octets in memory are v in network order.
func networkOrder(v int) int {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], uint32(v))
	return int(int32(binary.NativeEndian.Uint32(b[:])))
}
