package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	for _, test := range []struct {
		in   string
		want endpoint
		ok   bool
	}{
		{"tcp://127.0.0.1:5000", endpoint{"127.0.0.1", 5000, 5000}, true},
		{"tcp://host.example:1", endpoint{"host.example", 1, 1}, true},
		{"tcp://*:*", endpoint{"", 0, 0}, true},
		{"tcp://*:0", endpoint{"", 0, 0}, true},
		{"tcp://[::1]:49152-65535", endpoint{"::1", 49152, 65535}, true},
		{"tcp://[fe80::1%eth0]:80", endpoint{"fe80::1%eth0", 80, 80}, true},
		{"tcp://*:9-9", endpoint{"", 9, 9}, true},
		{"tcp://127.0.0.1", endpoint{}, false},
		{"tcp://:5000", endpoint{}, false},
		{"tcp://::1:5000", endpoint{}, false},
		{"tcp://127.0.0.1:65536", endpoint{}, false},
		{"tcp://127.0.0.1:-1", endpoint{}, false},
		{"tcp://127.0.0.1:", endpoint{}, false},
		{"tcp://127.0.0.1:9-8", endpoint{}, false},
		{"tcp://127.0.0.1:0-8", endpoint{}, false},
		{"tcp://127.0.0.1:8-", endpoint{}, false},
		{"tcp://127.0.0.1:http", endpoint{}, false},
		{"tcp://0.0.0.0:5000", endpoint{"0.0.0.0", 5000, 5000}, true},
		{"tcp://[::]:5000", endpoint{"::", 5000, 5000}, true},
		{"tcp://224.0.0.1:5000", endpoint{}, false},
		{"tcp://[ff02::1%eth0]:5000", endpoint{}, false},
		{"tcp://[::ffff:224.0.0.1]:5000", endpoint{}, false},
		{"tcp://255.255.255.255:5000", endpoint{}, false},
		{"udp://127.0.0.1:5000", endpoint{}, false},
		{"127.0.0.1:5000", endpoint{}, false},
		{"", endpoint{}, false},
	} {
		got, err := parseEndpoint(test.in)
		if (err == nil) != test.ok || test.ok && got != test.want {
			t.Errorf("%s: %+v, %v", test.in, got, err)
		}
		if err != nil && !errors.Is(err, ErrEndpoint) {
			t.Errorf("%s: %v is not ErrEndpoint", test.in, err)
		}
	}
}

// What stands for all addresses is none to connect to.
func TestDialNowhere(t *testing.T) {
	for _, endpoint := range []string{"tcp://*:1", "tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://[::ffff:0.0.0.0]:1", "tcp://127.0.0.1:*", "tcp://127.0.0.1:1-2"} {
		if _, err := (TCP{}).Dial(t.Context(), endpoint); !errors.Is(err, ErrEndpoint) {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestOneHost(t *testing.T) {
	at := func(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }
	for _, test := range []struct {
		local, remote string
		want          bool
	}{
		{"127.0.0.1:1", "127.0.0.1:2", true},
		{"[::ffff:127.0.0.1]:1", "[::ffff:127.0.0.2]:2", true},
		{"10.0.0.1:1", "10.0.0.1:2", true},
		{"10.0.0.1:1", "10.0.0.2:1", false},
		{"[fe80::1%eth0]:1", "[fe80::1%wlan0]:1", false},
	} {
		if got := OneHost(at(test.local), at(test.remote)); got != test.want {
			t.Errorf("%s and %s: %v", test.local, test.remote, got)
		}
	}
}

// Of a range the first free port is taken; when none is free that is an error.
func TestPortRange(t *testing.T) {
	taken, err := TCP{}.Listen(t.Context(), "tcp://127.0.0.1:*")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	if l, err := (TCP{}).Listen(t.Context(), fmt.Sprintf("tcp://127.0.0.1:%d-%d", port, port)); err == nil {
		l.Close()
		t.Error("listening on a port that is taken")
	}
	last := min(port+50, 65535)
	l, err := TCP{}.Listen(t.Context(), fmt.Sprintf("tcp://127.0.0.1:%d-%d", port, last))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := l.Addr().(*net.TCPAddr).Port; got <= port || got > last {
		t.Errorf("got port %d, want one of %d to %d", got, port+1, last)
	}
}

// All interfaces means both families, where the machine has both.
func TestDualStack(t *testing.T) {
	l, err := TCP{}.Listen(t.Context(), "tcp://*:*")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	hosts := []string{"127.0.0.1"}
	if probe, err := net.Listen("tcp", "[::1]:0"); err == nil {
		probe.Close()
		hosts = append(hosts, "[::1]")
	}
	for _, host := range hosts {
		conn, err := TCP{}.Dial(t.Context(), fmt.Sprintf("tcp://%s:%d", host, port))
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		conn.Close()
	}
}

func TestDialRefuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, transport := range []Transport{TCP{}, NewMemory(nil).Host("127.0.0.1")} {
		for _, s := range []string{"tcp://*:5000", "tcp://127.0.0.1:*", "tcp://127.0.0.1:1-2", "nonsense"} {
			if _, err := transport.Dial(t.Context(), s); !errors.Is(err, ErrEndpoint) {
				t.Errorf("%T dials %s: %v", transport, s, err)
			}
		}
		if _, err := transport.Dial(cancelled, "tcp://127.0.0.1:5000"); !errors.Is(err, context.Canceled) {
			t.Errorf("%T dials with a cancelled context: %v", transport, err)
		}
		if _, err := transport.Listen(t.Context(), "nonsense"); !errors.Is(err, ErrEndpoint) {
			t.Errorf("%T listens: %v", transport, err)
		}
	}
}
