package once_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// TestConfigErrors checks that an error names the field that it is about and what is
// wrong in it, tells bounds that hold, and names nothing that is not the caller's.
func TestConfigErrors(t *testing.T) {
	long, shown := strings.Repeat("x", 65281), strings.Repeat("x", 64)
	for _, test := range []struct {
		config once.Config
		kind   error
		want   string // after once.Config.
	}{
		{once.Config{Name: long[:256]}, once.ErrArgument, `Name "` + shown + `"...: 256 octets given, 0 to 255 octets allowed`},
		{once.Config{Groups: []string{"room", ""}}, once.ErrArgument, `Groups "": 0 octets given, 1 to 255 octets allowed`},
		{once.Config{Groups: many(4097)}, once.ErrGroups, `Groups "4096": the node's greeting has no room for the group: it carries 4096, whose names have at most 262144 octets together; leave one first`},
		{once.Config{Contest: []string{long[:256]}}, once.ErrArgument, `Contest "` + shown + `"...: 256 octets given, 1 to 255 octets allowed`},
		{once.Config{Headers: map[string]string{"k": long}}, once.ErrArgument, `Headers "k": 65281 octets given, 0 to 65280 octets allowed`},
		{once.Config{Headers: map[string]string{"a": "", "": ""}}, once.ErrArgument, `Headers "": 0 octets given, 1 to 255 octets allowed`},
		{once.Config{Headers: map[string]string{"X-ONCE-A": ""}}, once.ErrReserved, `Headers "X-ONCE-A": names of headers in X-ONCE- are reserved: choose another`},
		{once.Config{Headers: map[string]string{"ab": long[:65280]}}, once.ErrHeaders, `Headers "ab": the node's greeting has no room for the header: it carries 240, whose names and values have at most 65281 octets together; set fewer, or shorter ones`},
		{once.Config{Security: 9}, once.ErrArgument, `Security: want plain, auto or secure`},
		{once.Config{Trust: 9}, once.ErrArgument, `Trust: want open, first use or members`},
		{once.Config{Sealed: []string{""}}, once.ErrArgument, `Sealed "": 0 octets given, 1 to 255 octets allowed`},
		{once.Config{Interfaces: []string{""}}, once.ErrArgument, `Interfaces "": want an IP address, or a name of 1 to 15 octets without slashes and colons`},
		{once.Config{Interfaces: []string{"lo", "a/b"}}, once.ErrArgument, `Interfaces "a/b": want an IP address, or a name of 1 to 15 octets without slashes and colons`},
		{once.Config{BeaconPort: 65536}, once.ErrArgument, `BeaconPort: 65536 given, NoBeacon or 1 to 65535 allowed`},
		{once.Config{BeaconPort: -2}, once.ErrArgument, `BeaconPort: -2 given, NoBeacon or 1 to 65535 allowed`},
		{once.Config{Endpoint: long[:256]}, once.ErrArgument, `Endpoint "` + shown + `"...: 256 octets given, 0 to 255 octets allowed`},
		{once.Config{Endpoint: "nonsense"}, once.ErrEndpoint, `Endpoint "nonsense": want tcp://ADDRESS:PORT`},
		{once.Config{Endpoint: "tcp://127.0.0.1:5-4"}, once.ErrEndpoint, `Endpoint "tcp://127.0.0.1:5-4": want a port from 1 to 65535, a range of them as FROM-TO, or *`},
		{once.Config{Endpoint: "tcp://224.0.0.1:5"}, once.ErrEndpoint, `Endpoint "tcp://224.0.0.1:5": want the address of one host`},
		{once.Config{Advertise: "tcp://*:1"}, once.ErrEndpoint, `Advertise "tcp://*:1": want tcp://ADDRESS:PORT, the address or name of one host and a port from 1 to 65535`},
		{once.Config{GossipBind: "x"}, once.ErrEndpoint, `GossipBind "x": want tcp://ADDRESS:PORT`},
		{once.Config{GossipConnect: []string{""}}, once.ErrArgument, `GossipConnect "": 0 octets given, 1 to 255 octets allowed`},
		{once.Config{GossipConnect: []string{"tcp://a:1", "tcp://a:1|x"}}, once.ErrEndpoint, `GossipConnect "tcp://a:1|x": want a key of 40 characters of Z85 after the bar`},
		{once.Config{Interval: time.Nanosecond}, once.ErrArgument, `Interval: 1ns given, 10ms to 1h0m0s allowed`},
		{once.Config{Evasive: time.Nanosecond}, once.ErrArgument, `Evasive: 1ns given, 20ms to 24h0m0s allowed`},
		{once.Config{Silent: time.Nanosecond}, once.ErrArgument, `Silent: 1ns given, 30ms to 24h0m0s allowed`},
		{once.Config{Expired: time.Nanosecond}, once.ErrArgument, `Expired: 1ns given, 50ms to 24h0m0s allowed`},
		{once.Config{Evasive: time.Minute}, once.ErrTimeouts, `Silent: the time-outs contradict each other: evasive must be less than silent, and that less than expired; they are 1m0s, 10s and 30s`},
		{once.Config{Greeting: time.Nanosecond}, once.ErrArgument, `Greeting: 1ns given, 100ms to 10m0s allowed`},
		{once.Config{Linger: -1}, once.ErrArgument, `Linger: -1ns given, 0s to 1h0m0s allowed`},
		{once.Config{MaxMessage: 1}, once.ErrArgument, `MaxMessage: 1 given, 65536 to 1073741824 allowed`},
		{once.Config{Outbox: 1}, once.ErrArgument, `Outbox: 1 given, 4096 to 1073741824 allowed`},
		{once.Config{Inbox: 1}, once.ErrArgument, `Inbox: 1 given, 4096 to 1073741824 allowed`},
		{once.Config{Security: once.SecurityPlain, Trust: once.TrustFirstUse}, once.ErrNoIdentity, `Security: a node without security has no identity, and seals nothing: choose auto or secure`},
		{once.Config{Trust: once.TrustMembers}, once.ErrMembers, `Trust: the node trusts members only, and is none: take an invite first`},
	} {
		node, err := once.Start(t.Context(), test.config)
		var config *once.ConfigError
		if !errors.As(err, &config) || !errors.Is(err, test.kind) || err.Error() != "once.Config."+test.want {
			t.Errorf("the error is %v\nwant once.Config.%s", err, test.want)
		}
		if err == nil {
			node.Close()
		}
	}
}

