package client

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// New returns a client that does nothing yet.
func New(c Config) *Client {
	n := &Client{Config: c, pins: pins{kept: c.Pins, learnt: map[[32]byte]Pin{}}, known: newKnown(), nonces: nonces{}}
	n.twins = twins{Config: &n.Config, lookUp: n.lookUp, introduce: n.Introduce}
	n.stay = stay{
		Config: &n.Config, pins: &n.pins, open: n.session, moved: make(chan struct{}, 1), mu: &n.mu,
		standing: standing{turned: c.Turned, trouble: "it has not answered yet"},
	}
	return n
}

func (c *Client) String() string { return "rendezvous" }

// Run implements [sight.Source]: it stays with the server until ctx ends.
func (c *Client) Run(ctx context.Context, _ sight.Announcement, sighted func([]sight.Sighting)) error {
	c.see = sighted
	c.stay.run(ctx)
	c.work.Wait()
	return nil
}

// Moved says that the host's network has changed. A conversation from an address that is no
// more is over, and the next one begins at once.
func (c *Client) Moved() { c.stay.move() }

// Renew implements [sight.Source]: what there is to say of the node, or whom it watches, has
// changed.
func (c *Client) Renew() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.stay.session; s != nil {
		s.fire(machine.EventRenew)
	}
}

// State is how things stand with the server.
type State struct {
	Server   uuid.UUID     // its id; zeros until it has shown it
	Trouble  string        // why it is of no use now; nothing if it is
	Away     bool          // the latest attempt to reach it has failed
	Refused  *RefusedError // why it does not let the node in; nil if it has not said that
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
	how := &c.stay.standing
	state := State{Server: how.server, Trouble: how.trouble, Away: how.away, Refused: how.refused}
	if s := c.stay.session; s != nil {
		state.Observed, state.Trip, state.Offset, state.Relays, state.Large = s.observed, s.trip, s.offset, s.relays, s.large
	}
	return state
}

// Peers returns who is known to be there, in the order of their ids.
func (c *Client) Peers() (list []*Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.known.peers {
		if p.ID != c.Identity.UUID() {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *Peer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return list
}

// Network returns the number of the network, and false for the lobby, or while it is not
// known who the server is.
func (c *Client) Network() (rendezvous.Number, bool) {
	pin := c.pins.of(c.Address.Key)
	if pin.Identity == nil || c.Address.Secret == (rendezvous.Secret{}) {
		return rendezvous.Number{}, false
	}
	return c.keysAt(pin.Identity).Number, true
}

// Known returns where a peer may be dialled, as far as the server has told; nil for nowhere.
func (c *Client) Known(peer uuid.UUID) *Meeting {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, s := c.known.peers[peer], c.stay.session
	if p == nil || s == nil {
		return nil
	}
	return &Meeting{Proposal: Proposal{ID: peer, Card: p.Card}, Dial: p.Dialable(s.observed), Seen: p.Seen, Observed: s.observed}
}
