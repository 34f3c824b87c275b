package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/world"
	"github.com/sjohnr/at-once/src/zre"
)

// Start starts the node: it listens, announces itself and connects to those it
// sights. It does so in the world of ctx, if that has one, and does not end with ctx.
func (n *Node) Start(ctx context.Context) error {
	return n.Settle(ctx, func() error { return n.Run(nil) })
}

// Settle is Start for who runs the node at once or, if another process does, when that has
// ended: begin calls Run, or does without it.
func (n *Node) Settle(ctx context.Context, begin func() error) error {
	return n.Fix(func() error {
		own := n.world
		leave, err := n.moveIn(ctx)
		if err == nil {
			if err = begin(); err != nil {
				n.journal.wait(n.Linger)
				leave()
			}
		}
		if n.quit = leave; err != nil {
			n.world, n.quit = own, nil
		}
		return err
	})
}

// moveIn has a node live in the world of ctx, if that has one. The node calls leave when it
// is gone.
func (s *base) moveIn(ctx context.Context) (leave func(), err error) {
	if w := world.Of(ctx); w != nil {
		s.world = *w
	}
	if err := ctx.Err(); err != nil || s.world.Enter == nil {
		return func() {}, err
	}
	return s.world.Enter()
}

// Past is what was, where a node goes on that another process has run before.
type Past struct {
	Name    string         // which the node goes by if it was not given one
	Groups  []string       // that it is in
	Version uint64         // of what was known
	Lost    channel.Amount // what was said there, and is not known to be confirmed
	Why     string         // it is not
}

// Run runs a node that is being settled, or was. It fails with [api.ErrInUse] if another
// process runs it, and may be called again then.
func (n *Node) Run(past *Past) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != fresh {
		return n.phase.err()
	}
	if past != nil {
		n.name = cmp.Or(n.name, past.Name)
		clear(n.groups)
		for _, group := range past.Groups {
			n.groups[group] = struct{}{}
		}
	}
	s := &n.settings
	if s.Evasive >= s.Silent || s.Silent >= s.Expired {
		return &check.SettingError{Setting: "Silent", Err: fmt.Errorf("%w; they are %v, %v and %v", api.ErrTimeouts, s.Evasive, s.Silent, s.Expired)}
	}
	if n.guard, err = guard.New(n.protection()); err != nil {
		return about(err)
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.ears, err = listen(n.base); err != nil {
		n.cancel()
		n.guard.Release()
		n.guard = nil
		return err
	}
	n.events.Limit(s.Inbox)
	n.begin(n.ears, past)
	n.phase = running
	s.log.Info("node started", "name", n.guard.Name(), "uuid", n.guard.ID, "endpoint", n.ears.site.Endpoint())
	return nil
}

// protection is what the guard is told.
func (n *Node) protection() guard.Config {
	s := &n.settings
	return guard.Config{
		Identity: s.who, Chosen: s.chosen, Security: s.Security, Trust: s.Trust, Sealed: len(s.sealed) > 0, Curve: s.curve,
		Name: n.name, Plain: n.plain, Wall: n.world.Now, Log: s.log, Warn: n.warn,
	}
}

// about says which setting an error of the guard is about, if it is one.
func about(err error) error {
	switch {
	case errors.Is(err, api.ErrNoIdentity):
		return &check.SettingError{Setting: "Security", Err: err}
	case errors.Is(err, api.ErrMembers):
		return &check.SettingError{Setting: "Trust", Err: err}
	}
	return err
}

// begin starts the goroutines of a node that listens.
func (n *Node) begin(e *ears, past *Past) {
	l := newLoop(n.base, n.table, e.site, &n.life)
	for group := range n.contests {
		l.step(zre.Contest{Group: group})
	}
	for group := range n.groups {
		l.step(zre.Join{Group: group})
	}
	if past != nil {
		l.version = past.Version
		l.own.missed.add(nobody, past.Lost, past.Why)
	}
	n.loop = l
	n.sender.Store(l.sender)
	go l.run()
	own := &channel.Own{Identity: n.guard.Identity, Groups: l.groupsOwn, Apart: n.apart}
	n.work.Go(func() { acceptor{l, own}.accept(e.listener) })
	if n.guard.Identity != nil {
		n.work.Go(watch{l}.keep)
	}
	e.hear(lookout{l}.sighted, func() { l.do(l.abandon) })
}

// newLoop returns the loop of a node that listens.
func newLoop(s *base, t *table, at *site.Site, of *life) *loop {
	l := &loop{
		base:   s,
		turns:  turns{calls: make(chan func(), 64), done: of.done},
		books:  books{table: t, ledger: newLedger(s.settings.groups), ours: map[zre.LinkID]*outbound{}},
		life:   of,
		dialer: dial.NewDialer(s.world.Random),
		sender: channel.NewSender(s.guard, s.MaxMessage, s.sealed, t.members, of.running),
		site:   at,
		theirs: map[zre.LinkID]*inbound{},
		rolls:  newRolls(s.guard),
	}
	config := s.settings.core()
	config.ID, config.Name, config.Incarnation = s.guard.ID, s.guard.Name(), s.guard.Incarnation
	if who := s.guard.Identity; who != nil {
		config.Own = &zre.Badge{Card: who.Card(), Token: who.Token()}
	}
	config.Beacons, config.Signs, config.Endpoint = at.Beacon != nil, l.signs, at.Endpoint()
	l.core, l.carry = zre.New(config), l.carryOut
	return l
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
		n.goes()
		return nil
	case n.loop == nil: // it was stopped before it has started
		return nil
	case was == running:
		n.end(n.loop)
	}
	<-n.done
	return n.loop.own.missed.err(nil)
}

// end ends a node that runs.
func (n *Node) end(l *loop) {
	if n.door != nil {
		n.door.Hush()
	}
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
	if n.door != nil { // last: calls that wait are answered when the loop has ended
		n.door.Close(n.Linger)
	}
	n.guard.Release()
	n.settings.log.Info("node stopped", "name", n.guard.Name(), "uuid", n.guard.ID)
	n.goes()
}

// goes has the node be gone, once the application has taken the lines of its log.
func (n *Node) goes() {
	n.journal.wait(n.Linger)
	if n.quit != nil {
		n.quit()
	}
}

// Close is Stop.
func (n *Node) Close() error { return n.Stop() }
