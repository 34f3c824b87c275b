package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/control"
	"github.com/sjohnr/at-once/src/link"
)

// startOrShare starts the node, or shares the one that another process runs. That one may
// be about to listen, or about to end: what is right shows within a moment.
func (n *Node) startOrShare(ctx context.Context) error {
	until := time.Now().Add(oncecontrol.MaxStarting * time.Millisecond)
	for waits := false; ; {
		err := n.start()
		dir := n.who.Directory()
		if !n.sharing || dir == "" || !errors.Is(err, api.ErrInUse) {
			return err
		}
		n.events.Limit(n.Inbox)
		far, absent := control.Connect(ctx, dir, n.events)
		if absent == nil {
			return n.attach(far)
		}
		switch {
		case errors.Is(absent, api.ErrBrief):
			until = time.Now().Add(oncecontrol.MaxStarting * time.Millisecond)
			if !waits {
				n.settings.log.Info("waits for another process to end", "error", err)
			}
			waits = true
		case !errors.Is(absent, control.ErrAbsent) && !errors.Is(absent, api.ErrStopped), time.Now().After(until):
			return fmt.Errorf("%w; %w", err, absent)
		}
		if !link.Pause(ctx, link.FirstWait) {
			return ctx.Err()
		}
	}
}

// attach shares a node that another process runs.
func (n *Node) attach(far *control.Client) error {
	for _, group := range slices.Sorted(maps.Keys(n.groups)) {
		if err := far.Join(group); err != nil {
			far.Close()
			return err
		}
	}
	if len(n.contests) > 0 {
		n.warn("this program shares the node of process " + far.Process + ", and does not have it contest for " +
			strings.Join(slices.Sorted(maps.Keys(n.contests)), ", "))
	}
	n.far.Store(far)
	n.phase = attached
	n.settings.log.Info("node shared", "name", far.Name, "uuid", far.ID, "process", far.Process)
	return nil
}

// detach shares the node no more.
func (n *Node) detach() {
	n.far.Load().Close()
	close(n.done)
	n.journal.wait(n.Linger)
	n.quit()
}

// share lets other programs share a node that runs, if it is to.
func (n *Node) share() {
	dir := n.who.Directory()
	if !n.sharing || dir == "" || n.guard.Identity == nil {
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
		return far.Process
	}
	return ""
}

// look returns what a node knows that another process runs, nothing once that has ended.
func look(far *control.Client) *control.View {
	view, err := far.Look()
	if err != nil {
		return new(control.View)
	}
	return view
}

// countsOf returns the counts of a node that another process runs, none once it has ended.
func countsOf(far *control.Client) map[string]uint64 {
	ctx, cancel := context.WithTimeout(context.Background(), oncecontrol.MaxAnswering*time.Millisecond)
	defer cancel()
	counts := map[string]uint64{}
	values, _ := far.Ask(ctx, "counts", nil)
	for name, value := range values {
		if count, err := strconv.ParseUint(value, 10, 64); err == nil {
			counts[name] = count
		}
	}
	return counts
}
