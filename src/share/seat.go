package share

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/node"
)

// seat is where a node runs.
type seat struct {
	node  *node.Node              // runs unless another process runs the node
	far   atomic.Pointer[tenancy] // nil then
	front node.Front              // from the start on
	stays context.Context         // ends when the node stops
	leave context.CancelFunc
	work  sync.WaitGroup

	mu      sync.Mutex // guards what follows, and is held while it is settled where the node runs
	stopped bool
	lost    channel.Amount // what was said where the node ran before, and is not known to be confirmed
}

// tenancy is the time in which a node is attached to one that another process runs.
type tenancy struct {
	*control.Client
	over chan struct{} // closed when it is settled where the node runs then
}

// attached tells whether another process runs the node, which has not stopped.
func (s *seat) attached() bool { return s.far.Load() != nil && s.stays.Err() == nil }

// patience is how long a process may have the identity and not listen.
const patience = oncecontrol.MaxStarting * time.Millisecond

// runOrAttach runs the node, or attaches it to the one that another process runs. That one
// may be about to listen, or about to end: what is right shows within a moment. The caller
// has the lock.
func (s *seat) runOrAttach(ctx context.Context, with node.Outset) error {
	began, told := time.Now(), false
	until := began.Add(patience)
	for {
		err := s.node.Run(with)
		if err == nil {
			s.welcome()
			return nil
		}
		if !s.node.Shared || s.front.Directory == "" || !errors.Is(err, api.ErrInUse) {
			return err
		}
		s.front.Events.Limit(s.node.Inbox)
		far, absent := control.Connect(ctx, s.front.Directory, s.front.Events)
		if absent == nil {
			if absent = protects(ctx, far, &s.front); absent == nil {
				absent = s.attach(far, with.Groups)
			}
			if absent == nil {
				return nil
			}
			far.Close()
		}
		switch {
		case errors.Is(absent, api.ErrBrief):
			until = time.Now().Add(patience)
			if since := time.Since(began); since > patience && !told {
				told = true
				s.front.Log.Warn("waits for another process that runs the node, and is about to end", "since", since.Round(time.Second), "error", err)
			}
		case !errors.Is(absent, control.ErrAbsent) && !errors.Is(absent, api.ErrStopped), time.Now().After(until):
			return fmt.Errorf("%w; %w", err, absent)
		}
		if !link.Pause(ctx, link.FirstWait) {
			return ctx.Err()
		}
	}
}

// welcome lets other programs share the node that runs, if it is to be shared.
func (s *seat) welcome() {
	if !s.node.Shared || s.front.Directory == "" || s.front.Level.Security == api.NodeSecurityPlain {
		return
	}
	listener, err := control.Listen(s.front.Directory, s.front.Count)
	if err != nil {
		s.front.Warn("other programs cannot share this node: " + err.Error())
		return
	}
	s.node.Open(control.Serve(listener, host{s.node, &s.front}, s.front.Log, s.front.Count))
}

// attach shares a node that another process runs, unless that ends. The caller has the lock.
func (s *seat) attach(far *control.Client, groups []string) error {
	for _, group := range groups {
		if err := far.Join(group); err != nil {
			return err
		}
	}
	if len(s.front.Contests) > 0 {
		s.front.Warn("this program shares the node of process " + far.Welcome.Process + ", and does not have it contest for " +
			strings.Join(s.front.Contests, ", "))
	}
	t := &tenancy{far, make(chan struct{})}
	s.far.Store(t)
	s.work.Go(func() { s.inherit(t) })
	s.front.Log.Info("node shared", "name", far.Welcome.Name, "uuid", uuid.UUID(far.Welcome.Node), "process", far.Welcome.Process)
	return nil
}

// inherit has the node go on when the process has ended that ran it.
func (s *seat) inherit(t *tenancy) {
	left := t.Legacy()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(t.over)
	if s.stopped {
		return
	}
	for _, p := range left.Peers {
		left.Version++
		s.front.Events.Post(events.Facts{
			Type: api.EventTypeExit, Reason: peermachine.ReasonStopped, Peer: p, At: time.Now(), Version: left.Version,
		})
	}
	s.lost = s.lost.Plus(left.Said)
	err := s.runOrAttach(s.stays, node.Outset{Groups: left.Groups, Name: t.Welcome.Name, Version: left.Version, Lost: s.lost, Why: bereft})
	ended := "process " + t.Welcome.Process + " has ended, which ran the node"
	switch now := s.far.Load(); {
	case err == nil && now == t:
		s.lost = channel.Amount{} // the node tells of it
		s.far.Store(nil)
		s.front.Notice(ended + "; this one runs it now")
	case err == nil:
		s.front.Notice(ended + "; process " + now.Welcome.Process + " runs it now")
	default:
		if s.stays.Err() == nil {
			s.front.Warn(ended + ", and this one cannot go on with it: " + err.Error())
		}
		s.stopped = true
		s.leave()
		_ = s.node.Stop() // it does not run
	}
}

// vacate leaves the node that another process runs, if one does: none is run any more.
func (s *seat) vacate() {
	s.leave()
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	if far := s.far.Load(); far != nil {
		far.Close()
	}
}

// bereft is why a message is not known to be delivered that was said where the node ran
// before.
const bereft = "the process that ran the node has ended"

// bereaved adds to what a flush found, where another process runs the node, what was said
// where it ran before. That is told once.
func (s *seat) bereaved(err error) error {
	s.mu.Lock()
	lost := s.lost
	s.lost = channel.Amount{}
	s.mu.Unlock()
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
