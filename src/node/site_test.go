package node

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/sight"
)

// A node starts before its interface is there, says so, and takes nobody meanwhile.
func TestStartsBeforeItsInterface(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		var logged []string
		ana := l.node("ana", func(n *Node) {
			n.world.Beacon, n.settings.endpoint, n.settings.BeaconPort = nil, "", 0
			n.SetLog(func(level int, message string, attributes map[string]string) {
				if level == 4 {
					logged = append(logged, message+": "+attributes["change"])
				}
			})
			if err := n.SetInterface("127.0.0.1, nonesuch0"); err != nil {
				t.Fatal(err)
			}
		})
		defer ana.Stop()
		got := ana.next(0)
		if !strings.HasPrefix(got, `network waiting for an interface: no usable network interface "nonesuch0"; there are: `) || !strings.Contains(got, "(127.0.0.1)") {
			t.Errorf("ana got %q", got)
		}
		synctest.Wait()
		if len(logged) != 1 || "network "+strings.TrimPrefix(logged[0], "network: ") != got {
			t.Errorf("logged as a warning: %q", logged)
		}
	})
}

// What peers can never connect to is refused when it is set, by name.
func TestEndpointsThatCannotBe(t *testing.T) {
	n, err := New("ana")
	if err != nil {
		t.Fatal(err)
	}
	nobody := []string{"tcp://0.0.0.0:1", "tcp://*:1", "tcp://[::]:1", "tcp://[::ffff:0.0.0.0]:1", "tcp://192.0.2.1:0", "tcp://192.0.2.1:*",
		"tcp://224.0.0.1:1", "tcp://[ff02::1%eth0]:1", "tcp://255.255.255.255:1", "192.0.2.1:1"}
	nowhere := []string{"tcp://224.0.0.1:*", "tcp://255.255.255.255:1", "tcp://[ff02::1]:1", "tcp://192.0.2.1", "192.0.2.1:1"}
	peer := func(endpoint string) error { return n.RequirePeer(uuid.New(), endpoint) }
	for _, test := range []struct {
		field    string
		set      func(string) error
		bad, has []string
	}{
		{"SetAdvertisedEndpoint: endpoint ", n.SetAdvertisedEndpoint, nobody, []string{"tcp://192.0.2.1:1", "tcp://host.example:1", "tcp://127.0.0.1:1"}},
		{"GossipConnect: endpoint ", n.GossipConnect, nobody, []string{"tcp://192.0.2.1:1", "tcp://host.example:1"}},
		{"RequirePeer: endpoint ", peer, nobody, nil},
		{"SetEndpoint: endpoint ", n.SetEndpoint, nowhere, []string{"", "tcp://*:*", "tcp://0.0.0.0:1", "tcp://[::]:1-2", "tcp://192.0.2.1:0"}},
		{"GossipBind: endpoint ", n.GossipBind, nowhere, []string{"tcp://*:*", "tcp://0.0.0.0:1"}},
	} {
		for _, endpoint := range test.bad {
			err := test.set(endpoint)
			if !errors.Is(err, api.ErrEndpoint) || !strings.HasPrefix(err.Error(), test.field) || !strings.Contains(err.Error(), endpoint) {
				t.Errorf("%s %s: %v", test.field, endpoint, err)
			}
		}
		for _, endpoint := range test.has {
			if err := test.set(endpoint); err != nil {
				t.Errorf("%s %s: %v", test.field, endpoint, err)
			}
		}
	}
	for _, names := range []string{"", ",", "lo,", "192.0.2.0/24", strings.Repeat("e", 256)} {
		if err := n.SetInterface(names); !errors.Is(err, api.ErrArgument) || !strings.HasPrefix(err.Error(), "SetInterface: value ") {
			t.Errorf("interface %q: %v", names, err)
		}
	}
}

// What is sighted at no address of one host is counted, and nobody is called.
func TestSightedNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		nowhere := []string{"tcp://0.0.0.0:1", "tcp://[::]:1", "tcp://*:1", "tcp://224.0.0.1:1", "tcp://255.255.255.255:1", "tcp://10.0.0.9:0"}
		for _, endpoint := range nowhere {
			lookout{ana.loop}.sighted([]sight.Sighting{{ID: mallory, Endpoint: parsed(endpoint)}})
		}
		ana.loop.do(func() {
			if len(ana.loop.peers) > 0 {
				t.Error("somebody is called")
			}
		})
		if got := ana.Counts()["sightings without an endpoint"]; got != uint64(len(nowhere)) {
			t.Errorf("counts: %v", ana.Counts())
		}
	})
}
