package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/bindings/go/once/files"
)

func chatCommand(with *common) *cobra.Command {
	var groups []string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "chat --group GROUP [--group GROUP]...",
		Short: "talk in a group, from a terminal or a pipe",
		Long: `Chat joins the groups, shows who comes and goes and what they say, and shouts
each line that you type to the first group. Lines that begin with / are
commands: /help lists them. Ctrl-C, Ctrl-D or /quit ends the conversation, and
who is not known to have got what you said is told then.

Lines from a pipe or a file are sent as well: the first when somebody is in the
group, and chat ends when all have confirmed the last. A line that fails ends it
with status 1, as does one that somebody is not known to have got.`,
		Example: `  once chat --group room --name ana
  once chat --group room --group news --interface eth0
  printf 'hello\n/whisper ana psst\n' | once chat --group room --name ben`,
		Args:        cobra.NoArgs,
		Annotations: map[string]string{readsInput: ""},
		RunE:        func(cmd *cobra.Command, _ []string) error { return runChat(cmd.Context(), with, groups, wait) },
	}
	cmd.Flags().StringArrayVar(&groups, "group", nil, "`GROUP` to join, and if it is the first, to talk to; may be repeated")
	with.contestFlag(cmd.Flags())
	waitFlag(cmd.Flags(), &wait, defaultWait, "how long lines from a pipe wait for somebody to be in the group")
	must(cmd.MarkFlagRequired("group"))
	return cmd
}

// chat is a conversation. Its events are shown by one goroutine, its lines
// obeyed by another.
type chat struct {
	*screen
	node  *once.Node
	group string // to which lines are shouted, or empty

	refused atomic.Int64 // by how many members of the group what is said there was refused

	told map[uuid.UUID]once.Protection // what protects words of a peer, as it was said last; the events' goroutine has it
}

// runChat holds a conversation until the user or the input ends it, or the output
// takes no more.
func runChat(ctx context.Context, with *common, groups []string, wait time.Duration) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var node atomic.Pointer[once.Node] // that is not there yet when the first line is typed
	screen, err := openScreen(ctx, cancel, promptOf(groups[0]), func(before string) (string, []string) {
		return complete(node.Load(), before)
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, screen.close()) }()
	started, err := with.start(ctx, screen.log, groups...)
	if err != nil {
		return err
	}
	node.Store(started)
	c := &chat{screen: screen, node: started, group: groups[0], told: map[uuid.UUID]once.Protection{}}
	var watcher sync.WaitGroup
	if err = c.meet(ctx, wait); err == nil {
		watcher.Go(func() { c.watch(ctx, cancel) })
		err = c.converse(ctx)
	}
	err = because(ctx, c.node, cmp.Or(context.Cause(ctx), err))
	undelivered := c.node.Close()
	watcher.Wait()
	if !errors.Is(err, errQuit) && !errors.Is(err, context.Canceled) {
		return err
	}
	if undelivered != nil {
		return c.note("%s", clean(undelivered.Error()))
	}
	return nil
}

// meet greets the user. If nobody types, it waits until somebody is in the group.
func (c *chat) meet(ctx context.Context, wait time.Duration) error {
	if c.piped {
		return members(c.node, c.group).await(ctx, wait, c.show)
	}
	also := ""
	if holder := c.node.Holder(); holder != "" {
		also = ", by the node of process " + clean(holder)
	}
	return c.note("You are %s in %s%s; /help lists what you can do.", clean(c.node.Name()), clean(c.group), also)
}

// watch shows events until the node is closed, and ends the conversation if that
// fails.
func (c *chat) watch(ctx context.Context, end context.CancelCauseFunc) {
	for event := range c.node.Events(context.Background()) {
		if err := c.show(event); err != nil {
			end(err)
		}
	}
	if c.node.Holder() != "" {
		end(because(ctx, c.node, once.ErrStopped)) // which matters only if this chat goes on
	}
}

// confirmed waits until all who were told something have it; at a terminal not for long,
// and who did not is said, unless the conversation has been ended: then the end says it.
func (c *chat) confirmed(ctx context.Context) error {
	if c.piped {
		err := c.node.Flush(ctx)
		if err == nil && c.refused.Load() > 0 {
			err = errors.New("not all took what was said: see above who refuses it")
		}
		return err
	}
	short, cancel := context.WithTimeout(ctx, longWait)
	defer cancel()
	if err := c.node.Flush(short); errors.Is(err, once.ErrUndelivered) && ctx.Err() == nil {
		return c.note("%s", clean(err.Error()))
	}
	return nil
}

