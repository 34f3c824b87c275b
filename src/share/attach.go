package share

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/node"
)

// tenancy is the time in which a node is attached to one that another process runs.
type tenancy struct {
	*control.Client
	over chan struct{} // closed when it is settled where the node runs then
}

// patience is how long a process may have the identity and not listen.
const patience = oncecontrol.MaxStarting * time.Millisecond

// runOrAttach runs the node, or attaches it to the one that another process runs. That one
// may be about to listen, or about to end: what is right shows within a moment. The caller
// has the lock.
func (n *Node) runOrAttach(ctx context.Context, past *node.Past) error {
	front, began, told := n.Front(), time.Now(), false
	until := began.Add(patience)
	for {
		err := n.Run(past)
		if err == nil {
			n.welcome(front)
			return nil
		}
		if !n.Shared || front.Directory == "" || !errors.Is(err, api.ErrInUse) {
			return err
		}
		front.Events.Limit(n.Inbox)
		far, absent := control.Connect(ctx, front.Directory, front.Events)
		if absent == nil {
			if absent = protects(ctx, far, front); absent == nil {
				return n.attach(far, front, past)
			}
			far.Close()
		}
		switch {
		case errors.Is(absent, api.ErrBrief):
			until = time.Now().Add(patience)
			if since := time.Since(began); since > patience && !told {
				told = true
				front.Log.Warn("waits for another process that runs the node, and is about to end", "since", since.Round(time.Second), "error", err)
			}
		case !errors.Is(absent, control.ErrAbsent) && !errors.Is(absent, api.ErrStopped), time.Now().After(until):
			return fmt.Errorf("%w; %w", err, absent)
		}
		if !link.Pause(ctx, link.FirstWait) {
			return ctx.Err()
		}
	}
}

// protects fails if another process runs the node with less protection than this program
// asks for: what it says must not go out plainer than it has chosen.
func protects(ctx context.Context, far *control.Client, front node.Front) error {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	want := front.Level
	if want == (guard.Level{Security: api.NodeSecurityAuto, Trust: api.NodeTrustOpen}) && len(front.Sealed) == 0 {
		return nil
	}
	has, err := far.Ask(ctx, askProtection, nil)
	if err != nil {
		return fmt.Errorf("whether it protects what is said as this program asks for is not known: %w", err)
	}
	figures := numbers(has)
	security, trust := api.NodeSecurity(figures["security"]), api.NodeTrust(figures["trust"])
	if security < want.Security {
		return lacks("security", security, want.Security)
	}
	if trust < want.Trust {
		return lacks("trust", trust, want.Trust)
	}
	if len(front.Sealed) == 0 || security >= api.NodeSecuritySecure {
		return nil
	}
	sealed, err := far.Ask(ctx, askSealed, nil)
	if err != nil {
		return err
	}
	for _, group := range front.Sealed {
		if _, is := sealed[group]; !is {
			return fmt.Errorf("it does not keep the group %s sealed, as this program asks for", check.Quote(group))
		}
	}
	return nil
}

// lacks says that the other process has chosen less of something.
func lacks(what string, has, want fmt.Stringer) error {
	return fmt.Errorf("it runs with %s %v, and this program asks for %v", what, has, want)
}

// attach shares a node that another process runs. The caller has the lock.
func (n *Node) attach(far *control.Client, front node.Front, past *node.Past) error {
	groups := front.Groups
	if past != nil {
		groups = past.Groups
	}
	for _, group := range groups {
		if err := far.Join(group); err != nil {
			far.Close()
			return err
		}
	}
	if len(front.Contests) > 0 {
		front.Warn("this program shares the node of process " + far.Welcome.Process + ", and does not have it contest for " +
			strings.Join(front.Contests, ", "))
	}
	t := &tenancy{far, make(chan struct{})}
	n.far.Store(t)
	n.work.Go(func() { n.inherit(t) })
	front.Log.Info("node shared", "name", far.Welcome.Name, "uuid", uuid.UUID(far.Welcome.Node), "process", far.Welcome.Process)
	return nil
}

// inherit has the node go on when the process has ended that ran it.
func (n *Node) inherit(t *tenancy) {
	left := t.Legacy()
	n.mu.Lock()
	defer n.mu.Unlock()
	defer close(t.over)
	if n.stopped {
		return
	}
	front := n.Front()
	for _, p := range left.Peers {
		left.Version++
		front.Events.Post(events.Facts{
			Type: api.EventTypeExit, Reason: peermachine.ReasonStopped, Peer: p, At: time.Now(), Version: left.Version,
		})
	}
	n.lost = n.lost.Plus(left.Said)
	err := n.runOrAttach(n.stays, &node.Past{Name: t.Welcome.Name, Groups: left.Groups, Version: left.Version, Lost: n.lost, Why: bereft})
	ended := "process " + t.Welcome.Process + " has ended, which ran the node"
	switch now := n.far.Load(); {
	case err == nil && now == t:
		n.lost = channel.Amount{} // the node tells of it
		n.far.Store(nil)
		front.Notice(ended + "; this one runs it now")
	case err == nil:
		front.Notice(ended + "; process " + now.Welcome.Process + " runs it now")
	default:
		if n.stays.Err() == nil {
			front.Warn(ended + ", and this one cannot go on with it: " + err.Error())
		}
		n.stopped = true
		n.leave()
		_ = n.Node.Stop() // it does not run
	}
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

// bereft is why a message is not known to be delivered that was said where the node ran
// before.
const bereft = "the process that ran the node has ended"

// bereaved adds to what a flush found, where another process runs the node, what was said
// where it ran before. That is told once.
func (n *Node) bereaved(err error) error {
	n.mu.Lock()
	lost := n.lost
	n.lost = channel.Amount{}
	n.mu.Unlock()
	if lost.Messages == 0 {
		return err
	}
	told := &channel.UndeliveredError{Cause: err}
	if also := new(channel.UndeliveredError); errors.As(err, &also) {
		told.Missed, told.Cause = also.Missed, also.Cause
	}
	told.Missed = slices.Insert(slices.Clone(told.Missed), 0, channel.Missed{Messages: lost.Messages, Octets: lost.Octets, Reason: bereft})
	return told
}
