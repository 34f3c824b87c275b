package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
)

// tenancy is the time in which a node is attached to one that another process runs.
type tenancy struct {
	*control.Client
	over chan struct{} // closed when it is settled where the node runs then
}

// heir is what a node needs that may be attached to one that another process runs: when
// that ends, one of those that were attached runs the node, and the others are attached to
// it. What is here is guarded by the lock of the life.
type heir struct {
	stays   context.Context // ends when the node stops
	leave   context.CancelFunc
	work    sync.WaitGroup
	version uint64 // of what was known where the node ran before
	orphans missed // what was said there, and is not known to be confirmed
}

// startOrShare starts the node, or shares the one that another process runs. That one may
// be about to listen, or about to end: what is right shows within a moment. The caller has
// the lock.
func (n *Node) startOrShare(ctx context.Context) error {
	began, told := time.Now(), false
	until := began.Add(oncecontrol.MaxStarting * time.Millisecond)
	for {
		err := n.start()
		dir := n.who.Directory()
		if !n.Shared || dir == "" || !errors.Is(err, api.ErrInUse) {
			return err
		}
		n.events.Limit(n.Inbox)
		far, absent := control.Connect(ctx, dir, n.events)
		if absent == nil {
			if absent = n.protects(ctx, far); absent == nil {
				return n.attach(far)
			}
			far.Close()
		}
		switch {
		case errors.Is(absent, api.ErrBrief):
			until = time.Now().Add(oncecontrol.MaxStarting * time.Millisecond)
			if since := time.Since(began); since > oncecontrol.MaxStarting*time.Millisecond && !told {
				told = true
				n.settings.log.Warn("waits for another process that runs the node, and is about to end", "since", since.Round(time.Second), "error", err)
			}
		case !errors.Is(absent, control.ErrAbsent) && !errors.Is(absent, api.ErrStopped), time.Now().After(until):
			return fmt.Errorf("%w; %w", err, absent)
		}
		if !link.Pause(ctx, link.FirstWait) {
			return ctx.Err()
		}
	}
}

// attach shares a node that another process runs. The caller has the lock.
func (n *Node) attach(far *control.Client) error {
	for _, group := range slices.Sorted(maps.Keys(n.groups)) {
		if err := far.Join(group); err != nil {
			far.Close()
			return err
		}
	}
	if len(n.contests) > 0 {
		n.warn("this program shares the node of process " + far.Welcome.Process + ", and does not have it contest for " +
			strings.Join(slices.Sorted(maps.Keys(n.contests)), ", "))
	}
	t := &tenancy{far, make(chan struct{})}
	n.far.Store(t)
	n.phase = attached
	n.heir.work.Go(func() { n.inherit(t) })
	n.settings.log.Info("node shared", "name", far.Welcome.Name, "uuid", uuid.UUID(far.Welcome.Node), "process", far.Welcome.Process)
	return nil
}

// inherit has the node go on when the process has ended that ran it.
func (n *Node) inherit(t *tenancy) {
	left := t.Legacy()
	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(t.over)
	if n.phase != attached {
		return
	}
	for _, p := range left.Peers {
		left.Version++
		n.events.Post(events.Facts{
			Type: api.EventTypeExit, Reason: peermachine.ReasonStopped, Peer: p, At: time.Now(), Version: left.Version,
		})
	}
	h := &n.heir
	h.version = left.Version
	h.orphans.add(nobody, left.Said, bereft)
	clear(n.groups)
	for _, group := range left.Groups {
		n.groups[group] = struct{}{}
	}
	n.name = cmp.Or(n.name, t.Welcome.Name)
	n.phase = fresh
	err := n.startOrShare(h.stays)
	switch {
	case err == nil && n.phase == running:
		n.far.Store(nil)
		n.notice("process " + t.Welcome.Process + " has ended, which ran the node; this one runs it now")
	case err == nil:
		n.notice("process " + t.Welcome.Process + " has ended, which ran the node; process " + n.far.Load().Welcome.Process + " runs it now")
	default:
		n.phase = stopped
		if h.stays.Err() == nil {
			n.warn("process " + t.Welcome.Process + " has ended, which ran the node, and this one cannot go on with it: " + err.Error())
		}
		n.finish()
	}
}

// finish ends a node that is attached to no other any more.
func (n *Node) finish() {
	n.events.Close()
	close(n.done)
	n.journal.wait(n.Linger)
	n.quit()
}

// elsewhere makes a call where another process runs the node, and tells whether one does.
// If that ends, the call is made again where the node runs then.
func elsewhere[T any](n *Node, call func(*control.Client) (T, error)) (value T, there bool, err error) {
	for t := n.far.Load(); t != nil; {
		if value, err = call(t.Client); !errors.Is(err, control.ErrGone) {
			return value, true, err
		}
		<-t.over
		next := n.far.Load()
		if next == t {
			return value, true, api.ErrStopped
		}
		t = next
	}
	return value, false, nil
}

// done makes a call of a method that returns nothing else than an error.
func done(call func(*control.Client) error) func(*control.Client) (struct{}, error) {
	return func(far *control.Client) (struct{}, error) { return struct{}{}, call(far) }
}

// bereft is why a message is not known to be delivered that was said where the node ran
// before.
const bereft = "the process that ran the node has ended"

// bereaved adds to what a flush found, where another process runs the node, what was said
// where it ran before. That is told once.
func (n *Node) bereaved(err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	lost := n.heir.orphans
	n.heir.orphans = missed{}
	var also *UndeliveredError
	if errors.As(err, &also) {
		err = also.Cause
		for _, m := range also.Missed {
			lost[m.UUID] = m
		}
	}
	return lost.err(err)
}

// share lets other programs share a node that runs, if it is to.
func (n *Node) share() {
	dir := n.who.Directory()
	if !n.Shared || dir == "" || n.guard.Identity == nil {
		return
	}
	listener, err := control.Listen(dir, n.count)
	if err != nil {
		n.warn("other programs cannot share this node: " + err.Error())
		return
	}
	n.server = control.Serve(listener, host{n}, n.settings.log, n.count)
}

// Holder returns the process that runs the node, if it is not this one.
func (n *Node) Holder() string {
	if far := n.far.Load(); far != nil {
		return far.Welcome.Process
	}
	return ""
}
