package site

import (
	"net"
	"net/netip"
	"testing"

	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/sight"
)

func addrOf(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

// siteAt is that of a node that listens at an address and uses interfaces.
func siteAt(listen, listener string, prefixes ...string) *Site {
	s := &Site{Listen: listen, listener: addrOf(listener)}
	var interfaces []beacon.Interface
	for n, prefix := range prefixes {
		p := netip.MustParsePrefix(prefix)
		interfaces = append(interfaces, beacon.Interface{Name: "x", Index: n, Addr: p, Loopback: p.Addr().IsLoopback()})
	}
	s.interfaces.Store(&interfaces)
	return s
}

// What gossip tells of a node depends on where the connection is that it is told over.
func TestReached(t *testing.T) {
	for _, test := range []struct {
		site        *Site
		local, want string
	}{
		{siteAt(anywhere, "[::]:7", "192.0.2.1/24", "10.8.0.2/32"), "10.8.0.2:1", "tcp://10.8.0.2:7"},
		{siteAt(anywhere, "[::]:7", "192.0.2.1/24", "10.8.0.2/32"), "[::ffff:10.8.0.2]:1", "tcp://10.8.0.2:7"},
		{siteAt(anywhere, "[::]:7", "10.8.0.2/32", "127.0.0.1/8"), "127.0.0.1:1", "tcp://10.8.0.2:7"},
		{siteAt(anywhere, "[::]:7", "192.0.2.1/24"), "10.8.0.2:1", "tcp://192.0.2.1:7"}, // which the node does not use
		{siteAt(anywhere, "[::]:7", "127.0.0.1/8"), "127.0.0.1:1", "tcp://127.0.0.1:7"},
		{siteAt(anywhere, "[::]:7"), "10.8.0.2:1", ""},
		{siteAt("tcp://*:7", "[::]:7", "192.0.2.1/24"), "10.8.0.2:1", "tcp://10.8.0.2:7"},
		{siteAt("tcp://192.0.2.1:7", "192.0.2.1:7", "192.0.2.1/24"), "10.8.0.2:1", "tcp://192.0.2.1:7"},
	} {
		if got := test.site.Reached(addrOf(test.local)).String(); got != test.want {
			t.Errorf("at %v of %v, from %s: %q, want %q", test.site.listener, *test.site.interfaces.Load(), test.local, got, test.want)
		}
	}
}

// A node is not met where it listens itself.
func TestOwns(t *testing.T) {
	everywhere := siteAt(anywhere, "[::]:7", "192.0.2.1/24", "fe80::1/64", "127.0.0.1/8")
	one := siteAt("tcp://192.0.2.1:7", "192.0.2.1:7", "192.0.2.1/24", "192.0.2.2/24")
	for _, test := range []struct {
		site     *Site
		endpoint string
		want     bool
	}{
		{everywhere, "tcp://192.0.2.1:7", true}, {everywhere, "tcp://[::ffff:192.0.2.1]:7", true}, {everywhere, "tcp://127.0.0.1:7", true},
		{everywhere, "tcp://[fe80::1%eth0]:7", true}, {everywhere, "tcp://192.0.2.1:8", false}, {everywhere, "tcp://192.0.2.2:7", false},
		{everywhere, "tcp://host.example:7", false},
		{one, "tcp://192.0.2.1:7", true}, {one, "tcp://192.0.2.1:8", false}, {one, "tcp://192.0.2.2:7", false}, {one, "tcp://127.0.0.1:7", false},
	} {
		endpoint, err := sight.Parse(test.endpoint)
		if got := test.site.Owns(endpoint); err != nil || got != test.want {
			t.Errorf("at %v, %s: %v, %v", test.site.listener, test.endpoint, got, err)
		}
	}
}

// Who comes over a tunnel comes over an interface that the node uses.
func TestCovers(t *testing.T) {
	s := siteAt(anywhere, "[::]:7", "192.0.2.1/24", "10.8.0.2/32")
	for local, want := range map[string]bool{"192.0.2.1:7": true, "[::ffff:10.8.0.2]:7": true, "10.8.0.3:7": false, "127.0.0.1:7": false} {
		if s.Covers(addrOf(local)) != want {
			t.Errorf("%s: %v", local, !want)
		}
	}
}
