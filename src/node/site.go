package node

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/sjohnr/at-once/src/beacon"
)

// site is where a node stands: the interfaces that it uses, where it listens,
// and by which beacon it is found.
type site struct {
	interfaces []beacon.Interface
	listen     string
	beacon     beacon.Beacon // nil for none
}

// settle chooses the site from the settings.
func (n *Node) settle() (site, error) {
	s := &n.settings
	if n.beacon != nil { // a test's network
		return site{listen: s.endpoint, beacon: n.beacon}, nil
	}
	interfaces, err := beacon.Select(s.interfaces)
	if err != nil && (s.port != 0 || len(s.interfaces) > 0 || s.endpoint == "") {
		return site{}, err
	}
	at := site{interfaces: interfaces, listen: s.endpoint}
	switch {
	case s.endpoint != "":
	case len(interfaces) == 1:
		at.listen = "tcp://" + net.JoinHostPort(interfaces[0].Addr.Addr().String(), "*")
	default:
		at.listen = "tcp://*:*"
	}
	if s.port != 0 {
		at.beacon = &beacon.UDP{Port: s.port, Interfaces: interfaces, Log: s.log}
	}
	return at, nil
}

// covers tells whether an address of ours is one of an interface that the node
// uses. A node that was told where to listen takes all that comes there.
func (s site) covers(local net.Addr) bool {
	host, err := netip.ParseAddr(hostOf(local))
	if s.listen != "tcp://*:*" || err != nil {
		return true
	}
	for _, i := range s.interfaces {
		if i.Addr.Addr() == host.Unmap() {
			return true
		}
	}
	return false
}

// endpoint returns where to reach a node that listens on a port.
func (s site) endpoint(listener net.Addr) string {
	host := hostOf(listener)
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() && len(s.interfaces) > 0 {
		host = s.interfaces[0].Addr.Addr().String()
	}
	return endpointOf(host, portOf(listener))
}

// Interfaces returns the network interfaces that a node can use, one line of
// text each.
func Interfaces() ([]string, error) {
	interfaces, err := beacon.Interfaces()
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(interfaces))
	for i, f := range interfaces {
		lines[i] = fmt.Sprintf("%s %s broadcast %s", f.Name, f.Addr, f.Broadcast)
	}
	return lines, nil
}

func endpointOf(host string, port uint16) string {
	return "tcp://" + net.JoinHostPort(host, strconv.Itoa(int(port)))
}

func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

func portOf(a net.Addr) uint16 {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return 0
	}
	return at.Port()
}
