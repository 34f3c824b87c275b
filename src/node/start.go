package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/gossip"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/world"
	"github.com/sjohnr/at-once/src/zre"
)

// Start starts the node: it listens, announces itself and connects to those it
// sights. It does so in the world of ctx, if that has one, and does not end with ctx.
func (n *Node) Start(ctx context.Context) error {
	return n.Fix(func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if err := n.enter(ctx); err != nil {
			return err
		}
		err := n.start()
		if err != nil {
			n.journal.wait(n.Linger)
			n.quit()
		}
		return err
	})
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

// start is the part of Start that may fail in the node's world.
func (n *Node) start() (err error) {
	s := &n.settings
	if s.Evasive >= s.Silent || s.Silent >= s.Expired {
		return api.ErrTimeouts
	}
	if n.guard, err = guard.New(guard.Config{
		Identity: s.who, Chosen: s.chosen, Security: s.Security, Trust: s.Trust, Sealed: len(s.sealed) > 0,
		Name: n.name, Plain: n.plain, Wall: n.world.Now, Log: s.log, Warn: n.warn,
	}); err != nil {
		return err
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	listener, err := n.listen()
	if err != nil {
		n.cancel()
		n.guard.Release()
		n.guard, n.site, n.gossip = nil, nil, nil
		return err
	}
	n.events.Limit(s.Inbox)
	n.begin(listener)
	n.phase = running
	s.log.Info("node started", "name", n.guard.Name, "uuid", n.guard.ID, "endpoint", n.site.Endpoint())
	return nil
}

// listen has the node heard: it accepts connections, and listens for beacons and gossip.
func (n *Node) listen() (net.Listener, error) {
	s := &n.settings
	at, err := site.Choose(site.Config{
		Interfaces: s.interfaces, Listen: s.endpoint, Port: s.udpPort(), Beacon: n.world.Beacon,
		Interval: s.Interval, Count: n.count, Notice: n.notice,
	})
	if err != nil {
		return nil, err
	}
	listener, err := n.world.Transport.Listen(n.ctx, at.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot accept connections at %s: %w", at.Listen, err)
	}
	if s.gossips() {
		n.gossip, err = gossip.Listen(n.ctx, gossip.Config{
			Bind: s.gossip, Seeds: s.servers, Linger: s.Linger,
			Transport: n.world.Transport, Random: n.world.Random, Log: s.log, Count: n.count,
		})
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if err := at.Settle(n.ctx, listener.Addr()); err != nil {
		return nil, errors.Join(err, listener.Close(), n.gossip.Close())
	}
	if at.Missing != nil {
		n.warn(fmt.Sprintf("waiting for an interface: %v", at.Missing))
	}
	n.site = at
	return listener, nil
}

// begin starts the goroutines of a node that listens.
func (n *Node) begin(listener net.Listener) {
	l := n.newLoop()
	for group := range n.contests {
		l.step(zre.Contest{Group: group})
	}
	for group := range n.groups {
		l.step(zre.Join{Group: group})
	}
	n.loop = l
	n.sender.Store(l.sender)
	go l.run()
	own := &channel.Own{Identity: n.guard.Identity, Groups: l.groupsOwn, Apart: n.apart}
	n.work.Go(func() { l.accept(listener, own) })
	if n.guard.Identity != nil {
		n.work.Go(l.keepWatch)
	}
	self := n.announcement()
	for _, source := range n.sources() {
		n.work.Go(func() {
			if err := source.Run(n.ctx, self, l.sighted); err != nil {
				n.settings.log.Error("nodes cannot find each other", "by", source.String(), "error", err)
			}
		})
	}
	n.work.Go(func() { n.follow(l, n.sources()) })
}

// newLoop returns the loop of a node that listens.
func (n *Node) newLoop() *loop {
	l := &loop{
		shared: n.shared,
		turns:  turns{calls: make(chan func(), 64), done: n.done},
		table:  n.table,
		ledger: newLedger(),
		dialer: dial.NewDialer(n.world.Random),
		sender: channel.NewSender(n.guard, n.MaxMessage, n.sealed, n.table.members),
		site:   n.site,
		home:   n.site.Endpoint().Bare(),
		ours:   map[zre.LinkID]*outbound{},
		theirs: map[zre.LinkID]*inbound{},
		twins:  map[uint16]*twin{},
	}
	config := n.settings.core()
	config.ID, config.Name, config.Incarnation = n.guard.ID, n.guard.Name, n.guard.Incarnation
	config.Beacons, config.Signs, config.Endpoint = n.site.Beacon != nil, l.signs, n.site.Endpoint()
	l.core, l.carry = zre.New(config), l.carryOut
	return l
}

// announcement is what the sources of sightings tell of the node.
func (n *Node) announcement() sight.Announcement {
	at := n.site
	self := sight.Announcement{
		ID: n.guard.ID, Incarnation: n.guard.Incarnation, Port: at.Endpoint().Port(), Interval: n.Interval,
		Reached: func(local net.Addr) sight.Endpoint {
			return cmp.Or(n.advertised, at.Reached(local)).With(n.guard.PublicKey())
		},
	}
	if key := n.guard.PublicKey(); key != nil {
		self.Key = *key
	}
	return self
}

// sources are what tells of other nodes, and others of this one.
func (n *Node) sources() (sources []sight.Source) {
	if n.site.Beacon != nil {
		sources = append(sources, n.site.Beacon)
	}
	if n.gossip != nil {
		sources = append(sources, n.gossip)
	}
	return sources
}

// follow keeps up with the host's interfaces.
func (n *Node) follow(l *loop, sources []sight.Source) {
	n.site.Follow(n.ctx, func(more bool) {
		for _, source := range sources {
			source.Renew()
		}
		if more {
			l.do(l.abandon)
		}
	})
}

// Stop says goodbye to the peers, waits for at most the linger time until they
// have taken what is queued, and closes all connections. Events that wait can
// still be read. If peers are not known to have got content, it returns an
// *UndeliveredError, each time that it is called.
func (n *Node) Stop() error {
	_ = n.Fix(func() error { return nil }) // a node that has not started never does
	n.mu.Lock()
	was := n.phase
	n.phase = stopped
	n.mu.Unlock()
	switch {
	case was == fresh:
		n.events.Close()
		close(n.done)
		return nil
	case n.loop == nil: // it was stopped before it has started
		return nil
	case was == running:
		n.end(n.loop)
	}
	<-n.done
	return n.loop.missed.err(nil)
}

// end ends a node that runs.
func (n *Node) end(l *loop) {
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
	n.journal.wait(n.Linger)
	n.quit()
}

// Close is Stop.
func (n *Node) Close() error { return n.Stop() }

// GossipUnpublish has the node tell no more of a peer, until the peer publishes
// itself anew.
func (n *Node) GossipUnpublish(peer uuid.UUID) error {
	err := n.running()
	if err == nil && n.gossip != nil {
		n.gossip.Unpublish(peer)
	}
	return err
}
