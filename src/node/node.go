// Package node is a ZRE node: it owns the loop that runs the core (package
// zre), the connections to and from peers, and the queue of events for the
// application.
//
// Control and data part ways. Greetings, joins, sightings and timers go through
// the loop, which alone owns the core. Whispers and shouts do not: the sender
// encodes into the peer's outgoing buffer, and the goroutine that reads a
// connection hands events to the application in batches. Order from one peer is
// kept, because its reader waits until the loop has dealt with what comes
// between two whispers.
package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/gossip"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
	"github.com/sjohnr/at-once/src/zre"
)

// What an application is told of a node.
type (
	Peer  = zre.Peer
	Event = events.Event
	Batch = events.Batch
)

// compactFrom is the least number of unread tidings that is worth compacting.
const compactFrom = 1024

// Node is a node in a network. Its methods may be called from any goroutine,
// Recv and RecvBatch from one at a time.
type Node struct {
	*shared
	name  string    // that was asked for
	plain uuid.UUID // the id of a node without identity
	table *table
	loop  *loop // nil before the start

	sender atomic.Pointer[channel.Sender] // likewise

	mu      sync.RWMutex // guards phase, the settings while fresh, guard and loop till then, and address
	phase   phase
	address sight.Endpoint // where we accept connections
	port    uint16         // of address

	gossip *gossip.Gossip // nil for none
	quit   func()         // tells the world that the node is gone
	done   chan struct{}  // closed when the loop has ended
}

// phase is how far a node's life has come.
type phase int

const (
	fresh phase = iota
	running
	stopped
)

// New returns a node that does nothing yet. Without a name it takes the first
// six digits of its UUID.
func New(name string) (*Node, error) {
	plain, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("draw a UUID: %w", err)
	}
	who, err := identity.New()
	if err != nil {
		return nil, err
	}
	return &Node{
		shared: &shared{
			world:    world.World{Transport: newTransport(), Now: time.Now, Random: rand.Float64},
			settings: defaults(who),
			events:   events.New(compactFrom),
		},
		name:  name,
		plain: plain,
		table: newTable(),
		done:  make(chan struct{}),
	}, nil
}

// UUID returns the id of the node's identity, or a random one if it has none.
func (n *Node) UUID() uuid.UUID {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.uuid()
}

// uuid is UUID for who holds n.mu.
func (n *Node) uuid() uuid.UUID {
	switch s := &n.settings; {
	case n.guard != nil:
		return n.guard.ID
	case s.Security == api.NodeSecurityPlain:
		return n.plain
	default:
		return s.who.UUID()
	}
}

func (n *Node) Name() string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.guard != nil {
		return n.guard.Name
	}
	return cmp.Or(n.name, strings.ToUpper(n.uuid().String()[:6]))
}

// Endpoint returns where the node accepts connections, empty before Start.
func (n *Node) Endpoint() string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.address == (sight.Endpoint{}) {
		return ""
	}
	return n.address.With(n.guard.PublicKey()).String()
}

// Start starts the node: it listens, announces itself and connects to those it
// sights. It does so in the world of ctx, if that has one, and does not end with ctx.
func (n *Node) Start(ctx context.Context) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != fresh {
		return api.ErrStarted
	}
	if err := n.enter(ctx); err != nil {
		return err
	}
	s := &n.settings
	defer func() {
		if err != nil {
			s.journal.wait(s.Linger)
			n.quit()
		}
	}()
	if s.Evasive >= s.Silent || s.Silent >= s.Expired {
		return api.ErrTimeouts
	}
	if n.guard, err = guard.New(guard.Config{
		Identity: s.who, Chosen: s.chosen, Security: s.Security, Trust: s.Trust, Sealed: len(s.sealed) > 0,
		Name: n.name, Plain: n.plain, Wall: n.world.Now, Log: s.log, Warn: n.warn,
	}); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			n.guard.Release()
			n.guard = nil
		}
	}()
	site, err := n.settle()
	if err != nil {
		return err
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	listener, err := n.world.Transport.Listen(n.ctx, site.listen)
	if err != nil {
		n.cancel()
		return fmt.Errorf("cannot accept connections at %s: %w", site.listen, err)
	}
	if err := n.listenForGossip(); err != nil {
		n.cancel()
		return errors.Join(err, listener.Close())
	}
	if err := n.settleIn(site, listener.Addr()); err != nil {
		n.cancel()
		return errors.Join(err, listener.Close(), n.gossip.Close())
	}
	n.events.Limit(s.Inbox)
	n.begin(listener, site)
	n.phase = running
	n.settings.log.Info("node started", "name", n.guard.Name, "uuid", n.guard.ID, "endpoint", n.address)
	return nil
}

