package beacon

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestNewInterface(t *testing.T) {
	const lan, lo = net.FlagUp | net.FlagBroadcast, net.FlagUp | net.FlagLoopback
	for _, test := range []struct {
		flags           net.Flags
		addr, broadcast string // broadcast is empty if the address is not usable
	}{
		{lan, "192.0.2.7/24", "192.0.2.255"},
		{lan, "10.1.2.3/8", "10.255.255.255"},
		{lan, "172.16.33.4/20", "172.16.47.255"},
		{lan, "192.0.2.5/30", "192.0.2.7"},
		{lan, "192.0.2.5/31", ""},
		{lan, "192.0.2.5/32", ""},
		{lan, "fe80::1/64", ""},
		{lan, "127.0.0.1/8", ""},
		{lo, "127.0.0.1/8", "127.255.255.255"},
		{lo, "10.0.0.1/24", ""},
		{lo, "::1/128", ""},
	} {
		ip, network, err := net.ParseCIDR(test.addr)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := newInterface(net.Interface{Name: "x0", Index: 3, Flags: test.flags}, &net.IPNet{IP: ip, Mask: network.Mask})
		if ok != (test.broadcast != "") {
			t.Errorf("%s: usable %v", test.addr, ok)
		}
		if !ok {
			continue
		}
		want := Interface{"x0", 3, netip.MustParsePrefix(test.addr), netip.MustParseAddr(test.broadcast), test.flags == lo}
		if got != want {
			t.Errorf("%s: %+v, want %+v", test.addr, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	at := func(name, prefix string) Interface {
		p := netip.MustParsePrefix(prefix)
		return Interface{Name: name, Addr: p, Broadcast: lastAddr(p), Loopback: p.Addr().IsLoopback()}
	}
	lo, eth, eth2, wlan := at("lo", "127.0.0.1/8"), at("eth0", "192.0.2.2/24"), at("eth0", "10.0.0.2/8"), at("wlan0", "198.51.100.2/24")
	all := []Interface{lo, eth, eth2, wlan}
	for _, test := range []struct {
		usable []Interface
		names  string
		want   []Interface
	}{
		{all, "", []Interface{eth, eth2, wlan}},
		{[]Interface{lo}, "", []Interface{lo}},
		{all, "lo", []Interface{lo}},
		{all, "127.0.0.1", []Interface{lo}},
		{all, "eth0", []Interface{eth, eth2}},
		{all, "10.0.0.2", []Interface{eth2}},
		{all, "wlan0 lo", []Interface{wlan, lo}},
		{all, "10.0.0.2 eth0 eth0", []Interface{eth2, eth}},
	} {
		got, err := choose(test.usable, strings.Fields(test.names))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q of %v: %v, %v", test.names, test.usable, got, err)
		}
	}
	if _, err := choose(nil, nil); !errors.Is(err, ErrNoInterface) {
		t.Errorf("no interface: %v", err)
	}
	_, err := choose(all, []string{"lo", "eth1"})
	var unknown *UnknownInterfaceError
	if !errors.As(err, &unknown) || unknown.Name != "eth1" || !slices.Equal(unknown.Known, all) {
		t.Fatalf("unknown name: %v", err)
	}
	for _, i := range all {
		if !strings.Contains(err.Error(), i.String()) {
			t.Errorf("%q does not tell of %v", err, i)
		}
	}
}

func TestSelectLoopback(t *testing.T) {
	got, err := Select([]string{"127.0.0.1"})
	if err != nil || len(got) != 1 || !got[0].Loopback || got[0].Broadcast != netip.MustParseAddr("127.255.255.255") {
		t.Fatalf("%+v, %v", got, err)
	}
	usable, err := Interfaces()
	if err != nil || !slices.Contains(usable, got[0]) {
		t.Errorf("Interfaces: %v, %v", usable, err)
	}
}
