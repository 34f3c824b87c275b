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
	const lan, lo, vpn = net.FlagUp | net.FlagBroadcast | net.FlagMulticast, net.FlagUp | net.FlagLoopback, net.FlagUp | net.FlagPointToPoint
	for _, test := range []struct {
		flags           net.Flags
		addr, broadcast string // broadcast is empty if the address is not usable
	}{
		{lan, "192.0.2.7/24", "192.0.2.255"},
		{lan, "10.1.2.3/8", "10.255.255.255"},
		{lan, "172.16.33.4/20", "172.16.47.255"},
		{lan, "192.0.2.5/30", "192.0.2.7"},
		{lan, "192.0.2.5/31", "none"},
		{lan, "192.0.2.5/32", "none"},
		{lan, "fe80::1/64", "ff12::5a52:4536%x0"},
		{lan, "2001:db8::1/64", "none"},
		{lan, "::1/128", ""},
		{vpn, "fe80::1/64", "none"},
		{vpn, "192.0.2.7/24", "none"},
		{vpn, "192.0.2.7/32", "none"},
		{vpn, "2001:db8::1/128", "none"},
		{lan, "127.0.0.1/8", ""},
		{lo, "127.0.0.1/8", "127.255.255.255"},
		{lo, "10.0.0.1/24", ""},
		{lo, "::1/128", ""},
	} {
		got, ok := newInterface(net.Interface{Name: "x0", Index: 3, Flags: test.flags}, netip.MustParsePrefix(test.addr))
		if ok != (test.broadcast != "") {
			t.Errorf("%s: usable %v", test.addr, ok)
		}
		if !ok {
			continue
		}
		broadcast, _ := netip.ParseAddr(test.broadcast)
		want := Interface{"x0", 3, netip.MustParsePrefix(test.addr), broadcast, test.flags == lo}
		if got != want {
			t.Errorf("%s: %+v, want %+v", test.addr, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	at := func(name string, index int, prefix string) Interface {
		p := netip.MustParsePrefix(prefix)
		i := Interface{Name: name, Index: index, Addr: p, Loopback: p.Addr().IsLoopback()}
		switch {
		case p.Addr().Is4():
			i.Broadcast = lastAddr(p)
		case p.Addr().IsLinkLocalUnicast():
			i.Broadcast = Group.WithZone(name)
		}
		return i
	}
	lo, eth, eth2, wlan := at("lo", 1, "127.0.0.1/8"), at("eth0", 2, "192.0.2.2/24"), at("eth0", 2, "10.0.0.2/8"), at("wlan0", 3, "198.51.100.2/24")
	global, link, far := at("eth0", 2, "2001:db8::2/64"), at("eth0", 2, "fe80::2/64"), at("wlan0", 3, "fe80::2/64")
	tun := Interface{Name: "tun0", Index: 4, Addr: netip.MustParsePrefix("10.8.0.2/32")}
	all := []Interface{lo, eth, eth2, global, link, wlan, far}
	for _, test := range []struct {
		usable []Interface
		names  string
		want   []Interface
	}{
		{all, "", []Interface{eth, eth2, global, link, wlan, far}},
		{[]Interface{lo}, "", []Interface{lo}},
		{[]Interface{lo, tun}, "", []Interface{tun, lo}},
		{[]Interface{tun}, "", []Interface{tun}},
		{[]Interface{lo, global}, "", []Interface{global, lo}},
		{[]Interface{lo, tun, eth}, "", []Interface{tun, eth}},
		{[]Interface{lo, tun, eth}, "tun0", []Interface{tun}},
		{[]Interface{lo, tun, eth}, "10.8.0.2", []Interface{tun}},
		{all, "lo", []Interface{lo}},
		{all, "127.0.0.1", []Interface{lo}},
		{all, "eth0", []Interface{eth, eth2, global, link}},
		{all, "10.0.0.2", []Interface{eth2}},
		{all, "2001:db8::2", []Interface{global, link}},
		{all, "fe80::2%wlan0", []Interface{far}},
		{all, "fe80::2", []Interface{link, far}},
		{all, "wlan0 lo", []Interface{wlan, far, lo}},
		{all, "10.0.0.2 eth0 eth0", []Interface{eth2, eth, global, link}},
	} {
		got, err := choose(test.usable, strings.Fields(test.names))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%q of %v: %v, %v", test.names, test.usable, got, err)
		}
	}
	if _, err := choose(nil, nil); !errors.Is(err, ErrNoInterface) {
		t.Errorf("no interface: %v", err)
	}
	if _, err := choose(nil, []string{"eth0"}); err == nil || err.Error() != `no usable network interface "eth0"; there are: none` {
		t.Errorf("a name, and no interface: %v", err)
	}
	others, err := choose(all, []string{"eth1", "lo", "usb0"})
	var unknown *UnknownInterfaceError
	if !slices.Equal(others, []Interface{lo}) || !errors.As(err, &unknown) || !slices.Equal(unknown.Names, []string{"eth1", "usb0"}) || !slices.Equal(unknown.Known, all) {
		t.Fatalf("unknown name: %v", err)
	}
	for _, i := range all {
		if !strings.Contains(err.Error(), i.String()) {
			t.Errorf("%q does not tell of %v", err, i)
		}
	}
}

// A host may have more interfaces than anybody reads.
func TestUnknownInterfaceIsBrief(t *testing.T) {
	many := make([]Interface, 1000)
	for n := range many {
		many[n] = Interface{Name: "eth", Index: n, Addr: netip.MustParsePrefix("192.0.2.1/32")}
	}
	text := (&UnknownInterfaceError{[]string{"usb0"}, many}).Error()
	if len(text) > 500 || !strings.HasSuffix(text, "and 984 more") {
		t.Error(text)
	}
}

func TestWantName(t *testing.T) {
	for name, want := range map[string]bool{
		"eth0": true, "enp0s31f6": true, strings.Repeat("e", maxName): true, "192.0.2.7": true, "fe80::1%eth0": true,
		"2001:db8:1111:2222:3333:4444:5555:6666": true,
		"":                                       false, strings.Repeat("e", maxName+1): false, "192.0.2.0/24": false, "fe80::1::": false,
	} {
		if wanted := WantName(name); (wanted == "") != want {
			t.Errorf("%q: want %s", name, wanted)
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

func TestChanges(t *testing.T) {
	at := func(name string, index int, prefix string) Interface {
		return Interface{Name: name, Index: index, Addr: netip.MustParsePrefix(prefix)}
	}
	eth, wlan := at("eth0", 2, "192.0.2.2/24"), at("wlan0", 3, "198.51.100.2/24")
	eth6 := at("eth0", 2, "fe80::2/64")
	for _, test := range []struct {
		was, is []Interface
		want    []string
	}{
		{nil, nil, nil},
		{[]Interface{eth, wlan}, []Interface{wlan, eth}, nil},
		{[]Interface{eth}, []Interface{{Name: "lo", Loopback: true}}, []string{"interface eth0 down or without an address"}},
		{nil, []Interface{eth, eth6}, []string{"interface eth0 up: 192.0.2.2, fe80::2"}},
		{[]Interface{eth, wlan}, []Interface{wlan}, []string{"interface eth0 down or without an address"}},
		{[]Interface{eth, eth6}, []Interface{eth6, wlan}, []string{"interface eth0 changed: fe80::2", "interface wlan0 up: 198.51.100.2"}},
		{[]Interface{eth}, []Interface{at("eth0", 7, "192.0.2.2/24")}, []string{"interface eth0 changed: 192.0.2.2"}},
	} {
		if got := changes(test.was, test.is); !slices.Equal(got, test.want) {
			t.Errorf("%v to %v: %q, want %q", test.was, test.is, got, test.want)
		}
	}
}

func TestHears(t *testing.T) {
	v4 := Interface{Name: "eth0", Addr: netip.MustParsePrefix("192.0.2.2/24"), Broadcast: netip.MustParseAddr("192.0.2.255")}
	v6 := Interface{Name: "eth0", Addr: netip.MustParsePrefix("fe80::2/64"), Broadcast: Group.WithZone("eth0")}
	silent := Interface{Name: "eth0", Addr: netip.MustParsePrefix("2001:db8::2/64")}
	for from, want := range map[string][]bool{
		"192.0.2.9":     {true, false, false},
		"192.0.3.9":     {false, false, false},
		"192.0.2.255":   {false, false, false},
		"0.0.0.0":       {false, false, false},
		"224.0.0.1":     {false, false, false},
		"127.0.0.1":     {false, false, false},
		"fe80::9%eth0":  {false, true, false},
		"fe80::9%wlan0": {false, false, false},
		"fe80::9":       {false, false, false},
		"2001:db8::9":   {false, false, false},
	} {
		for n, i := range []Interface{v4, v6, silent} {
			if got := i.hears(netip.MustParseAddr(from)); got != want[n] {
				t.Errorf("%v hears %s: %v", i.Addr, from, got)
			}
		}
	}
}