// converse obeys the lines until their end, and sees that all is sent.
func (c *chat) converse(ctx context.Context) error {
	for {
		select {
		case line, more := <-c.lines:
			if !more {
				return cmp.Or(c.err, c.confirmed(ctx))
			}
			err := c.obey(ctx, line)
			if errors.Is(err, errQuit) {
				return c.confirmed(ctx)
			}
			if err != nil && !c.piped {
				err = c.note("%s", clean(err.Error()))
			}
			if err == nil {
				continue
			}
			if undelivered := c.confirmed(ctx); undelivered != nil {
				err = fmt.Errorf("%w; %w", err, undelivered)
			}
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// show writes what happens in the user's groups, and whispers.
func (c *chat) show(event once.Event) error {
	switch e := event.(type) {
	case *once.Shout:
		own := c.node.Groups()
		if !slices.Contains(own, e.Group) { // another program that shares the node is in it
			return nil
		}
		where := ""
		if len(own) > 1 {
			where = "[" + clean(e.Group) + "] "
		}
		return c.said(e.About(), where, "", e.Content)
	case *once.Whisper:
		if files.Is(e) { // for once receive, if it shares the node
			return nil
		}
		does := " whispers"
		if e.Question != once.NoQuestion { // a program waits for an answer, which chat has none for
			does = " asks"
		}
		return c.said(e.About(), "", does, e.Content)
	case *once.Join:
		if !c.in(e.Group) {
			return nil
		}
		return c.happened(e.About(), c.label(e.Peer)+" joined "+clean(e.Group)+c.protection(e.Peer, false))
	case *once.Leave:
		return c.presence(e.About(), "left "+clean(e.Group), e.Group)
	case *once.Leader:
		return c.presence(e.About(), "leads "+clean(e.Group), e.Group)
	case *once.Suspect:
		return c.presence(e.About(), "does not answer", e.Peer.Groups()...)
	case *once.Recover:
		return c.presence(e.About(), "answers again", e.Peer.Groups()...)
	case *once.Refusal:
		if slices.ContainsFunc(c.node.Members(c.group), func(p once.Peer) bool { return p.UUID() == e.Peer.UUID() }) {
			c.refused.Add(1)
		}
		return c.happened(e.About(), refused(e.Peer, e.Text))
	case *once.Unreachable:
		return c.happened(e.About(), refused(e.Peer, e.Text))
	case *once.Twin:
		return c.happened(e.About(), twin(e))
	case *once.Notice:
		return c.happened(e.About(), clean(e.Text))
	case *once.Overrun:
		return c.happened(e.About(), clean(e.Text))
	case *once.Exit:
		delete(c.told, e.Peer.UUID())
		if e.Reason != once.Stopped {
			return c.presence(e.About(), fmt.Sprintf("is gone (%s)", e.Reason), e.Peer.Groups()...)
		}
	}
	return nil
}

// said writes a message.
func (c *chat) said(about *once.Origin, before, after string, frames [][]byte) error {
	limit := 0
	if c.terminal {
		limit = textLimit
	}
	after += c.protection(about.Peer, true)
	_, err := fmt.Fprintln(c, c.stamp(about)+before+c.label(about.Peer)+after+": "+content(frames, limit))
	return err
}

// presence tells of a peer, if one of the groups is the user's.
func (c *chat) presence(about *once.Origin, does string, groups ...string) error {
	if !c.in(groups...) {
		return nil
	}
	return c.happened(about, c.label(about.Peer)+" "+does)
}

// in tells whether the user is in one of the groups.
func (c *chat) in(groups ...string) bool {
	own := c.node.Groups()
	return slices.ContainsFunc(groups, func(group string) bool { return slices.Contains(own, group) })
}

// happened writes a line that nobody said, of an event.
func (c *chat) happened(about *once.Origin, what string) error {
	_, err := fmt.Fprintln(c, c.stamp(about)+c.paint(dim, "*")+" "+what)
	return err
}

// note writes a line that nobody said.
func (c *chat) note(format string, args ...any) error {
	_, err := fmt.Fprintf(c, c.paint(dim, "*")+" "+format+"\n", args...)
	return err
}

// stamp is when something happened, for people.
func (c *chat) stamp(about *once.Origin) string {
	if !c.terminal {
		return ""
	}
	return c.paint(dim, about.Time.Format("15:04")) + " "
}

// protection tells what protects what a peer says, where that is to be said: at a terminal
// once for each peer and whenever it changes, and always with words that nothing protects.
func (c *chat) protection(peer once.Peer, words bool) string {
	now := peer.Protection()
	before := c.told[peer.UUID()]
	c.told[peer.UUID()] = now
	switch {
	case now == once.ProtectionPlain && (words || before != now):
		return c.paint(red, " ("+now.String()+")")
	case now != before && c.terminal:
		return c.paint(dim, " ("+now.String()+")")
	}
	return ""
}

// label is a peer's name, with a part of its id where the name alone could be
// taken for another's.
func (c *chat) label(peer once.Peer) string {
	id := peer.UUID()
	among := append(knownPeers(c.node.Peers()), known{name: c.node.Name(), id: c.node.UUID()})
	return c.paint(red+int(id[0]%6), knownPeer(peer).label(among))
}

func (c *chat) setGroup(group string) {
	c.group = group
	c.prompt(promptOf(group))
}

func promptOf(group string) string { return cut(group, cellWidth) + "> " }
