// Package server is a rendezvous server: it keeps who is there, tells it to those who may
// know, and passes on what two nodes need to meet (see api/protocol/once_msg.xml).
//
// It sees ids, addresses, times, sizes, which tags coincide, and the tokens of members. What
// it is shown is checked before it is kept or passed on, and nobody need believe it.
//
// Programs import bindings/go/once: what is here may change at any time.
package server

import (
	"context"
	"crypto/ecdh"
	"log/slog"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
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

	mu            sync.Mutex // guards what follows, and the machines
	policy        Policy
	quotas        quotas
	draining      *oncemsg.Stop // nil while it goes on
	sessions      map[*connection]*session
	presence      presence
	watches       watches
	introductions introductions
	rolls         rolls
	counts        *counts
}

// session is a conversation with a node. It implements the actions of its machine, which
// is stepped under the lock of the server.
type session struct {
	connection
	server *Server

	may allowances // of the goroutine that reads, or, what is not requests, under the lock

	// Of the goroutine that reads.
	challenge *[32]byte // nil once it is used
	over      int       // requests over the rate

	// Guarded by the lock of the server.
	request  func() (oncemsg.Message, *refusal) // what the latest request is
	number   uint32                             // of it
	state    machine.State
	since    time.Time // of the present state, or of the node's last word in it
	who      proved    // nobody until the node has proved it
	pass     func()    // ends the turn of the connection
	dialling bool      // it is dialled back
	nope     *refusal  // why it is refused
}
