package link

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Transport makes and accepts connections.
//
// An endpoint is tcp://ADDR:PORT. To listen, ADDR may be * for all interfaces, of
// both families, and PORT may be * or 0 for the system's choice, or FROM-TO for
// the first free port of a range. IPv6 addresses stand in brackets, and may have a
// zone. What is not so, or has the address of a group of hosts, is ErrEndpoint.
type Transport interface {
	Listen(ctx context.Context, endpoint string) (net.Listener, error)
	Dial(ctx context.Context, endpoint string) (net.Conn, error)
}

// TCP is the Transport of real networks. Nagle's algorithm is off, which is Go's default.
// So are keep-alive, because the protocols above find out who lives, and multipath TCP:
// sockets that have them take longer to open.
type TCP struct{}

// Listen listens on an endpoint.
func (TCP) Listen(ctx context.Context, endpoint string) (listener net.Listener, err error) {
	e, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{KeepAlive: -1}
	config.SetMultipathTCP(false)
	for port := e.from; port <= e.to && ctx.Err() == nil; port++ {
		if listener, err = config.Listen(ctx, "tcp", e.address(port)); err == nil {
			return listener, nil
		}
	}
	return nil, err
}

// Dial connects to an endpoint.
func (TCP) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	e, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if !e.definite() {
		return nil, fmt.Errorf("%w: %q cannot be dialled", ErrEndpoint, endpoint)
	}
	dialer := net.Dialer{KeepAlive: -1}
	dialer.SetMultipathTCP(false)
	return dialer.DialContext(ctx, "tcp", e.address(e.from))
}

// endpoint is an endpoint taken apart.
type endpoint struct {
	host     string // empty for all interfaces
	from, to int    // ports; 0 for the system's choice
}

// definite says whether the endpoint names one host and one port.
func (e endpoint) definite() bool {
	ip, _ := netip.ParseAddr(e.host) // else it is a name
	return e.host != "" && !ip.Unmap().IsUnspecified() && e.from > 0 && e.from == e.to
}

func (e endpoint) address(port int) string {
	return net.JoinHostPort(e.host, strconv.Itoa(port))
}

// limitedBroadcast is the address of all hosts of a network (RFC 919).
var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// CheckListen fails with an *EndpointError if nobody can listen on an endpoint, whatever
// host it is.
func CheckListen(endpoint string) error {
	_, err := parseEndpoint(endpoint)
	return err
}

// OneHost tells whether both ends of a connection are on the same host.
func OneHost(local, remote net.Addr) bool {
	near, err1 := netip.ParseAddrPort(local.String())
	far, err2 := netip.ParseAddrPort(remote.String())
	return err1 == nil && err2 == nil && (far.Addr().Unmap().IsLoopback() || near.Addr() == far.Addr())
}

func parseEndpoint(s string) (e endpoint, err error) {
	address, tcp := strings.CutPrefix(s, "tcp://")
	host, ports, err := net.SplitHostPort(address)
	if !tcp || err != nil || host == "" {
		return e, &EndpointError{s, "tcp://ADDRESS:PORT"}
	}
	if ip, _ := netip.ParseAddr(host); ip.Unmap().IsMulticast() || ip.Unmap() == limitedBroadcast {
		return e, &EndpointError{s, "the address of one host"}
	}
	if host != "*" {
		e.host = host
	}
	if ports == "*" {
		return e, nil
	}
	low, high, ranged := strings.Cut(ports, "-")
	if !ranged {
		high = low
	}
	from, err1 := strconv.ParseUint(low, 10, 16)
	to, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || from > to || ranged && from == 0 {
		return e, &EndpointError{s, "a port from 1 to 65535, a range of them as FROM-TO, or *"}
	}
	e.from, e.to = int(from), int(to)
	return e, nil
}
