package client

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// Errors of a client.
var (
	ErrAway      = errors.New("there is no connection to the server now")
	ErrHandshake = errors.New("it ends connections in the handshake: the KEY of its address may be another's, or it takes no more now")
	ErrServer    = errors.New("who answers there is not the server that was there before")
	ErrUnproved  = errors.New("what the peer is said to have answered is not from it")
	ErrUnknown   = errors.New("the server knows no such peer, or tells of none that is right")
)

// RefusedError says why a server does not do what was asked for.
type RefusedError struct {
	Reason serving.Reason
	Text   string        // in the server's words
	Retry  time.Duration // after which it may be tried again; 0 is not at all as it is
}

// Away tells whether an error says that the server, or the peer at the server, is not there,
// which says nothing of where the peer is.
func Away(err error) bool {
	no := new(RefusedError)
	gone := errors.As(err, &no) && (no.Reason == serving.ReasonUnknown || no.Reason == serving.ReasonUnanswered)
	return gone || errors.Is(err, ErrAway) || errors.Is(err, ErrUnknown) || errors.Is(err, context.DeadlineExceeded)
}

func (e *RefusedError) Error() string { return fmt.Sprintf("the server says %q", e.Text) }

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

// Pin is what is known of a server.
type Pin struct {
	Identity  ed25519.PublicKey
	Key       [32]byte // by which it is known now
	NotBefore time.Time
}

// Pins keep what is known of servers, by the KEY in their addresses.
type Pins interface {
	Pin(key [32]byte) (Pin, bool)
	Keep(key [32]byte, pin Pin) error
}

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

// Client stays with a server. It is a [sight.Source]. All methods may be called from any
// goroutine.
type Client struct {
	Config
	work  sync.WaitGroup
	see   func([]sight.Sighting)
	moved chan struct{} // holds a token when the host's network has changed

	mu        sync.Mutex // guards what follows, and the machine of the session
	session   *session   // nil while there is none
	published published
	pins      map[[32]byte]Pin    // what was learnt, if Pins does not keep it
	elsewhere *rendezvous.Address // where the server has said to go until it is back
	known     known
	nonces    nonces
	aheads    aheads
	abandon   func() // ends the attempt to connect; nil before the first
	server    uuid.UUID
	outshone  time.Time     // when a twin was told last that has started later
	found     time.Time     // since when the latest session is of use; zero for none
	trouble   string        // why there is no session; nothing if there is
	away      bool          // the latest attempt has failed
	refused   *RefusedError // by which it has; nil if that was not it
	retry     time.Duration // the server has asked to wait for so long
}

// session is a conversation with the server over one connection. It implements the actions
// of its machine, which is stepped under the lock of the client.
type session struct {
	*Client
	link  *link.Link
	at    *rendezvous.Address
	dial  func(context.Context) (net.Conn, error) // to the same address
	key   [32]byte                                // by which the server is known
	ended chan struct{}

	// Of the goroutine that reads.
	keys    *rendezvous.Keys // from CHALLENGE on
	message oncemsg.Message  // the latest
	number  uint32           // of that
	sights  []sight.Sighting // wait to be handed on

	state     machine.State
	timer     *time.Timer
	since     time.Time // of the present state
	last      uint32    // number that was given
	step      uint32    // of what the conversation waits for
	watching  uint32    // number of the latest WATCH
	sent      time.Time // when the step was
	calls     map[uint32]chan oncemsg.Message
	challenge *oncemsg.Challenge
	entries   []*Peer // of a DELTA, that were found to be right
	putOff    bool
	doubted   bool // it is asked for a sign of life
	fault     error
	watched   string // the tags of the latest WATCH
	told      *identity.Card
	observed  string
	relays    bool
	large     bool
	trip      time.Duration
	offset    time.Duration
}

// published is what the server has of the node.
type published struct {
	what           Description
	network        rendezvous.Number
	incarnation    uint64
	record, sealed []byte
	challenge      []byte
	former         []byte    // challenge of the record before
	expiry         time.Time // by the server's clock
}

// known is what is known of others, under the lock of the client.
type known struct {
	tags    string
	network rendezvous.Number
	cursor  uint64
	peers   map[uuid.UUID]*Peer
	highest map[uuid.UUID]*rendezvous.Record // of what was told ever
	anew    map[uuid.UUID]bool               // told since the server began anew; nil if it is not about to
	missing map[uuid.UUID]time.Time          // since when the server does not tell of who was there
}

func newKnown() known {
	return known{peers: map[uuid.UUID]*Peer{}, highest: map[uuid.UUID]*rendezvous.Record{}, missing: map[uuid.UUID]time.Time{}}
}

// nonces are those of who has asked, and until when they are remembered.
type nonces map[[16]byte]time.Time

// Peer is a node that a server tells of. It has signed the record, and the network's SECRET
// opens it. It does not change.
type Peer struct {
	ID     uuid.UUID
	Card   *identity.Card
	Record *rendezvous.Record
	Inside *oncerecord.Inside // nil in the lobby
	Token  *identity.Token    // nil if it is in an open network
	Seen   []string           // where the server says that it has seen the node
	gone   bool               // the server says that it is not there
	octets []byte
}

// Proposal is somebody who would meet, and has proved who it is.
type Proposal struct {
	ID    uuid.UUID
	Card  *identity.Card
	Lobby bool // it need not know the network
}

// Meeting is what a node needs to meet another that is willing.
type Meeting struct {
	Proposal
	Dial     []sight.Endpoint // where to dial it, see [Dialable]
	Seen     []string         // where the server has seen it
	Observed string           // where the server has seen this node
}

// Circuit is an end of a circuit, which is good for 30 seconds.
type Circuit struct {
	Peer   uuid.UUID // who has the other end, by the server's word
	Passed []byte    // ids of the relays on the way, of 16 octets each
	Ahead  []byte    // sealed content of the peer, if it has asked
	ticket []byte
	dial   func(context.Context) (net.Conn, error)
}