func many(n int) (names []string) {
	for i := range n {
		names = append(names, strconv.Itoa(i))
	}
	return names
}

// TestListenErrors checks that what a host does not allow names its field.
func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	there := "tcp://" + taken.Addr().String()
	for field, config := range map[string]once.Config{"Endpoint": {Endpoint: there}, "GossipBind": {GossipBind: there}} {
		config.Interfaces = []string{"127.0.0.1"}
		_, err := once.Start(t.Context(), config)
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "once.Config."+field+": cannot ") || !strings.Contains(err.Error(), there) {
			t.Errorf("%s: the error is %v", field, err)
		}
	}
}

// TestArgumentErrors checks that an error names the function that was called.
func TestArgumentErrors(t *testing.T) {
	node, err := once.Start(t.Context(), once.Config{Interfaces: []string{"127.0.0.1"}, BeaconPort: once.NoBeacon})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	_, shout := node.Shout(t.Context(), "", nil)
	_, join := once.JoinNetwork(t.TempDir(), strings.Repeat("x", 1<<20))
	for want, err := range map[string]error{
		"Join: group: 0 octets given, 1 to 255 octets allowed":                                                       node.Join(""),
		"Shout: group: 0 octets given, 1 to 255 octets allowed":                                                      shout,
		`Connect: endpoint "x": want tcp://ADDRESS:PORT, the address or name of one host and a port from 1 to 65535`: node.Connect(uuid.New(), "x"),
		`Connect: endpoint "tcp://a:1|` + strings.Repeat("1", 40) + `": want no key, as this node is not secure`:     node.Connect(uuid.New(), "tcp://a:1|"+strings.Repeat("1", 40)),
		"JoinNetwork: invite: 1048576 octets given, 0 to 8192 octets allowed":                                        join,
	} {
		if err == nil || err.Error() != want {
			t.Errorf("the error is %v\nwant %s", err, want)
		}
	}
}

// TestLogOrder checks that the attributes of a line are always in the same order.
func TestLogOrder(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	config := once.Config{Name: "ana", Interfaces: []string{"127.0.0.1"}, BeaconPort: once.NoBeacon, Logger: logger}
	for range 8 {
		node, err := once.Start(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		node.Close()
	}
	ordered := regexp.MustCompile(`msg="node started" endpoint=\S+ name=ana uuid=`)
	if found := ordered.FindAllString(log.String(), -1); len(found) != 8 {
		t.Errorf("%d lines are in order of 8:\n%s", len(found), log.String())
	}
}
