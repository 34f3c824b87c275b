//go:build !linux

package beacon

import (
	"net"
	"net/netip"
)

// maxName is how many octets the name of an interface has at most. Windows has the
// longest.
const maxName = 255

// addressesOf returns the addresses of interfaces by index.
func addressesOf(system []net.Interface) (map[int][]netip.Prefix, error) {
	addresses := map[int][]netip.Prefix{}
	for _, ifi := range system {
		addrs, err := ifi.Addrs()
		if err != nil {
			continue // it went away since it was listed
		}
		for _, addr := range addrs {
			if prefix, err := netip.ParsePrefix(addr.String()); err == nil {
				addresses[ifi.Index] = append(addresses[ifi.Index], prefix)
			}
		}
	}
	return addresses, nil
}