// enter has the node live in the world of ctx, if that has one.
func (n *Node) enter(ctx context.Context) error {
	if w := world.Of(ctx); w != nil {
		n.world = *w
	}
	n.quit = func() {}
	if err := ctx.Err(); err != nil || n.world.Enter == nil {
		return err
	}
	leave, err := n.world.Enter()
	n.quit = leave
	return err
}

// begin starts the goroutines of a node that listens.
func (n *Node) begin(listener net.Listener, site *site) {
	n.loop = n.newLoop(site)
	for group := range n.settings.contests {
		n.loop.step(zre.Contest{Group: group})
	}
	for group := range n.settings.groups {
		n.loop.step(zre.Join{Group: group})
	}
	go n.loop.run()
	own := &channel.Own{Identity: n.guard.Identity, Groups: n.OwnGroups, Apart: n.apart}
	n.work.Go(func() { n.loop.accept(listener, site, own) })
	if n.guard.Identity != nil {
		n.work.Go(n.loop.keepWatch)
	}
	self := sight.Announcement{
		ID: n.guard.ID, Incarnation: n.guard.Incarnation, Port: n.port, Interval: n.settings.Interval,
		Reached: func(local net.Addr) sight.Endpoint {
			return cmp.Or(n.settings.advertised, site.reachedFrom(local)).With(n.guard.PublicKey())
		},
	}
	if key := n.guard.PublicKey(); key != nil {
		self.Key = *key
	}
	for _, source := range n.sources(site) {
		n.work.Go(func() {
			if err := source.Run(n.ctx, self, n.loop.sighted); err != nil {
				n.settings.log.Error("nodes cannot find each other", "by", source.String(), "error", err)
			}
		})
	}
}

// newLoop returns the loop of a node that listens.
func (n *Node) newLoop(site *site) *loop {
	l := &loop{
		shared: n.shared,
		turns:  turns{calls: make(chan func(), 64), done: n.done},
		table:  n.table,
		ledger: newLedger(),
		dialer: dial.NewDialer(n.world.Random),
		port:   n.port,
		home:   n.address.Bare(),
		ours:   map[zre.LinkID]*outbound{},
		theirs: map[zre.LinkID]*inbound{},
		twins:  map[uint16]*twin{},
	}
	l.sender = channel.NewSender(n.guard, n.settings.MaxMessage, n.settings.sealed, n.table.members)
	n.sender.Store(l.sender)
	config := n.settings.core()
	config.ID, config.Name, config.Incarnation = n.guard.ID, n.guard.Name, n.guard.Incarnation
	config.Beacons, config.Signs, config.Endpoint = site.beacon != nil, l.signs, n.address
	l.core, l.carry = zre.New(config), l.carryOut
	return l
}

// sources are what tells of other nodes, and others of this one.
func (n *Node) sources(at *site) (sources []sight.Source) {
	if at.beacon != nil {
		sources = append(sources, at.beacon)
	}
	if n.gossip != nil {
		sources = append(sources, n.gossip)
	}
	return sources
}

// Stop says goodbye to the peers, waits for at most the linger time until they
// have taken what is queued, and closes all connections. Events that wait can
// still be read. If peers are not known to have got content, it returns an
// *UndeliveredError, each time that it is called.
func (n *Node) Stop() error {
	n.mu.Lock()
	was := n.phase
	n.phase = stopped
	n.mu.Unlock()
	switch was {
	case fresh:
		n.events.Close()
		close(n.done)
		return nil
	case stopped:
		<-n.done
		if n.loop == nil {
			return nil
		}
		return n.loop.missed.err(nil)
	case running:
	}
	l := n.loop
	l.do(func() {
		n.events.End()
		l.step(zre.Stop{})
		l.hush()
	})
	n.events.Close()
	n.cancel()
	n.work.Wait()
	close(l.calls)
	<-n.done
	n.guard.Release()
	n.settings.log.Info("node stopped", "name", n.guard.Name, "uuid", n.guard.ID)
	n.settings.journal.wait(n.settings.Linger)
	n.quit()
	return l.missed.err(nil)
}

// Close is Stop.
func (n *Node) Close() error { return n.Stop() }

// running tells why a node does not run, if it does not.
func (n *Node) running() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.phase.err()
}

// while has the loop run a function, if the node runs, and waits until it has.
func (n *Node) while(call func()) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if err := n.phase.err(); err != nil {
		return err
	}
	n.loop.do(call)
	return nil
}

func (p phase) err() error {
	switch p {
	case fresh:
		return api.ErrNotRunning
	case stopped:
		return api.ErrStopped
	}
	return nil
}

// absent is the error for a peer that was not found.
func (n *Node) absent() error {
	if err := n.running(); err != nil {
		return err
	}
	return api.ErrNoPeer
}
