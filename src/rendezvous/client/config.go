package client

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net"
	"time"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// Config is what a client is made of. What is a function may be called from any goroutine,
// and must not call the client.
type Config struct {
	Address   rendezvous.Address
	Identity  *identity.Identity
	Members   bool // only members of the identity's network come in
	Transport link.Transport
	WSS       func(ctx context.Context, url string) (net.Conn, error) // nil is not at all
	Pins      Pins                                                    // nil remembers nothing
	Describe  func() Description
	Turned    func()                          // State is another: it answers, or does not; nil is nobody to tell
	Observed  func(local net.Addr, at string) // the server sees the connection from an address of this host at that address; called before Describe
	Watched   func() []string                 // groups whose members are sighted; nil is all of the network
	Willing   func(Proposal) bool
	Met       func(*Meeting) // with whom the node was willing to meet
	Lent      func(*Circuit) // somebody has asked for
	Linger    time.Duration
	Log       *slog.Logger
	Random    func(what string) float64
	Count     func(name string) // something unusual was seen
}

// Candidate is where the node may be reached, and since when that is known.
type Candidate struct {
	Endpoint string
	Since    time.Time
}

// Description is what there is to say of the node.
type Description struct {
	Name       string
	Headers    map[string]string
	Groups     []string
	Candidates []Candidate
}

// dialer has a connection be made.
type dialer func(context.Context) (net.Conn, error)

// keysAt returns the keys of the network at a server.
func (c *Config) keysAt(server ed25519.PublicKey) *rendezvous.Keys {
	var members ed25519.PublicKey // whose members alone come in; nil if all do
	if token := c.Identity.Token(); c.Members && token != nil && c.Address.Secret != (rendezvous.Secret{}) {
		members = token.Network
	}
	return rendezvous.KeysOf(c.Address.Secret, server, members)
}
