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
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	machine "github.com/sjohnr/at-once/generated/go/rendezvousclient"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
)

// New returns a client that does nothing yet.
func New(c Config) *Client {
	return &Client{Config: c, moved: make(chan struct{}, 1), trouble: "it has not answered yet", known: newKnown(), nonces: nonces{}, aheads: aheads{}, pins: map[[32]byte]Pin{}}
}

func (c *Client) String() string { return "rendezvous" }

// Run implements [sight.Source]: it stays with the server until ctx ends.
func (c *Client) Run(ctx context.Context, _ sight.Announcement, sighted func([]sight.Sighting)) error {
	c.see = sighted
	since := time.Now() // there is no server, or it was not of use for long
	for n := 0; ; n++ {
		// Full jitter, so that those who lost a server together come back apart.
		wait := time.Duration(c.Random("backoff") * float64(backoff(n, time.Since(since))))
		c.mu.Lock()
		wait, c.retry = wait+c.retry, 0
		c.mu.Unlock()
		if c.pause(ctx, wait) {
			since = time.Now()
		}
		if ctx.Err() != nil {
			break
		}
		c.fail(c.try(ctx, &c.Address, n))
		stood := c.stood()
		c.shelter(ctx, n)
		if ctx.Err() != nil {
			break
		}
		if away := time.Since(since) - stood; stood > max(enough, min(away, maxBackoff)) {
			since = time.Now()
		}
	}
	c.work.Wait()
	return nil
}

// backoff returns how long to wait at most after so many tries, since the first of which it is
// so long: about as long as the server is away already.
func backoff(tries int, away time.Duration) time.Duration {
	if tries == 0 {
		return 0
	}
	return min(max(away, firstBackoff), maxBackoff)
}

// stood returns for how long the server was of use in a conversation that has just ended.
func (c *Client) stood() (stood time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.found.IsZero() {
		stood = time.Since(c.found)
	}
	return stood
}

// pause waits for so long, or until ctx ends or the host's network has changed, and tells
// whether it has.
func (c *Client) pause(ctx context.Context, wait time.Duration) (moved bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c.moved:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// try is connect, which ends if the host's network changes before there is a conversation:
// what was begun from where the host was may be answered by nobody.
func (c *Client) try(ctx context.Context, to *rendezvous.Address, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.mu.Lock()
	c.abandon, c.found = func() { cancel(errMoved) }, time.Time{}
	c.mu.Unlock()
	err := c.connect(ctx, to, n)
	if context.Cause(ctx) == errMoved {
		return errMoved
	}
	return err
}

var errMoved = errors.New("this host's network has changed meanwhile")

// Moved says that the host's network has changed. A conversation from an address that is no
// more is over, and the next one begins at once.
func (c *Client) Moved() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.moved <- struct{}{}:
	default:
	}
	s := c.session
	if s == nil {
		if c.abandon != nil {
			c.abandon()
		}
		return
	}
	addrs, err := net.InterfaceAddrs()
	at, fault := netip.ParseAddrPort(s.link.LocalAddr().String())
	stands := err != nil || fault != nil || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, err := netip.ParsePrefix(a.String())
		return err == nil && own.Addr().Unmap() == at.Addr().Unmap().WithZone("")
	})
	if !stands {
		s.HangUp()
	}
}

// fail notes why there is no conversation.
func (c *Client) fail(err error) {
	c.mu.Lock()
	c.away = c.trouble != "" // else it is about to be tried again
	c.trouble, c.refused = err.Error(), nil
	errors.As(err, &c.refused)
	c.turn()
	c.mu.Unlock()
	c.Log.Debug("no rendezvous", "server", c.Address, "error", err)
}

// shelter is with the server that the client's own has named for while it is away, if it
// has, and no longer than a while: a server that names others sends nobody there for good,
// nor from there any further.
func (c *Client) shelter(ctx context.Context, n int) {
	c.mu.Lock()
	to, retry := c.elsewhere, c.retry
	c.mu.Unlock()
	if to == nil {
		return
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, retry+time.Duration((1+c.Random("shelter"))*float64(maxBackoff)/2))
	defer cancel()
	c.fail(c.try(ctx, to, n))
	c.mu.Lock()
	c.retry = max(0, retry-time.Since(began))
	c.mu.Unlock()
}

// connect has a conversation with a server, at another of its hosts each time, or by
// HTTPS after each of them, and returns why it has ended.
func (c *Client) connect(ctx context.Context, to *rendezvous.Address, n int) error {
	at := n % (len(to.Hosts) + 1)
	dial := func(ctx context.Context) (net.Conn, error) { return c.WSS(ctx, to.WSS) }
	if at < len(to.Hosts) {
		dial = func(ctx context.Context) (net.Conn, error) {
			return link.Connect(ctx, c.Transport, "tcp://"+to.Hosts[at])
		}
	} else if c.WSS == nil || to.WSS == "" {
		return c.connect(ctx, to, n+1)
	}
	attempt, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	conn, err := dial(attempt)
	if err != nil {
		return err
	}
	key := c.pinned(to.Key).Key
	if n/(len(to.Hosts)+1)%2 == 1 { // what was restored from a backup may have lost its next KEY
		key = to.Key
	}
	return c.converse(ctx, conn, to, key, dial)
}

// turn tells that State is another. The caller holds the lock.
func (c *Client) turn() {
	if c.Turned != nil {
		c.Turned()
	}
}

// Doubt has the server be asked for something, so that a conversation ends that it is not in
// any more.
func (c *Client) Doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session
	if s == nil || s.doubted {
		return
	}
	s.doubted = true
	own := c.Identity.UUID()
	s.work.Go(func() {
		_, _, err := c.call(context.Background(), &oncemsg.GetEndpoints{Ids: own[:]}) // which ends by itself
		c.Log.Debug("a server was asked for a sign of life", "server", s.at, "error", err)
		c.mu.Lock()
		defer c.mu.Unlock()
		s.doubted = false
	})
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
	state := State{Server: c.server, Trouble: c.trouble, Away: c.away, Refused: c.refused}
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
