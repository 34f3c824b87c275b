package node

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// settings are what an application can choose before the node starts. All are
// the node's own: none is global.
type settings struct {
	who        *identity.Identity
	chosen     bool             // the identity is the application's
	Security   api.NodeSecurity // 0 for the default
	Trust      api.NodeTrust    // 0 for the default
	headers    map[string]string
	groups     map[string]struct{} // joined before the start
	sealed     map[string]struct{} // in which nothing plain is said
	contests   map[string]struct{} // to be led, if need be
	BeaconPort int                 // UDP port of beacons, 0 for none, unset for the default
	interfaces []string
	endpoint   string
	advertised sight.Endpoint // what peers are told, none for the true one
	gossip     string         // endpoint where gossip is bound, empty if it is not
	servers    []string       // of gossip, to connect to
	Interval   time.Duration
	Evasive    time.Duration
	Silent     time.Duration
	Expired    time.Duration
	Greeting   time.Duration
	Linger     time.Duration
	MaxMessage int // octets
	Outbox     int // octets for each peer
	Inbox      int // octets of content
	log        *slog.Logger
	journal    *journal // where log goes
}

func defaults(who *identity.Identity) settings {
	return settings{
		who:        who,
		sealed:     map[string]struct{}{},
		headers:    map[string]string{},
		groups:     map[string]struct{}{},
		contests:   map[string]struct{}{},
		BeaconPort: unset,
		Interval:   time.Second,
		Evasive:    peermachine.DefaultEvasive,
		Silent:     peermachine.DefaultSilent,
		Expired:    peermachine.DefaultExpired,
		Greeting:   peermachine.DefaultGreeting,
		Linger:     time.Second,
		MaxMessage: 64 << 20,
		Outbox:     1 << 20,
		Inbox:      16 << 20,
		log:        slog.New(slog.DiscardHandler),
		journal:    new(journal),
	}
}

// Beacons have the port of RFC 36 if none was set, and a node that gossips has
// none then: gossip replaces them.
const (
	unset      = -1
	beaconPort = 5670
)

// maxServers is how many servers of gossip a node may connect to.
const maxServers = 64

func (s *settings) gossips() bool { return s.gossip != "" || len(s.servers) > 0 }

// udpPort returns the UDP port of beacons, 0 for none.
func (s *settings) udpPort() int {
	switch {
	case s.BeaconPort != unset:
		return s.BeaconPort
	case s.gossips():
		return 0
	}
	return beaconPort
}

// set changes a setting, which can be done only before the node starts.
func (n *Node) set(change func(*settings) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != fresh {
		return api.ErrStarted
	}
	return change(&n.settings)
}

func put[T any](n *Node, field func(*settings) *T, value T) error {
	return n.set(func(s *settings) error {
		*field(s) = value
		return nil
	})
}

func (n *Node) SetIdentity(who *identity.Identity) error {
	return n.set(func(s *settings) error {
		s.who, s.chosen = who, true
		return nil
	})
}

func (n *Node) SetSecurity(security api.NodeSecurity) error {
	return put(n, func(s *settings) *api.NodeSecurity { return &s.Security }, security)
}

func (n *Node) SetTrust(trust api.NodeTrust) error {
	return put(n, func(s *settings) *api.NodeTrust { return &s.Trust }, trust)
}

func (n *Node) SetSealed(group string) error {
	return n.set(func(s *settings) error {
		if _, known := s.sealed[group]; !known && !zre.Fits(group, maps.Keys(s.sealed)) {
			return api.ErrGroups
		}
		s.sealed[group] = struct{}{}
		return nil
	})
}

func (n *Node) SetHeader(name, value string) error {
	return n.set(func(s *settings) error {
		if strings.HasPrefix(name, zre.ReservedHeader) {
			return api.ErrReserved
		}
		count, octets := 1, zremsg.MaxHelloName+len(name)+len(value) // the name may still change
		for other, v := range s.headers {
			if other != name {
				count++
				octets += len(other) + len(v)
			}
		}
		if count > zremsg.MaxApplicationHeaders || octets > zremsg.MaxApplicationOctets {
			return api.ErrHeaders
		}
		s.headers[name] = value
		return nil
	})
}

