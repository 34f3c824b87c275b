package node

import (
	"context"
	"crypto/ecdh"
	"errors"
	"log/slog"
	"maps"
	"strings"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// settings are what an application can choose before the node starts. All are
// the node's own: none is global. Those that are only kept are printed from the
// model; here is what has a rule of its own.
type settings struct {
	api.NodeSettings
	who        *identity.Identity
	chosen     bool                // the identity is the application's
	curve      *ecdh.PrivateKey    // of a certificate, nil for the identity's
	headers    map[string]string   // the loop's once the node has started
	groups     map[string]struct{} // joined before the start
	sealed     map[string]struct{} // in which nothing plain is said
	contests   map[string]struct{} // to be led, if need be
	interfaces []string
	endpoint   string
	advertised sight.Endpoint // what peers are told, none for the true one
	gossip     string         // endpoint where gossip is bound, empty if it is not
	servers    []string       // of gossip, to connect to
	rendezvous []rendezvous.Address
	homebound  bool // it stays with no server, whatever its identity says
	log        *slog.Logger
	journal    *journal // where log goes
}

func defaults(who *identity.Identity) settings {
	return settings{
		NodeSettings: api.DefaultNodeSettings(),
		who:          who,
		sealed:       map[string]struct{}{},
		headers:      map[string]string{},
		groups:       map[string]struct{}{},
		contests:     map[string]struct{}{},
		log:          slog.New(slog.DiscardHandler),
		journal:      new(journal),
	}
}

// noServer stands for no server, not even those of the identity.
const noServer = "none"

// How many servers of gossip a node may connect to, and how many others it may stay with.
const (
	maxServers    = 64
	maxRendezvous = 8
)

func (s *settings) gossips() bool { return s.gossip != "" || len(s.servers) > 0 }

// udpPort returns the UDP port of beacons, 0 for none. A node that gossips has none
// unless it was set: gossip replaces beacons.
func (s *settings) udpPort() int {
	switch {
	case s.BeaconPort >= 0:
		return s.BeaconPort
	case s.gossips():
		return 0
	}
	return api.DefaultNodeBeaconPort
}

// early acts on the settings of a node that has not started, and tells whether
// that is so.
func (s *settings) early(act func() error) (bool, error) {
	err := s.Change(act)
	return !errors.Is(err, api.ErrStarted), err
}

func (s *settings) SetIdentity(who *identity.Identity) error {
	return s.Change(func() error {
		s.who, s.chosen = who, true
		return nil
	})
}

func (s *settings) SetCertificate(file string) error {
	return s.Change(func() error {
		key, err := identity.LoadCertificate(file)
		if err == nil {
			s.curve = key
		}
		return err
	})
}

func (s *settings) SetSealed(group string) error {
	return s.Change(func() error {
		if _, known := s.sealed[group]; !known && !zre.Fits(group, maps.Keys(s.sealed)) {
			return api.ErrGroups
		}
		s.sealed[group] = struct{}{}
		return nil
	})
}

func (s *settings) SetInterface(value string) error {
	return s.Change(func() error {
		var names []string
		for name := range strings.SplitSeq(value, ",") {
			name = strings.TrimSpace(name)
			if want := beacon.WantName(name); want != "" {
				return &check.Error{Method: "SetInterface", Argument: "value", Value: check.Quote(name), Allowed: want}
			}
			names = append(names, name)
		}
		s.interfaces = names
		return nil
	})
}

func (s *settings) SetEndpoint(endpoint string) error {
	if endpoint != "" {
		if err := listenable("SetEndpoint", endpoint); err != nil {
			return err
		}
	}
	return s.Change(func() error {
		s.endpoint = endpoint
		return nil
	})
}

// badEndpoint says what a method wants of an endpoint.
func badEndpoint(method, endpoint, want string) error {
	return &check.Error{Method: method, Argument: "endpoint", Value: check.Quote(endpoint), Allowed: want, Kind: api.ErrEndpoint}
}

// listenable fails if nobody can listen on the endpoint that a method is given.
func listenable(method, endpoint string) error {
	var bad *link.EndpointError
	if errors.As(link.CheckListen(endpoint), &bad) {
		return badEndpoint(method, endpoint, bad.Want)
	}
	return nil
}

// reachable returns the endpoint that a method is given, or fails if nobody can connect to
// it.
func reachable(method, text string) (sight.Endpoint, error) {
	endpoint, err := sight.Parse(text)
	switch {
	case errors.Is(err, sight.ErrKey):
		return endpoint, badEndpoint(method, text, "a key of 40 characters of Z85 after the bar")
	case err != nil || !endpoint.Dialable():
		return endpoint, badEndpoint(method, text, "tcp://ADDRESS:PORT, the address or name of one host and a port from 1 to 65535")
	}
	return endpoint, nil
}

func (s *settings) SetAdvertisedEndpoint(endpoint string) error {
	return s.Change(func() error {
		at, err := reachable("SetAdvertisedEndpoint", endpoint)
		if err == nil {
			s.advertised = at
		}
		return err
	})
}

func (s *settings) GossipBind(endpoint string) error {
	if err := listenable("GossipBind", endpoint); err != nil {
		return err
	}
	return s.Change(func() error {
		s.gossip = endpoint
		return nil
	})
}

func (s *settings) GossipConnect(endpoint string) error {
	return s.Change(func() error {
		if _, err := reachable("GossipConnect", endpoint); err != nil {
			return err
		}
		if len(s.servers) == maxServers {
			return api.ErrServers
		}
		s.servers = append(s.servers, endpoint)
		return nil
	})
}

func (s *settings) SetServer(address string) error {
	return s.Change(func() error {
		if address == noServer {
			s.homebound = true
			return nil
		}
		at, err := rendezvous.ParseAddress(address)
		switch {
		case err != nil:
			return &check.Error{Method: "SetServer", Argument: "address", Value: check.Quote(rendezvous.Bare(address)), Allowed: "an address as once server prints it, once://HOST[:PORT]/?key=KEY#SECRET", Kind: api.ErrRendezvous}
		case at.Secret == rendezvous.Secret{}:
			return &check.Error{Method: "SetServer", Argument: "address", Value: check.Quote(rendezvous.Bare(address)), Allowed: "an address with #SECRET at its end: without it no network is meant", Kind: api.ErrRendezvous}
		case len(s.rendezvous) == maxRendezvous:
			return api.ErrRendezvous
		}
		s.rendezvous = append(s.rendezvous, at)
		return nil
	})
}

// core returns the settings of the ZRE core.
func (s *settings) core() zre.Config {
	return zre.Config{
		MaxPeers: s.MaxPeers,
		Moves:    s.moves(),
		Headers:  wire.Pairs(s.headers),
		Greeting: s.Greeting,
		Evasive:  s.Evasive,
		Silent:   s.Silent,
		Expired:  s.Expired,
		Away:     s.Away,
	}
}

// moves returns what logs the moves of the core's machines, nil if nobody takes the log.
func (s *settings) moves() func(zre.Move) {
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return nil
	}
	return func(m zre.Move) {
		s.log.Debug("machine moves", "machine", m.Machine, "about", m.About, "state", m.State, "event", m.Event, "next", m.Next)
	}
}
