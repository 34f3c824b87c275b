// Package client is a node's side of a rendezvous: it tells a server of the node, and the
// node of others, and asks for introductions and circuits.
//
// A server is not believed. What it tells of a node is taken if that has signed it, it is
// no older than what was told before, and, where there is a SECRET, it opens under that.
// What is told adds to what is known, and never ends a conversation.
//
// Programs import bindings/go/once: what is here may change at any time.
package client

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// Errors of a client.
var (
	ErrAway     = errors.New("there is no connection to the server now")
	ErrServer   = errors.New("who answers there is not the server that was there before")
	ErrUnproved = errors.New("what the peer is said to have answered is not from it")
	ErrUnknown  = errors.New("the server knows no such peer, or tells of none that is right")
)

// RefusedError says why a server does not do what was asked for.
type RefusedError struct {
	Reason serving.Reason
	Text   string        // in the server's words
	Retry  time.Duration // after which it may be tried again; 0 is not at all as it is
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
	work sync.WaitGroup
	see  func([]sight.Sighting)

	mu        sync.Mutex // guards what follows, and the machine of the session
	session   *session   // nil while there is none
	published published
	pin       *Pin // what was learnt, if Pins does not keep it
	known     known
	nonces    nonces
	trouble   string        // why there is no session; nothing if there is
	retry     time.Duration // the server has asked to wait for so long
}

// New returns a client that does nothing yet.
func New(c Config) *Client {
	return &Client{Config: c, trouble: "it has not answered yet", known: newKnown(), nonces: nonces{}}
}

func (c *Client) String() string { return "rendezvous" }

// maxBackoff is the longest that a client waits after something that has failed.
const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = time.Minute
)

// Run implements [sight.Source]: it stays with the server until ctx ends.
func (c *Client) Run(ctx context.Context, _ sight.Announcement, sighted func([]sight.Sighting)) error {
	c.see = sighted
	var backoff time.Duration
	for n := 0; ; n++ {
		// Full jitter, so that those who lost a server together come back apart.
		wait := time.Duration(c.Random("backoff") * float64(backoff))
		c.mu.Lock()
		wait, c.retry = wait+c.retry, 0
		c.mu.Unlock()
		if !link.Pause(ctx, wait) {
			break
		}
		began := time.Now()
		err := c.connect(ctx, n)
		if ctx.Err() != nil {
			break
		}
		c.mu.Lock()
		c.trouble = err.Error()
		c.mu.Unlock()
		c.Log.Debug("no rendezvous", "server", c.Address, "error", err)
		if backoff = min(2*max(backoff, firstBackoff/2), maxBackoff); time.Since(began) > maxBackoff {
			backoff = firstBackoff
		}
	}
	c.work.Wait()
	return nil
}

// connect has a conversation with the server, at another of its hosts each time, or by
// HTTPS after each of them, and returns why it has ended.
func (c *Client) connect(ctx context.Context, n int) error {
	at := n % (len(c.Address.Hosts) + 1)
	dial := func(ctx context.Context) (net.Conn, error) { return c.WSS(ctx, c.Address.WSS) }
	if at < len(c.Address.Hosts) {
		dial = func(ctx context.Context) (net.Conn, error) {
			return link.Connect(ctx, c.Transport, "tcp://"+c.Address.Hosts[at])
		}
	} else if c.WSS == nil || c.Address.WSS == "" {
		return c.connect(ctx, n+1)
	}
	attempt, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	conn, err := dial(attempt)
	if err != nil {
		return err
	}
	key := c.pinned().Key
	if n/(len(c.Address.Hosts)+1)%2 == 1 { // what was restored from a backup may have lost its next KEY
		key = c.Address.Key
	}
	return c.converse(ctx, conn, key, dial)
}

// Renew implements [sight.Source]: what there is to say of the node, or whom it watches, has
// changed.
func (c *Client) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.session; s != nil {
		s.fire(machine.EventRenew)
	}
}

// State is how things stand with the server.
type State struct {
	Trouble  string        // why it is of no use now; nothing if it is
	Observed string        // the address that it sees the node at
	Trip     time.Duration // there and back
	Offset   time.Duration // how much its clock is ahead
	Relays   bool          // it lends circuits
	Large    bool          // the network has too many nodes to be told of all: List them
}

// State returns how things stand.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := State{Trouble: c.trouble}
	if s := c.session; s != nil {
		state.Observed, state.Trip, state.Offset, state.Relays, state.Large = s.observed, s.trip, s.offset, s.relays, s.large
	}
	return state
}

// Challenges returns what content that is sent ahead of a connection to the node is sealed
// under: that of the record that others have, and of the one before, which some still have.
func (c *Client) Challenges() (list [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, challenge := range [][]byte{c.published.challenge, c.published.former} {
		if challenge != nil {
			list = append(list, challenge)
		}
	}
	return list
}

// call asks the server for something, and returns its answer.
func (c *Client) call(ctx context.Context, m oncemsg.Message) (*session, oncemsg.Message, error) {
	c.mu.Lock()
	s := c.session
	if s == nil || !s.state.IsConversing() {
		defer c.mu.Unlock()
		return nil, nil, fmt.Errorf("%w: %s", ErrAway, cmp.Or(c.trouble, "it has just begun"))
	}
	number, answer := s.next(), make(chan oncemsg.Message, 1)
	s.calls[number] = answer
	s.send(number, m)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(s.calls, number)
		c.mu.Unlock()
	}()
	select {
	case m := <-answer:
		if nope, ok := m.(*oncemsg.Nope); ok {
			return nil, nil, refused(nope)
		}
		return s, m, nil
	case <-s.ended:
		return nil, nil, ErrAway
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func refused(m *oncemsg.Nope) *RefusedError {
	return &RefusedError{serving.Reason(m.Code), m.Text, time.Duration(m.Retry) * time.Millisecond}
}

// DialBack has the server connect to a port at the address that it sees the node at, and
// returns where it has reached the node.
func (c *Client) DialBack(ctx context.Context, port uint16) (string, error) {
	_, m, err := c.call(ctx, &oncemsg.DialBack{Port: port})
	if err != nil {
		return "", err
	}
	if m, ok := m.(*oncemsg.Dialled); !ok {
		return "", ErrUnknown
	} else if m.Reached == 0 {
		return "", fmt.Errorf("the server does not reach %s: %s", m.Observed, m.Text)
	} else {
		return m.Observed, nil
	}
}

// FetchKey has a peer's card have the sealing key that it names, as the server has it.
func (c *Client) FetchKey(ctx context.Context, card *identity.Card) error {
	_, m, err := c.call(ctx, &oncemsg.GetKey{Peer: card.ID})
	if m, ok := m.(*oncemsg.Key); ok {
		return card.Sealing.Take(m.Key)
	}
	return cmp.Or(err, ErrUnknown)
}
