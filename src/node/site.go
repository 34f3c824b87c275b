package node

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// anywhere is where a node listens that was not told: on all interfaces, of both
// families, because theirs change. It turns away who comes over others than it
// uses.
const anywhere = "tcp://*:*"

// site is where a node stands: the interfaces that it uses, where it listens,
// and by which beacon it is found.
type site struct {
	interfaces atomic.Pointer[[]beacon.Interface]
	missing    error // what the node waits for: interfaces that were named, or any
	fixed      bool  // the interfaces do not change
	listen     string
	listener   net.Addr     // where it does
	beacon     sight.Source // nil for none
}

// settle chooses the site from the settings. Loopback that is named is all that
// the node listens on.
func (n *Node) settle() (*site, error) {
	s := &n.settings
	at := &site{listen: cmp.Or(s.endpoint, anywhere)}
	at.interfaces.Store(new([]beacon.Interface))
	if n.world.Beacon != nil {
		at.fixed = true
		if port := s.udpPort(); port != 0 {
			at.beacon = n.world.Beacon(port)
		}
		return at, nil
	}
	interfaces, err := beacon.Select(s.interfaces)
	if errors.Is(err, beacon.ErrNoInterface) || errors.As(err, new(*beacon.UnknownInterfaceError)) {
		at.missing, err = err, nil
	}
	if err != nil && (s.udpPort() != 0 || len(s.interfaces) > 0 || s.endpoint == "") {
		return nil, err
	}
	at.interfaces.Store(&interfaces)
	remote := func(i beacon.Interface) bool { return !i.Loopback }
	at.fixed = len(s.interfaces) > 0 && at.missing == nil && !slices.ContainsFunc(interfaces, remote)
	if s.endpoint == "" && at.fixed && len(interfaces) == 1 {
		at.listen = "tcp://" + net.JoinHostPort(interfaces[0].Local().String(), "*")
	}
	return at, nil
}

// settleIn makes the node heard, and follows the interfaces from then on.
func (n *Node) settleIn(s *site, listener net.Addr) error {
	s.listener = listener
	n.port, n.address = portOf(listener), s.endpoint()
	var udp *beacon.UDP
	if port := n.settings.udpPort(); port != 0 && n.world.Beacon == nil {
		var err error
		if udp, err = beacon.Listen(n.ctx, uint16(port), *s.interfaces.Load()); err != nil {
			return err
		}
		udp.Count, udp.Notice = n.count, n.notice
		s.beacon = udp
	}
	if s.missing != nil {
		n.warn(fmt.Sprintf("waiting for an interface: %v", s.missing))
	}
	if s.fixed {
		return nil
	}
	n.work.Go(func() {
		names, interfaces := n.settings.interfaces, *s.interfaces.Load()
		beacon.Follow(n.ctx, names, interfaces, n.settings.Interval, func(is []beacon.Interface, what []string) {
			was := *s.interfaces.Swap(&is)
			if udp != nil {
				udp.Use(is)
			}
			for _, text := range what {
				n.notice(text)
			}
			n.mu.Lock()
			n.address = s.endpoint()
			n.mu.Unlock()
			for _, source := range n.sources(s) {
				source.Renew()
			}
			if slices.ContainsFunc(is, func(i beacon.Interface) bool { return !i.Loopback && !slices.Contains(was, i) }) {
				n.loop.do(n.loop.abandon)
			}
		})
	})
	return nil
}

// covers tells whether an address of ours is one of an interface that the node
// uses. A node that was told where to listen, or listens at one address, takes all that
// comes there.
func (s *site) covers(local net.Addr) bool {
	host, err := netip.ParseAddr(hostOf(local))
	if s.listen != anywhere || err != nil || !s.everywhere() {
		return true
	}
	return slices.ContainsFunc(*s.interfaces.Load(), func(i beacon.Interface) bool { return i.Local() == host.Unmap() })
}

// endpoint returns where to reach the node: where it listens or, if that is on all
// interfaces, at the first one's address. While there is none, it is unspecified.
func (s *site) endpoint() sight.Endpoint {
	host := hostOf(s.listener)
	if interfaces := *s.interfaces.Load(); s.everywhere() && len(interfaces) > 0 {
		host = interfaces[0].Local().String()
	}
	return sight.At(host, portOf(s.listener))
}

// everywhere tells whether the node listens on all interfaces.
func (s *site) everywhere() bool {
	ip, err := netip.ParseAddr(hostOf(s.listener))
	return err == nil && ip.IsUnspecified()
}

// reachedFrom returns where the node is reached by those who are told so over a
// connection from an address of this host, and by whom they tell in turn. It is that
// address, if the node listens there and uses it; not loopback, which tells nothing
// of where the others are. It is empty while there is no address at all.
func (s *site) reachedFrom(local net.Addr) sight.Endpoint {
	ip, err := netip.ParseAddr(hostOf(local))
	switch {
	case !s.everywhere():
	case err == nil && !ip.Unmap().IsLoopback() && s.covers(local):
		return sight.At(ip.Unmap().WithZone("").String(), portOf(s.listener))
	case len(*s.interfaces.Load()) == 0:
		return sight.Endpoint{}
	}
	return s.endpoint()
}

// seenFrom returns an endpoint that a peer names, as it is for this host. One that is
// link-local lacks the link, which the address tells that the peer connects from. A
// peer on another host that names loopback names no endpoint: it leads to ourselves.
func seenFrom(l *link.Link, endpoint sight.Endpoint) sight.Endpoint {
	if endpoint.Loopback() && !link.OneHost(l.LocalAddr(), l.RemoteAddr()) {
		return sight.Endpoint{}
	}
	ip, bad := netip.ParseAddr(endpoint.Host())
	at, unknown := netip.ParseAddrPort(l.RemoteAddr().String())
	if bad != nil || unknown != nil || !ip.Is6() || !ip.IsLinkLocalUnicast() {
		return endpoint
	}
	return sight.At(ip.WithZone(at.Addr().Zone()).String(), endpoint.Port())
}

// Interface is a network that the host is part of.
type Interface struct{ beacon.Interface }

func (i *Interface) Name() string    { return i.Interface.Name }
func (i *Interface) Address() string { return i.Local().String() }
func (i *Interface) Network() string { return i.Addr.Masked().String() }
func (i *Interface) Loopback() bool  { return i.Interface.Loopback }

// Broadcast returns where beacons go, or an empty string if none do.
func (i *Interface) Broadcast() string {
	if !i.Interface.Broadcast.IsValid() {
		return ""
	}
	return i.Interface.Broadcast.String()
}

// Interfaces returns the networks that a node can use.
func Interfaces() ([]*Interface, error) {
	interfaces, err := beacon.Interfaces()
	if err != nil {
		return nil, err
	}
	list := make([]*Interface, len(interfaces))
	for n, i := range interfaces {
		list[n] = &Interface{i}
	}
	return list, nil
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
