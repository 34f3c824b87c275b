package beacon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Interface is one IPv4 network that a host is part of and can broadcast to. A
// network interface with several addresses makes several.
type Interface struct {
	Name      string
	Index     int
	Addr      netip.Prefix // the host's address and the network's prefix
	Broadcast netip.Addr   // the last address of the network
	Loopback  bool
}

func (i Interface) String() string {
	return fmt.Sprintf("%s (%s)", i.Name, i.Addr.Addr())
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

// Interfaces returns what is usable on this host: interfaces that are up, have
// an IPv4 address and can broadcast, and 127.0.0.0/8 on loopback.
func Interfaces() ([]Interface, error) {
	system, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("beacon: cannot list network interfaces: %w", err)
	}
	var usable []Interface
	for _, ifi := range system {
		if ifi.Flags&net.FlagUp == 0 || ifi.Flags&(net.FlagBroadcast|net.FlagLoopback) == 0 {
			continue
		}
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away since it was listed
		}
		for _, addr := range addrs {
			if i, ok := newInterface(ifi, addr); ok {
				usable = append(usable, i)
			}
		}
	}
	return usable, nil
}

// newInterface reports whether addr of ifi is an IPv4 address in a network that
// has a broadcast address.
func newInterface(ifi net.Interface, addr net.Addr) (Interface, bool) {
	prefix, err := netip.ParsePrefix(addr.String())
	if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 30 {
		return Interface{}, false
	}
	loopback := ifi.Flags&net.FlagLoopback != 0
	if loopback != prefix.Addr().IsLoopback() {
		return Interface{}, false // an address that a host keeps on lo is no network
	}
	return Interface{ifi.Name, ifi.Index, prefix, lastAddr(prefix), loopback}, true
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
// address and each once. Without names it returns all but loopback, or loopback
// if there are no others. It fails with *UnknownInterfaceError, ErrNoInterface,
// or the system's reason for not listing interfaces.
func Select(names []string) ([]Interface, error) {
	usable, err := Interfaces()
	if err != nil {
		return nil, err
	}
	return choose(usable, names)
}

func choose(usable []Interface, names []string) ([]Interface, error) {
	if len(usable) == 0 {
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
	for _, name := range names {
		found := false
		for _, i := range usable {
			if i.Name != name && i.Addr.Addr().String() != name {
				continue
			}
			found = true
			if !slices.Contains(chosen, i) {
				chosen = append(chosen, i)
			}
		}
		if !found {
			return nil, &UnknownInterfaceError{name, usable}
		}
	}
	return chosen, nil
}
