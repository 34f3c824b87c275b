package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/check"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// errUnanswered says that it has ended, and that a message may have been said before.
var errUnanswered = fmt.Errorf("the process that ran the node has ended, and has not said whether the message is on its way: %w", api.ErrStopped)

// maxContent is how large a message may be that is told: as large as any node takes.
const maxContent = 1 << 30

// Answering is how long the answer to what a node knows at once may take.
const Answering = wire.MaxAnswering * time.Millisecond

// Client shares a node that another process runs. Its methods may be called from any
// goroutine.
type Client struct {
	Welcome *wire.Welcome // whose node it is
	link    *link.Link
	queue   *events.Queue
	subject *zre.Peer               // of the events that come; Serve's
	known   map[uuid.UUID]*zre.Peer // who is present, as has been told; Serve's
	version uint64                  // of that
	talks   chan struct{}           // holds a token while something is said to others
	slots   chan struct{}           // and one for each call that waits; fewer than the far side has
	done    chan struct{}           // closed when the conversation has ended

	questions chan struct{} // holds a token for each question that waits
	work      sync.WaitGroup

	mu     sync.Mutex
	calls  map[uint32]*call     // nil when the conversation has ended
	asked  map[uint32]*question // likewise; those that wait for a RESULT, by the numbers of their calls
	next   uint32               // number of a call
	groups map[string]struct{}
	said   channel.Amount
	told   channel.Amount // of that, what a Flush has told to be confirmed or lost
}

// call is what a call waits for, and what has come of it.
type call struct {
	answered chan struct{}  // closed when it was, or never will be
	said     []wire.Message // about it; the last answers it; none if the conversation has ended
}

// over waits for the end of a call.
func (w *call) over(ctx context.Context) error {
	select {
	case <-w.answered:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Connect shares the node that another process runs with the identity in a directory. Its
// events go to the queue. The error is ErrAbsent if nobody listens.
func Connect(ctx context.Context, dir string, queue *events.Queue) (*Client, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Answering, fmt.Errorf("it does not answer: %w", os.ErrDeadlineExceeded))
	defer cancel()
	conn, err := Dial(ctx, dir)
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
		asked: map[uint32]*question{}, questions: make(chan struct{}, wire.MaxQuestions),
		talks: make(chan struct{}, 1), slots: make(chan struct{}, wire.MaxCalls-1),
	}
	number, greeting := c.begin()
	c.work.Go(c.serve)
	switch err = say(ctx, l, number, &wire.Hello{Lowest: wire.Version, Highest: wire.Version}); {
	case err == nil:
		err = greeting.over(ctx)
	case ctx.Err() == nil:
		err = fmt.Errorf("%w: %w", ErrAbsent, err) // it has ended meanwhile
	}
	if err == nil {
		err = faultOf(ctx, greeting.said, errUnanswered)
	}
	if err == nil {
		var ok bool
		if c.Welcome, ok = greeting.said[0].(*wire.Welcome); ok {
			return c, nil
		}
		err = errAnswer
	}
	c.Close()
	return nil, err
}

// serve takes what the far side says until the conversation ends.
func (c *Client) serve() {
	defer close(c.done)
	_ = c.link.Serve(c.deliver) // whatever ends it, who waits is told that it has
	c.mu.Lock()
	for _, waits := range c.calls {
		waits.said = nil
		close(waits.answered)
	}
	for _, q := range c.asked {
		close(q.over)
	}
	c.calls, c.asked = nil, nil
	c.mu.Unlock()
}

