package beacon

import (
	"encoding/binary"
	"net"
	"net/netip"
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

// leaveThrough sends all datagrams out through the interface with index, which the system
// wants in network order.
func leaveThrough(fd uintptr, index int) error {
	inOrder := binary.NativeEndian.Uint32(binary.BigEndian.AppendUint32(nil, uint32(index)))
	return syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipUnicastIf, int(int32(inOrder)))
}

// maxName is how many octets the name of an interface has at most.
const maxName = syscall.IFNAMSIZ - 1

// addressesOf returns the addresses of all interfaces by index. It asks the system
// once; net.Interface.Addrs has it list those of all interfaces for each.
func addressesOf([]net.Interface) (map[int][]netip.Prefix, error) {
	list, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(list)
	if err != nil {
		return nil, err
	}
	addresses := map[int][]netip.Prefix{}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		attributes, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, err
		}
		bits, index := int(m.Data[1]), int(binary.NativeEndian.Uint32(m.Data[4:])) // struct ifaddrmsg
		if prefix := netip.PrefixFrom(ownAddr(attributes), bits); prefix.IsValid() {
			addresses[index] = append(addresses[index], prefix)
		}
	}
	return addresses, nil
}

// ownAddr returns the host's address of those that the system tells. Where a link
// has two ends, IFA_ADDRESS is the far one (rtnetlink(7)).
func ownAddr(attributes []syscall.NetlinkRouteAttr) (own netip.Addr) {
	for _, a := range attributes {
		if a.Attr.Type == syscall.IFA_LOCAL || a.Attr.Type == syscall.IFA_ADDRESS && !own.IsValid() {
			own, _ = netip.AddrFromSlice(a.Value)
		}
	}
	return own
}
