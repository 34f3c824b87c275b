package mapping

import (
	"bufio"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Find returns the gateways of the networks that this host is in, which may map ports or not:
// first who is asked by PCP, then who is found by UPnP, which takes some seconds.
func Find(ctx context.Context) (list []Gateway) {
	for _, ip := range routers() {
		list = append(list, newPCP(net.JoinHostPort(ip.String(), pcpPort)))
	}
	return append(list, search(ctx)...)
}

// routers returns the gateways of default routes, where the system shows them in a file, or
// who is most likely one: the first host of each private network.
func routers() (list []netip.Addr) {
	if file, err := os.Open("/proc/net/route"); err == nil {
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if ip, ok := routed(lines.Text()); ok && !slices.Contains(list, ip) {
				list = append(list, ip)
			}
		}
		return list
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if own, err := netip.ParsePrefix(a.String()); err == nil && own.Addr().Is4() && own.Addr().IsPrivate() {
			list = append(list, own.Masked().Addr().Next())
		}
	}
	return list
}

// routed returns the gateway of a line of /proc/net/route that is a default route: interface, destination and gateway, in the byte order of this host.
func routed(line string) (netip.Addr, bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 || fields[1] != "00000000" {
		return netip.Addr{}, false
	}
	n, err := strconv.ParseUint(fields[2], 16, 32)
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], uint32(n))
	ip := netip.AddrFrom4(b)
	return ip, err == nil && n != 0
}
