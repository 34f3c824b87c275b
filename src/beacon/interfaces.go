package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Group is the IPv6 group that beacons go to, on each link: transient and
// link-local (RFC 4291, section 2.7), "ZRE6" in its last octets. RFC 36 knows
// IPv4 only; nodes of other programs do not hear it.
var Group = netip.MustParseAddr("ff12::5a52:4536")

// Interface is one network that a host is part of. A network interface with
// several addresses makes several.
type Interface struct {
	Name  string
	Index int
	Addr  netip.Prefix // the host's address and the network's prefix

	// Broadcast is where beacons go: the last address of an IPv4 network, or
	// Group from a link-local IPv6 address. Other IPv6 addresses only accept
	// connections; theirs is the zero Addr.
	Broadcast netip.Addr
	Loopback  bool
}

// Local returns the host's address, with its zone if it is link-local.
func (i Interface) Local() netip.Addr {
	if i.Addr.Addr().IsLinkLocalUnicast() && i.Addr.Addr().Is6() {
		return i.Addr.Addr().WithZone(i.Name)
	}
	return i.Addr.Addr()
}

// hears tells whether a datagram from an address came from this network.
func (i Interface) hears(from netip.Addr) bool {
	return i.Broadcast.IsValid() && from.Zone() == i.Local().Zone() && i.Addr.Contains(from.WithZone(""))
}

func (i Interface) String() string {
	return fmt.Sprintf("%s (%v)", i.Name, i.Addr.Addr())
}

// ErrNoInterface is returned if the host has no usable interface at all.
var ErrNoInterface = errors.New("beacon: no network interface is up and can broadcast")

// UnknownInterfaceError says that no usable interface has a name or address.
type UnknownInterfaceError struct {
	Name  string
	Known []Interface
}

func (e *UnknownInterfaceError) Error() string {
	known := make([]string, len(e.Known))
	for i, k := range e.Known {
		known[i] = k.String()
	}
	return fmt.Sprintf("beacon: no usable network interface %q; there are: %s", e.Name, strings.Join(known, ", "))
}

// Interfaces returns what is usable on this host: interfaces that are up, with a
// carrier, and can broadcast (IPv4) or multicast (IPv6), and 127.0.0.0/8 on
// loopback.
func Interfaces() ([]Interface, error) {
	system, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("beacon: cannot list network interfaces: %w", err)
	}
	addresses, err := addressesOf(system)
	if err != nil {
		return nil, fmt.Errorf("beacon: cannot list addresses: %w", err)
	}
	var usable []Interface
	for _, ifi := range system {
		if ifi.Flags&net.FlagUp == 0 || ifi.Flags&net.FlagRunning == 0 {
			continue
		}
		for _, prefix := range addresses[ifi.Index] {
			if i, ok := newInterface(ifi, prefix); ok {
				usable = append(usable, i)
			}
		}
	}
	return usable, nil
}

// newInterface reports whether an address of ifi can be used.
func newInterface(ifi net.Interface, prefix netip.Prefix) (Interface, bool) {
	ip := prefix.Addr()
	loopback := ifi.Flags&net.FlagLoopback != 0
	if loopback != ip.IsLoopback() { // an address that a host keeps on lo is no network
		return Interface{}, false
	}
	i := Interface{Name: ifi.Name, Index: ifi.Index, Addr: prefix, Loopback: loopback}
	switch {
	case ip.Is4() && prefix.Bits() <= 30 && ifi.Flags&(net.FlagBroadcast|net.FlagLoopback) != 0:
		i.Broadcast = lastAddr(prefix)
	case ip.Is4() || loopback || ifi.Flags&net.FlagMulticast == 0:
		return Interface{}, false
	case ip.IsLinkLocalUnicast():
		i.Broadcast = Group.WithZone(ifi.Name)
	}
	return i, true
}

// lastAddr returns the highest address of an IPv4 prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	octets := p.Addr().As4()
	for i := range octets {
		octets[i] |= byte(0xFF >> min(max(p.Bits()-8*i, 0), 8))
	}
	return netip.AddrFrom4(octets)
}

// Select returns the usable interfaces that names names, each by name or by
// address and each once; an IPv6 address brings the link-local one beside it,
// which beacons need. Without names it returns all but loopback, or loopback if
// there are no others. If a name is unknown it returns the others and
// *UnknownInterfaceError; it also fails with ErrNoInterface or the system's
// reason for not listing interfaces.
func Select(names []string) ([]Interface, error) {
	usable, err := Interfaces()
	if err != nil {
		return nil, err
	}
	return choose(usable, names)
}

func choose(usable []Interface, names []string) ([]Interface, error) {
	if !slices.ContainsFunc(usable, func(i Interface) bool { return i.Broadcast.IsValid() }) {
		return nil, ErrNoInterface
	}
	if len(names) == 0 {
		remote := slices.DeleteFunc(slices.Clone(usable), func(i Interface) bool { return i.Loopback })
		if len(remote) > 0 {
			return remote, nil
		}
		return usable, nil
	}
	var chosen []Interface
	var unknown error
	for _, name := range names {
		named := func(i Interface) bool {
			return i.Name == name || i.Addr.Addr().String() == name || i.Local().String() == name
		}
		found := slices.IndexFunc(usable, named)
		if found < 0 {
			unknown = &UnknownInterfaceError{name, usable}
			continue
		}
		for _, i := range usable {
			beside := i.Index == usable[found].Index && i.Addr.Addr().Is6() && usable[found].Addr.Addr().Is6()
			if (named(i) || beside && i.Broadcast.IsValid()) && !slices.Contains(chosen, i) {
				chosen = append(chosen, i)
			}
		}
	}
	return chosen, unknown
}
