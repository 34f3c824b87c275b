package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/dial"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/site"
	"github.com/sjohnr/at-once/src/world"
	"github.com/sjohnr/at-once/src/zre"
)

// Start starts the node: it listens, announces itself and connects to those it
// sights. It does so in the world of ctx, if that has one, and does not end with ctx.
func (n *Node) Start(ctx context.Context) error {
	return n.Settle(ctx, n.Run)
}

// Settle is Start for a node that another process may run: begin calls Run, or has it be
// called when that process has ended.
func (n *Node) Settle(ctx context.Context, begin func(Outset) error) error {
	return n.Fix(func() error {
		own := n.world
		leave, err := n.moveIn(ctx)
		if err == nil {
			if err = begin(Outset{Groups: slices.Sorted(maps.Keys(n.groups))}); err != nil {
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

// Outset is what a node sets out with. But for the groups, that is what was where another
// process has run it before.
type Outset struct {
	Groups  []string       // that it is in
	Name    string         // which it goes by if it was not given one
	Version uint64         // of what was known
	Lost    channel.Amount // what was said there, and is not known to be confirmed
	Why     string         // it is not
}

// Run runs a node that is being settled, or was. It fails with [api.ErrInUse] if another
// process runs it, and may be called again then.
func (n *Node) Run(with Outset) (err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != fresh {
		return n.phase.err()
	}
	n.name = cmp.Or(n.name, with.Name)
	clear(n.groups)
	for _, group := range with.Groups {
		n.groups[group] = struct{}{}
	}
	s := &n.settings
	if s.Evasive >= s.Silent || s.Silent >= s.Expired {
		return &check.SettingError{Setting: "Silent", Err: fmt.Errorf("%w; they are %v, %v and %v", api.ErrTimeouts, s.Evasive, s.Silent, s.Expired)}
	}
	if n.guard, err = guard.New(n.protection()); err != nil {
		return settingAt(err)
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	if n.ears, err = listen(n.base); err != nil {
		n.cancel()
		n.guard.Release()
		n.guard = nil
		return err
	}
	n.events.Limit(s.Inbox)
	n.sum = link.NewSum(s.Outboxes, s.Outboxes/zremsg.MaxSuspects)
	n.budget = channel.NewBudget(windows)
	n.begin(n.ears, with)
	n.phase = running
	s.log.Info("node started", "name", n.guard.Name(), "uuid", n.guard.ID, "endpoint", n.ears.site.Endpoint())
	return nil
}

// settingAt says which setting an error of the guard is about, if it is one.
func settingAt(err error) error {
	switch {
	case errors.Is(err, api.ErrNoIdentity):
		return &check.SettingError{Setting: "Security", Err: err}
	case errors.Is(err, api.ErrMembers):
		return &check.SettingError{Setting: "Trust", Err: err}
	}
	return err
}

// begin starts the goroutines of a node that listens.
func (n *Node) begin(e *ears, with Outset) {
	l := newLoop(n.base, n.table, e.site, n.life)
	groups := func() (own []string) {
		l.do(func() { own = l.ownGroups() })
		return own
	}
	l.opens = &channel.Own{Identity: n.guard.Identity, Groups: groups, Ahead: e.wan.Challenges}
	for group := range n.contests {
		l.step(zre.Contest{Group: group})
	}
	for group := range n.groups {
		l.step(zre.Join{Group: group})
	}
	l.version = with.Version
	l.own.missed.add(nobody, with.Lost, with.Why)
	if l.wan = e.wan; l.wan != nil {
		l.describe()
		n.work.Go(beyond{l}.run)
	}
	n.loop = l
	n.sender.Store(l.sender)
	go l.run()
	n.work.Go(func() { acceptor{l}.accept(e.listener) })
	if n.guard.Identity != nil {
		n.work.Go(watch{l}.keep)
	}
	e.hear(lookout{l}.sighted, func() { l.do(l.abandon) })
}

// newLoop returns the loop of a node that listens.
func newLoop(s *base, t *table, at *site.Site, of *life) *loop {
	l := &loop{
		base: s,
		talks: talks{
			base:  s,
			turns: &turns{calls: make(chan func(), 64), done: of.done},
			books: books{table: t, ledger: newLedger(maps.Clone(s.settings.groups)), ours: map[zre.LinkID]*outbound{}},
			site:  at, theirs: map[zre.LinkID]*receiver{}, bygones: map[uuid.UUID]uint64{},
		},
		dialer: dial.NewDialer(s.world.Random),
		wanted: map[uuid.UUID]*want{},
	}
	l.rolls = newRolls(s, t, l.talks.turns, l.send)
	l.full = func(k *link.Link) { // the peer gets a fresh connection; a node that stops ends all of them
		l.count("control overflows")
		_ = of.while(func(l *loop) { l.closeSoon(k) })
	}
	l.overrun = func(peer uuid.UUID) {
		l.count("control overflows")
		_ = of.while(func(l *loop) { l.step(zre.Overrun{Peer: peer}) })
	}
	l.strained = func() { _ = of.while((*loop).relieve) }
	l.sender = channel.NewSender(s.guard, s.MaxMessage, s.sealed, t.members, of.running, s.sum, l.strained)
	l.addresses = addresses{&l.rolls, l.sender, map[uuid.UUID]quest{}}
	config := s.settings.core()
	config.ID, config.Name, config.Incarnation = s.guard.ID, s.guard.Name(), s.guard.Incarnation
	if who := s.guard.Identity; who != nil {
		config.Own = &zre.Badge{Card: who.Card(), Token: who.Token()}
	}
	config.Beacons, config.Signs, config.Endpoint = at.Beacon != nil, l.signs, at.Endpoint()
	l.talks.turns.drive(zre.New(config), l.carryOut)
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
