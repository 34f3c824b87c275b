package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// ErrGone says that the process that ran the node has ended, and that a call can be made
// again where it runs now.
var ErrGone = fmt.Errorf("the process that ran the node has ended: %w", api.ErrStopped)

// errUnanswered says that it has ended, and that a message may have been said before.
var errUnanswered = fmt.Errorf("the process that ran the node has ended, and has not said whether the message is on its way: %w", api.ErrStopped)

// ErrAbsent says that nobody listens at the socket.
var ErrAbsent = errors.New("it does not share the node, or not any more")

// maxContent is how large a message may be that is told: as large as any node takes.
const maxContent = 1 << 30

// answering is how long the answer to what a node knows at once may take.
const answering = wire.MaxAnswering * time.Millisecond

// Client shares a node that another process runs. Its methods may be called from any
// goroutine.
type Client struct {
	About
	link    *link.Link
	queue   *events.Queue
	subject *zre.Peer               // of the events that come; Serve's
	known   map[uuid.UUID]*zre.Peer // who is present, as has been told; Serve's
	version uint64                  // of that
	talks   chan struct{}           // holds a token while something is said to others
	slots   chan struct{}           // and one for each call that waits; fewer than the far side has
	done    chan struct{}           // closed when the conversation has ended
	work    sync.WaitGroup

	mu     sync.Mutex
	calls  map[uint32]*call // nil when the conversation has ended
	last   uint32           // number of a call
	groups map[string]struct{}
	said   channel.Amount
	told   channel.Amount // of that, what a Flush has told to be confirmed or lost
}

// call is what a call waits for, and what has come of it.
type call struct {
	answered chan struct{} // closed when it was, or never will be
	last     wire.Message  // which answers it; nil if the conversation has ended
	view     View
	missed   []channel.Missed
}

// Connect shares the node that another process runs with the identity in a directory. Its
// events go to the queue. The error is ErrAbsent if nobody listens.
func Connect(ctx context.Context, dir string, queue *events.Queue) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answering, fmt.Errorf("it does not answer: %w", os.ErrDeadlineExceeded))
	defer cancel()
	conn, err := dial(ctx, dir)
	if absent(err) {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	if err != nil {
		return nil, err
	}
	l, err := link.Open(ctx, conn, linkConfig(zmtp.Dealer, maxContent+headRoom))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded): // it was stopped, say
		return nil, fmt.Errorf("it does not answer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err) // it has been about to end
	}
	c := &Client{
		link: l, queue: queue, calls: map[uint32]*call{}, groups: map[string]struct{}{}, known: map[uuid.UUID]*zre.Peer{}, done: make(chan struct{}),
		talks: make(chan struct{}, 1), slots: make(chan struct{}, wire.MaxCalls-1),
	}
	greeting := c.begin(0)
	c.work.Go(c.serve)
	if err = say(ctx, l, &wire.Hello{Lowest: version, Highest: version, Events: 1}); err == nil {
		_, err = c.await(ctx, greeting)
	}
	if err != nil {
		c.hangUp()
		return nil, err
	}
	welcome, ok := greeting.last.(*wire.Welcome)
	if !ok {
		c.hangUp()
		return nil, errAnswer
	}
	c.About = About{welcome.Process, welcome.Program, welcome.Node, welcome.Name, int(min(welcome.Largest, maxContent))}
	return c, nil
}

// serve takes what the far side says until the conversation ends.
func (c *Client) serve() {
	defer close(c.done)
	_ = c.link.Serve(c.deliver) // whatever ends it, who waits is told that it has
	c.mu.Lock()
	for _, waits := range c.calls {
		close(waits.answered)
	}
	c.calls = nil
	c.mu.Unlock()
}

// deliver takes the messages of one read: content goes to the queue in runs, and in the
// order in which it came between tidings.
func (c *Client) deliver(b *link.Batch) error {
	defer b.Release()
	run := c.queue.Batch(b)
	for i := range b.Len() {
		m, err := hear(b.Message(i))
		if err != nil {
			c.queue.Recycle(run)
			return err
		}
		e, event := m.(*wire.Event)
		switch {
		case event && c.subject == nil:
			c.queue.Recycle(run)
			return errAnswer
		case event && len(e.Content) > 0:
			run.Add(factsOf(e, c.subject))
			continue
		case event:
			c.queue.Offer(run)
			run = c.queue.Batch(b)
			c.post(factsOf(e, c.subject))
			continue
		}
		if err := c.take(m); err != nil {
			c.queue.Recycle(run)
			return err
		}
	}
	c.queue.Offer(run)
	return nil
}

