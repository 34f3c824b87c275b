// Package site is where a node stands on its host: the interfaces that it uses, where it
// listens, where others reach it, and what carries its beacons.
//
// Programs import bindings/go/once: what is here may change at any time.
package site

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// anywhere is where a node listens that was not told: on all interfaces, of both
// families, because theirs change. It turns away who comes over others than it
// uses.
const anywhere = "tcp://*:*"

// Config is where a node is to stand.
type Config struct {
	Interfaces []string                    // names or addresses; all that are up if there are none
	Listen     string                      // an endpoint, as [link.Transport] has it; empty for the default
	Port       int                         // UDP port of beacons, 0 for none
	Beacon     func(port int) sight.Source // what carries them; nil for the host's network, and its interfaces
	Interval   time.Duration               // between two looks at the interfaces
	Count      func(name string)           // told of what is unusual
	Notice     func(text string)           // told of changes of the network
}

// Site is where a node stands. Its methods are safe for concurrent use once Settle has
// returned.
type Site struct {
	Listen  string       // the endpoint to listen at
	Missing error        // what the node waits for: interfaces that were named, or any
	Beacon  sight.Source // that it is found by; nil for none

	config     Config
	interfaces atomic.Pointer[[]beacon.Interface]
	fixed      bool // the interfaces do not change
	listener   net.Addr
	udp        *beacon.UDP // that Beacon is, or nil
}

// Choose chooses a site. Loopback that is named is all that the node listens on. What is
// not there yet, of interfaces that were named, or any, is no error.
func Choose(c Config) (*Site, error) {
	s := &Site{Listen: cmp.Or(c.Listen, anywhere), config: c}
	s.interfaces.Store(new([]beacon.Interface))
	if c.Beacon != nil {
		s.fixed = true
		if c.Port != 0 {
			s.Beacon = c.Beacon(c.Port)
		}
		return s, nil
	}
	interfaces, err := beacon.Select(c.Interfaces)
	if errors.Is(err, beacon.ErrNoInterface) || errors.As(err, new(*beacon.UnknownInterfaceError)) {
		s.Missing, err = err, nil
	}
	if err != nil && (c.Port != 0 || len(c.Interfaces) > 0 || c.Listen == "") {
		return nil, err
	}
	s.interfaces.Store(&interfaces)
	remote := func(i beacon.Interface) bool { return !i.Loopback }
	s.fixed = len(c.Interfaces) > 0 && s.Missing == nil && !slices.ContainsFunc(interfaces, remote)
	if c.Listen == "" && s.fixed && len(interfaces) == 1 {
		s.Listen = "tcp://" + net.JoinHostPort(interfaces[0].Local().String(), "*")
	}
	return s, nil
}

// Settle is told where the node listens, and begins to hear beacons, until ctx ends.
func (s *Site) Settle(ctx context.Context, listener net.Addr) (err error) {
	s.listener = listener
	if s.config.Port == 0 || s.config.Beacon != nil {
		return nil
	}
	if s.udp, err = beacon.Listen(ctx, uint16(s.config.Port), *s.interfaces.Load()); err != nil {
		return err
	}
	s.udp.Count, s.udp.Notice = s.config.Count, s.config.Notice
	s.Beacon = s.udp
	return nil
}

// Follow follows the interfaces until ctx ends, if they change at all. It calls moved after
// each change, and tells whether there is an interface that was not there before.
func (s *Site) Follow(ctx context.Context, moved func(more bool)) {
	if s.fixed {
		return
	}
	beacon.Follow(ctx, s.config.Interfaces, *s.interfaces.Load(), s.config.Interval, func(is []beacon.Interface, what []string) {
		was := *s.interfaces.Swap(&is)
		if s.udp != nil {
			s.udp.Use(is)
		}
		for _, text := range what {
			s.config.Notice(text)
		}
		moved(slices.ContainsFunc(is, func(i beacon.Interface) bool { return !i.Loopback && !slices.Contains(was, i) }))
	})
}