func (n *Node) SetInterface(value string) error {
	return n.set(func(s *settings) error {
		var names []string
		for name := range strings.SplitSeq(value, ",") {
			name = strings.TrimSpace(name)
			if err := beacon.CheckName(name); err != nil {
				return fmt.Errorf("interface %q: %w: %w", name, api.ErrArgument, err)
			}
			names = append(names, name)
		}
		s.interfaces = names
		return nil
	})
}

func (n *Node) SetPort(port int) error {
	return put(n, func(s *settings) *int { return &s.BeaconPort }, port)
}

func (n *Node) SetEndpoint(endpoint string) error {
	if endpoint != "" {
		if err := link.CheckListen(endpoint); err != nil {
			return fmt.Errorf("endpoint: %w: %w", api.ErrEndpoint, err)
		}
	}
	return put(n, func(s *settings) *string { return &s.endpoint }, endpoint)
}

// errNobody says what an endpoint lacks that peers are to connect to.
var errNobody = errors.New("want the address or name of one host, and a port from 1 to 65535")

// reachable returns the endpoint that a setting names, or fails, naming the setting, if
// nobody can connect to it.
func reachable(setting, text string) (sight.Endpoint, error) {
	endpoint, err := sight.Parse(text)
	switch {
	case errors.Is(err, sight.ErrKey):
		return endpoint, fmt.Errorf("%s %q: %w: %w", setting, text, api.ErrEndpoint, sight.ErrKey)
	case err != nil || !endpoint.Dialable():
		return endpoint, fmt.Errorf("%s %q: %w: %w", setting, text, api.ErrEndpoint, errNobody)
	}
	return endpoint, nil
}

func (n *Node) SetAdvertisedEndpoint(endpoint string) error {
	return n.set(func(s *settings) error {
		at, err := reachable("advertised endpoint", endpoint)
		if err == nil {
			s.advertised = at
		}
		return err
	})
}

func (n *Node) GossipBind(endpoint string) error {
	if err := link.CheckListen(endpoint); err != nil {
		return fmt.Errorf("gossip bind: %w: %w", api.ErrEndpoint, err)
	}
	return put(n, func(s *settings) *string { return &s.gossip }, endpoint)
}

func (n *Node) GossipConnect(endpoint string) error {
	return n.set(func(s *settings) error {
		if _, err := reachable("gossip connect", endpoint); err != nil {
			return err
		}
		if len(s.servers) == maxServers {
			return api.ErrServers
		}
		s.servers = append(s.servers, endpoint)
		return nil
	})
}

func (n *Node) SetInterval(d time.Duration) error {
	return put(n, func(s *settings) *time.Duration { return &s.Interval }, d)
}

func (n *Node) SetEvasiveTimeout(d time.Duration) error {
	return put(n, func(s *settings) *time.Duration { return &s.Evasive }, d)
}

func (n *Node) SetSilentTimeout(d time.Duration) error {
	return put(n, func(s *settings) *time.Duration { return &s.Silent }, d)
}

func (n *Node) SetExpiredTimeout(d time.Duration) error {
	return put(n, func(s *settings) *time.Duration { return &s.Expired }, d)
}

func (n *Node) SetGreetingTimeout(d time.Duration) error {
	return put(n, func(s *settings) *time.Duration { return &s.Greeting }, d)
}

func (n *Node) SetLinger(d time.Duration) error {
	return put(n, func(s *settings) *time.Duration { return &s.Linger }, d)
}

func (n *Node) SetMaxMessage(octets int) error {
	return put(n, func(s *settings) *int { return &s.MaxMessage }, octets)
}

func (n *Node) SetOutbox(octets int) error {
	return put(n, func(s *settings) *int { return &s.Outbox }, octets)
}

func (n *Node) SetInbox(octets int) error {
	return put(n, func(s *settings) *int { return &s.Inbox }, octets)
}

// SetLog has each line of the node's log handled, one at a time and in order. The node
// does not wait for the handler; Stop does, for at most the linger time. It is ignored
// once the node has started.
func (n *Node) SetLog(handler func(level int, message string, attributes map[string]string)) {
	_ = n.set(func(s *settings) error {
		s.journal = &journal{handle: handler, count: n.count}
		s.log = slog.New(logHandler{journal: s.journal})
		return nil
	})
}

// core returns the settings of the ZRE core.
func (s *settings) core() zre.Config {
	return zre.Config{
		Headers:  wire.Pairs(s.headers),
		Greeting: s.Greeting,
		Evasive:  s.Evasive,
		Silent:   s.Silent,
		Expired:  s.Expired,
	}
}