// post tells of what is no content, and notes who is present.
func (c *Client) post(f events.Facts) {
	switch f.Type {
	case api.EventTypeEnter, api.EventTypeChanged, api.EventTypeJoin, api.EventTypeLeave, api.EventTypeSuspect, api.EventTypeRecover:
		c.known[f.Peer.UUID()] = f.Peer
	case api.EventTypeExit:
		delete(c.known, f.Peer.UUID())
	}
	c.version = max(c.version, f.Version)
	c.queue.Post(f)
}

// Legacy is what is left to be told when the process that ran a node has ended.
type Legacy struct {
	Peers   []*zre.Peer    // whose exit was not told
	Version uint64         // of what was known
	Groups  []string       // that the node was in for this program
	Said    channel.Amount // by this program, and not known to be confirmed
}

// Legacy returns that. It waits until the conversation has ended.
func (c *Client) Legacy() Legacy {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	peers := slices.SortedFunc(maps.Values(c.known), func(a, b *zre.Peer) int {
		return strings.Compare(a.UUID().String(), b.UUID().String())
	})
	return Legacy{peers, c.version, slices.Sorted(maps.Keys(c.groups)), c.said.Minus(c.told)}
}

// take takes an answer, or the peer of the events that follow.
func (c *Client) take(m wire.Message) (err error) {
	switch m := m.(type) {
	case *wire.Peer:
		if m.Number == 0 {
			c.subject, err = peerOf(m)
			return err
		}
		c.with(m.Number, func(waits *call) { err = waits.view.add(m) })
	case *wire.Missed:
		c.with(m.Number, func(waits *call) { waits.missed = append(waits.missed, missedOf(m)) })
	case *wire.Welcome:
		c.link.Widen()
		c.answered(0, m)
	case *wire.Done:
		c.answered(m.Number, m)
	case *wire.Failed:
		c.answered(m.Number, m)
	case *wire.View:
		c.answered(m.Number, m)
	case *wire.Answer:
		c.answered(m.Number, m)
	default:
		return errAnswer
	}
	return err
}

// with changes what has come of a call, if that still waits.
func (c *Client) with(number uint32, change func(*call)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waits := c.calls[number]; waits != nil {
		change(waits)
	}
}

// answered ends the wait of a call.
func (c *Client) answered(number uint32, m wire.Message) {
	c.with(number, func(waits *call) {
		delete(c.calls, number)
		waits.last = m
		close(waits.answered)
	})
}

// begin notes that a call waits.
func (c *Client) begin(number uint32) *call {
	waits := &call{answered: make(chan struct{}), view: View{Leaders: map[string]*zre.Peer{}}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		close(waits.answered)
	} else {
		c.calls[number] = waits
	}
	return waits
}

// await returns what has come of a call.
func (c *Client) await(ctx context.Context, waits *call) (*call, error) {
	select {
	case <-waits.answered: // also if ctx has ended
	default:
		select {
		case <-waits.answered:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	switch m := waits.last.(type) {
	case nil:
		return nil, errUnanswered
	case *wire.Failed:
		err := faultOf(ctx, m, waits.missed)
		if errors.Is(err, api.ErrStopped) && len(waits.missed) == 0 {
			err = ErrGone // it is about to be
		}
		return nil, err
	}
	return waits, nil
}

// ask calls, and waits for the answer. If ctx ends first, the far side is told, and says
// what has come of the call.
func (c *Client) ask(ctx context.Context, request func(number uint32) wire.Message) (*call, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	c.last++
	number := max(c.last, 1)
	c.last = number
	c.mu.Unlock()
	waits := c.begin(number)
	if err := say(ctx, c.link, request(number)); err != nil {
		c.mu.Lock()
		delete(c.calls, number)
		c.mu.Unlock()
		return nil, c.lost(err)
	}
	select {
	case <-waits.answered:
	case <-ctx.Done():
		last, cancel := context.WithTimeoutCause(context.Background(), answering, ctx.Err())
		defer cancel()
		if err := say(last, c.link, &wire.Cancel{Number: number}); err != nil {
			return nil, c.lost(err)
		}
		select {
		case <-waits.answered:
		case <-last.Done():
			return nil, ctx.Err()
		}
	}
	return c.await(ctx, waits)
}

// lost returns the error for what cannot be said.
func (c *Client) lost(err error) error {
	if errors.Is(err, link.ErrClosed) {
		return ErrGone
	}
	return err
}

// again is ask for what can be asked for twice.
func (c *Client) again(ctx context.Context, request func(number uint32) wire.Message) (*call, error) {
	waits, err := c.ask(ctx, request)
	if errors.Is(err, errUnanswered) {
		err = ErrGone
	}
	return waits, err
}

// soon is again for what takes no time.
func (c *Client) soon(request func(number uint32) wire.Message) (*call, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answering)
	defer cancel()
	return c.again(ctx, request)
}

// talk is ask for what is said to others, one at a time.
func (c *Client) talk(ctx context.Context, content [][]byte, request func(number uint32) wire.Message) (*call, error) {
	size := sizeOf(content)
	if size > c.Largest {
		return nil, fmt.Errorf("%w; it has %d octets, and %d are the most", api.ErrTooLarge, size, c.Largest)
	}
	select {
	case c.talks <- struct{}{}:
		defer func() { <-c.talks }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return c.ask(ctx, request)
}

// say notes that something was said to so many peers.
func (c *Client) say(content [][]byte, receivers uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said.Messages += uint64(receivers)
	c.said.Octets += uint64(receivers) * uint64(sizeOf(content))
}

// Whisper says something to a peer.
func (c *Client) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	_, err := c.talk(ctx, content, func(number uint32) wire.Message {
		return &wire.Whisper{Number: number, Peer: peer, Content: content}
	})
	if err == nil {
		c.say(content, 1)
	}
	return err
}

// Shout says something to a group, and returns for how many it is queued.
func (c *Client) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	waits, err := c.talk(ctx, content, func(number uint32) wire.Message {
		return &wire.Shout{Number: number, Group: group, Content: content}
	})
	if err != nil {
		return 0, err
	}
	done, ok := waits.last.(*wire.Done)
	if !ok {
		return 0, errAnswer
	}
	c.say(content, done.Count)
	return done.Count, nil
}

