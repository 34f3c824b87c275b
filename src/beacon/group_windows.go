package beacon

import (
	"syscall"
	"unsafe"
)

// member lets a socket hear the IPv6 group on the interface with index, or no
// longer. Package syscall has the option but not the call.
func member(fd uintptr, index int, join bool) error {
	option := int32(syscall.IPV6_LEAVE_GROUP)
	if join {
		option = syscall.IPV6_JOIN_GROUP
	}
	group := syscall.IPv6Mreq{Multiaddr: Group.As16(), Interface: uint32(index)}
	return syscall.Setsockopt(syscall.Handle(fd), syscall.IPPROTO_IPV6, option,
		(*byte)(unsafe.Pointer(&group)), int32(unsafe.Sizeof(group)))
}