// Covers tells whether an address of ours is one of an interface that the node
// uses. A node that was told where to listen, or listens at one address, takes all that
// comes there.
func (s *Site) Covers(local net.Addr) bool {
	host := sight.Of(local).IP()
	if s.Listen != anywhere || !host.IsValid() || !s.everywhere() {
		return true
	}
	return slices.ContainsFunc(*s.interfaces.Load(), func(i beacon.Interface) bool { return i.Local() == host })
}

// Owns tells whether an endpoint leads to this node, from its own host.
func (s *Site) Owns(endpoint sight.Endpoint) bool {
	host, at := endpoint.IP().WithZone(""), sight.Of(s.listener)
	if !host.IsValid() || endpoint.Port() != at.Port() {
		return false
	}
	if !s.everywhere() {
		return host == at.IP().WithZone("")
	}
	return host.IsLoopback() || slices.ContainsFunc(*s.interfaces.Load(), func(i beacon.Interface) bool { return i.Local().WithZone("") == host })
}

// Endpoint returns where to reach the node: where it listens or, if that is on all
// interfaces, at the first one's address. While there is none, it is unspecified.
func (s *Site) Endpoint() sight.Endpoint {
	at := sight.Of(s.listener)
	if interfaces := *s.interfaces.Load(); s.everywhere() && len(interfaces) > 0 {
		return sight.At(interfaces[0].Local().String(), at.Port())
	}
	return at
}

// Anyport returns an endpoint as that where the node listens, with a port that the system
// chooses.
func (s *Site) Anyport() string {
	host := sight.Of(s.listener).Host()
	if s.everywhere() {
		host = "*"
	}
	return "tcp://" + net.JoinHostPort(host, "*")
}

// Here tells whether the node uses no interface but loopback, and none will come, or is not on
// the host's network at all.
func (s *Site) Here() bool { return s.fixed }

// everywhere tells whether the node listens on all interfaces.
func (s *Site) everywhere() bool { return sight.Of(s.listener).IP().IsUnspecified() }

// Reached returns where the node is reached by those who are told so over a
// connection from an address of this host, and by whom they tell in turn. It is that
// address, if the node listens there and uses it; not loopback, which tells nothing
// of where the others are. It is empty while there is no address at all.
func (s *Site) Reached(local net.Addr) sight.Endpoint {
	ip := sight.Of(local).IP()
	switch {
	case !s.everywhere():
	case ip.IsValid() && !ip.IsLoopback() && s.Covers(local):
		return sight.At(ip.WithZone("").String(), sight.Of(s.listener).Port())
	case len(*s.interfaces.Load()) == 0:
		return sight.Endpoint{}
	}
	return s.Endpoint()
}

// Seen returns an endpoint that a peer names, as it is for this host; the peer is at the
// end of a connection between two addresses. One that is link-local lacks the link, which
// the address tells that the peer connects from. A peer on another host that names loopback
// names no endpoint: it leads to ourselves.
func Seen(endpoint sight.Endpoint, local, remote net.Addr) sight.Endpoint {
	if endpoint.Loopback() && !link.OneHost(local, remote) {
		return sight.Endpoint{}
	}
	ip, at := endpoint.IP(), sight.Of(remote).IP()
	if !at.IsValid() || !ip.Is6() || !ip.IsLinkLocalUnicast() {
		return endpoint
	}
	return sight.At(ip.WithZone(at.Zone()).String(), endpoint.Port())
}

// Lost returns what tells whether an address is one that the host no longer has.
func Lost() (lost func(local net.Addr) bool, err error) {
	addrs, err := net.InterfaceAddrs()
	return func(local net.Addr) bool {
		at := sight.Of(local).IP().WithZone("")
		return at.IsValid() && !slices.ContainsFunc(addrs, func(a net.Addr) bool {
			own, err := netip.ParsePrefix(a.String())
			return err == nil && own.Addr() == at
		})
	}, err
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