// Flush waits until the peers have confirmed what was said to them through this client.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	before := c.said
	c.mu.Unlock()
	_, err := c.again(ctx, func(number uint32) wire.Message { return &wire.Flush{Number: number} })
	var undelivered *channel.UndeliveredError
	if err == nil || errors.As(err, &undelivered) && (undelivered.Cause == nil || errors.Is(err, api.ErrStopped)) {
		c.mu.Lock()
		c.told = channel.Amount{Messages: max(c.told.Messages, before.Messages), Octets: max(c.told.Octets, before.Octets)}
		c.mu.Unlock()
	}
	return err
}

// Join has the node be in a group.
func (c *Client) Join(group string) error {
	_, err := c.soon(func(number uint32) wire.Message { return &wire.Join{Number: number, Group: group} })
	if err == nil {
		c.mu.Lock()
		c.groups[group] = struct{}{}
		c.mu.Unlock()
	}
	return err
}

// Leave takes that back.
func (c *Client) Leave(group string) error {
	_, err := c.soon(func(number uint32) wire.Message { return &wire.Leave{Number: number, Group: group} })
	if err == nil {
		c.mu.Lock()
		delete(c.groups, group)
		c.mu.Unlock()
	}
	return err
}

// OwnGroups returns the groups that were joined through this client, sorted.
func (c *Client) OwnGroups() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.groups))
}

// RequirePeer has the node connect to a peer, and stay with it.
func (c *Client) RequirePeer(peer uuid.UUID, endpoint string) error {
	_, err := c.soon(func(number uint32) wire.Message {
		return &wire.Connect{Number: number, Peer: peer, Endpoint: endpoint}
	})
	return err
}

// Look returns what the node knows now.
func (c *Client) Look() (*View, error) {
	waits, err := c.soon(func(number uint32) wire.Message { return &wire.Look{Number: number} })
	if err != nil {
		return nil, err
	}
	if m, ok := waits.last.(*wire.View); ok {
		waits.view.Version, waits.view.Endpoint = m.Knows, m.Endpoint
	}
	return &waits.view, nil
}

// Ask asks what only the running node knows, or has it do what only it can.
func (c *Client) Ask(ctx context.Context, subject string, argument []byte) (map[string]string, error) {
	waits, err := c.again(ctx, func(number uint32) wire.Message {
		return &wire.Ask{Number: number, Subject: subject, Argument: argument}
	})
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	if m, ok := waits.last.(*wire.Answer); ok {
		for _, pair := range m.Values {
			values[pair.Key] = pair.Value
		}
	}
	return values, nil
}

// Done is closed when the conversation has ended, because the node has, or by Close.
func (c *Client) Done() <-chan struct{} { return c.done }

// Close ends the conversation. The node goes on.
func (c *Client) Close() { c.hangUp() }

func (c *Client) hangUp() {
	_ = c.link.Close() // it is of no use any more
	c.work.Wait()
}