// deliver takes the messages of one read: content goes to the queue in runs, and in the
// order in which it came between tidings.
func (c *Client) deliver(b *link.Batch) error {
	defer b.Release()
	run := c.queue.Batch(b)
	for i := range b.Len() {
		number, m, err := hear(b.Message(i))
		e, event := m.(*wire.Event)
		switch {
		case err != nil:
		case event && c.subject == nil:
			err = errAnswer
		case event && len(e.Content) > 0:
			run.Add(factsOf(e, c.subject))
		case event:
			c.queue.Offer(run)
			run = c.queue.Batch(b)
			c.post(factsOf(e, c.subject))
		default:
			err = c.take(number, m)
		}
		if err != nil {
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
	return Legacy{slices.Collect(maps.Values(c.known)), c.version, slices.Sorted(maps.Keys(c.groups)), c.said.Minus(c.told)}
}

// take takes an answer, or the peer of the events that follow.
func (c *Client) take(number uint32, m wire.Message) (err error) {
	answers := true
	switch m := m.(type) {
	case *wire.Peer:
		if number == 0 {
			c.subject, err = peerOf(m)
			return err
		}
		answers = false
	case *wire.Missed:
		answers = false
	case *wire.Welcome:
		c.link.Widen()
	case *wire.Result:
		c.took(number, m)
		return nil
	case *wire.Done, *wire.Failed, *wire.View, *wire.Answer:
	default:
		return errAnswer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if waits := c.calls[number]; waits != nil {
		if waits.said = append(waits.said, m); answers {
			delete(c.calls, number)
			close(waits.answered)
		}
	}
	return nil
}

// begin notes that a call waits, and returns its number: 0 is that of the greeting.
func (c *Client) begin() (number uint32, waits *call) {
	waits = &call{answered: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	number = c.next
	c.next = max(number+1, 1)
	if c.calls == nil {
		close(waits.answered)
	} else {
		c.calls[number] = waits
	}
	return number, waits
}

// ask calls, and returns what is said about the call, or the error for when nothing was. If
// ctx ends first, the far side is told, and says what has come of the call.
func (c *Client) ask(ctx context.Context, m wire.Message, unanswered error) ([]wire.Message, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	number, waits := c.begin()
	if q, asks := m.(*question); asks && !c.awaits(q, number) {
		return nil, ErrGone
	}
	defer func() {
		c.mu.Lock()
		delete(c.calls, number)
		c.mu.Unlock()
	}()
	err := say(ctx, c.link, number, m)
	if err == nil && waits.over(ctx) != nil {
		last, cancel := context.WithTimeoutCause(context.Background(), Answering, ctx.Err())
		defer cancel()
		if err = say(last, c.link, number, &wire.Cancel{}); err == nil {
			err = waits.over(last)
		}
	}
	switch {
	case errors.Is(err, link.ErrClosed):
		return nil, ErrGone
	case err != nil:
		return nil, err
	}
	return waits.said, faultOf(ctx, waits.said, unanswered)
}

// soon is ask for what takes no time, and can be asked for twice.
func (c *Client) soon(m wire.Message) ([]wire.Message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Answering)
	defer cancel()
	return c.ask(ctx, m, ErrGone)
}

// talk is ask for what is said to others, one at a time. It returns for how many that is
// queued.
func (c *Client) talk(ctx context.Context, content [][]byte, m wire.Message) (uint32, error) {
	_, size := channel.SizeOf(0, content)
	if uint64(size) > min(c.Welcome.Largest, maxContent) {
		return 0, fmt.Errorf("%w; it has %d octets, and %d are the most", api.ErrTooLarge, size, min(c.Welcome.Largest, maxContent))
	}
	select {
	case c.talks <- struct{}{}:
		defer func() { <-c.talks }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	said, err := c.ask(ctx, m, errUnanswered)
	if err != nil {
		return 0, err
	}
	done, ok := said[0].(*wire.Done)
	if !ok {
		return 0, errAnswer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = c.said.Plus(channel.Amount{Messages: uint64(done.Count), Octets: uint64(done.Count) * uint64(size)})
	return done.Count, nil
}

// Whisper says something to a peer.
func (c *Client) Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error {
	_, err := c.talk(ctx, content, &wire.Whisper{Peer: peer, Content: content})
	return err
}

// Shout says something to a group, and returns for how many it is queued.
func (c *Client) Shout(ctx context.Context, group string, content [][]byte) (uint32, error) {
	return c.talk(ctx, content, &wire.Shout{Group: group, Content: content})
}

// Reply answers a question of a peer.
func (c *Client) Reply(ctx context.Context, question uint64, status uint32, content [][]byte) error {
	_, err := c.talk(ctx, content, &wire.Reply{Question: question, Status: status, Content: content})
	return err
}

// Flush waits until the peers have confirmed what was said to them through this client.
func (c *Client) Flush(ctx context.Context) error {
	c.mu.Lock()
	before := c.said
	c.mu.Unlock()
	_, err := c.ask(ctx, &wire.Flush{}, ErrGone)
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
	return c.inGroup(&wire.Join{Group: group}, func() { c.groups[group] = struct{}{} })
}

// Leave takes that back.
func (c *Client) Leave(group string) error {
	return c.inGroup(&wire.Leave{Group: group}, func() { delete(c.groups, group) })
}

// inGroup notes what has been asked for.
func (c *Client) inGroup(m wire.Message, note func()) error {
	_, err := c.soon(m)
	if err == nil {
		c.mu.Lock()
		note()
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
	if err := check.Given("RequirePeer", "peer", peer != uuid.Nil, "the UUID of a node"); err != nil {
		return err
	}
	_, err := c.soon(&wire.Connect{Peer: peer, Endpoint: endpoint})
	return err
}

// Look returns what the node knows now.
func (c *Client) Look() (*events.View, error) {
	said, err := c.soon(&wire.Look{})
	if err != nil {
		return nil, err
	}
	var peers []*zre.Peer
	leaders := map[string]*zre.Peer{}
	for _, m := range said {
		switch m := m.(type) {
		case *wire.View:
			return events.NewView(m.Knows, m.Endpoint, peers, leaders), nil
		case *wire.Peer:
			p, err := peerOf(m)
			if err != nil {
				return nil, err
			}
			if m.Absent == 0 {
				peers = append(peers, p)
			}
			for _, group := range m.Leads {
				leaders[group] = p
			}
		}
	}
	return nil, errAnswer
}

// Ask asks what only the running node knows, or has it do what only it can.
func (c *Client) Ask(ctx context.Context, subject string, argument []byte) (map[string]string, error) {
	said, err := c.ask(ctx, &wire.Ask{Subject: subject, Argument: argument}, ErrGone)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	if m, ok := said[0].(*wire.Answer); ok {
		for _, pair := range m.Values {
			values[pair.Key] = pair.Value
		}
	}
	return values, nil
}

// Close ends the conversation. The node goes on.
func (c *Client) Close() {
	_ = c.link.Close() // it is of no use any more
	c.work.Wait()
}
