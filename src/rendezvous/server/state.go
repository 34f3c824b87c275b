package server

import (
	"context"
	"crypto/ecdh"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/introduction"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/rendezvouslease"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
)

// Config is what a server is made of.
type Config struct {
	Identity  *identity.Identity // whose transport key is KEY
	Former    *ecdh.PrivateKey   // KEY before that, which is served too; nil for none
	Transport link.Transport     // by which nodes are dialled back
	Registry  registry.Registry  // default is one in memory
	Keep      RollKeeper         // of rolls; nil for none
	Log       *slog.Logger
}

// Server is a rendezvous server. All methods may be called from any goroutine.
type Server struct {
	Config
	relay   *relay.Relay
	ctx     context.Context // ends with the server
	end     context.CancelFunc
	work    sync.WaitGroup
	began   time.Time
	dialled chan struct{} // bounds dials
	line    *line

	mu       sync.Mutex // guards what follows, and the machines
	policy   Policy
	quotas   quotas
	draining *oncemsg.Stop // nil while it goes on
	sessions map[*connection]*session
	peers    map[peerKey]*peer
	watches  watches
	meetings map[uint32]*meeting
	last     uint32 // number of a meeting
	rolls    rolls
	counts   *counts
}

// peerKey names a node in a network.
type peerKey struct {
	network rendezvous.Number
	id      uuid.UUID
}

// session is a conversation with a node. It implements the actions of its machine, which
// is stepped under the lock of the server.
type session struct {
	connection
	server *Server

	// Of the goroutine that reads, from when the node has proved who it is.
	request  func() (oncemsg.Message, *refusal) // that the latest request is, under the lock of the server
	number   uint32                             // of it
	card     *identity.Card                     // by which it has proved that; nil once that was asked for again
	nope     *refusal                           // why it is refused
	requests guard.Allowance
	meets    guard.Allowance
	ahead    guard.Allowance
	over     int // requests over the rate

	// Guarded by the lock of the server.
	state     machine.State
	since     time.Time       // of the present state, or of the node's last word in it
	challenge *[32]byte       // nil once it is used
	id        uuid.UUID       // zeros until the node has proved who it is
	token     *identity.Token // nil if the network is an open one
	members   ed25519.PublicKey
	network   rendezvous.Number
	lobby     bool
	pass      func() // ends the turn of the connection
	asks      int    // introductions that wait for an answer
	dialling  bool   // it is dialled back
}

func (c *session) key() peerKey { return peerKey{c.network, c.id} }

// peer is a node that has said PUBLISH. It implements the actions of its machine, which is
// stepped under the lock of the server.
type peer struct {
	server   *Server
	key      peerKey
	state    rendezvouslease.State
	until    time.Time  // when its lease ends
	sessions []*session // the newest last
	record   *rendezvous.Record
	since    time.Time // not before of its card
	reached  []string  // where it was dialled back, the newest last
}

// meeting is an introduction that was passed on. It implements the actions of its machine,
// which is stepped under the lock of the server.
type meeting struct {
	server *Server
	number uint32 // by which who is asked answers
	asks   *session
	call   uint32 // number of the request
	asked  *session
	state  introduction.State
	until  time.Time
	answer []byte
	why    *refusal
}
