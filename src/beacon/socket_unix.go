//go:build !windows

package beacon

import "syscall"

// errTooLong is what reading a datagram fails with if the buffer is too short,
// on systems that do not just cut it off.
const errTooLong = syscall.EMSGSIZE

// member lets a socket hear the IPv6 group on the interface with index, or no
// longer, as the option says.
func member(fd uintptr, index, option int) error {
	return syscall.SetsockoptIPv6Mreq(int(fd), syscall.IPPROTO_IPV6, option,
		&syscall.IPv6Mreq{Multiaddr: Group.As16(), Interface: uint32(index)})
}
