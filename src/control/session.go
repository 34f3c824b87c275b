package control

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sjohnr/at-once/generated/go/handshakemachine"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	octets "github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// Why a conversation ends that is not as the protocol has it.
var (
	errGreeting = errors.New("the first word is not HELLO, or a later one is")
	errNumber   = errors.New("two calls with one number")
	errCalls    = errors.New("more calls, or octets of content in them, than may wait at a time")
	errAnswer   = errors.New("it is for the node to say that")
)

// compactFrom is the least number of unread tidings that is worth compacting.
const compactFrom = 1024

// session is the conversation with one program.
type session struct {
	server  *Server
	link    *link.Link
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc
	visitor Visitor       // nil before HELLO
	queue   *events.Queue // nil if it wants no events
	told    chan struct{} // closed when all events have been told, nil if it wants none
	talk    chan struct{} // closed when the latest WHISPER or SHOUT has been answered
	work    sync.WaitGroup

	mu    sync.Mutex
	calls map[uint32]context.CancelFunc // that wait
	waits int                           // octets of content in them
}

func newSession(s *Server, l *link.Link) *session {
	c := &session{server: s, link: l, talk: make(chan struct{}), calls: map[uint32]context.CancelFunc{}}
	close(c.talk)
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// serve answers until the connection ends, and returns why it has.
func (c *session) serve() error {
	impatient := time.AfterFunc(handshakemachine.DefaultHandshake, func() { _ = c.link.Close() })
	err := c.link.Serve(func(b *link.Batch) error {
		defer b.Release()
		for i := range b.Len() {
			m, err := hear(b.Message(i))
			if err == nil {
				err = c.obey(m, b, impatient)
			}
			if err != nil {
				c.server.count("control connections that were malformed")
				return err
			}
		}
		return nil
	})
	impatient.Stop()
	c.cancel()
	c.work.Wait()
	if c.visitor != nil {
		c.visitor.Quit()
	}
	return err
}

// end tells what is left to be told when the node has ended, and ends the conversation.
func (c *session) end(linger time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), linger)
	defer cancel()
	c.mu.Lock()
	queue, told := c.queue, c.told
	c.mu.Unlock()
	if queue != nil {
		queue.Close()
		select {
		case <-told:
		case <-ctx.Done():
		}
	}
	_ = c.link.Shutdown(ctx) // a program that does not read is not waited for
}

// obey does what a message asks for. An error ends the conversation.
func (c *session) obey(m wire.Message, b *link.Batch, impatient *time.Timer) error {
	hello, greets := m.(*wire.Hello)
	if greets != (c.visitor == nil) {
		return errGreeting
	}
	switch m := m.(type) {
	case *wire.Hello:
		impatient.Stop()
		return c.greet(hello)
	case *wire.Whisper:
		return c.next(m.Number, m.Content, b, func(ctx context.Context) (uint32, error) {
			return 0, c.visitor.Whisper(ctx, m.Peer, m.Content)
		})
	case *wire.Shout:
		return c.next(m.Number, m.Content, b, func(ctx context.Context) (uint32, error) {
			return c.visitor.Shout(ctx, m.Group, m.Content)
		})
	case *wire.Flush:
		return c.wait(m.Number, nil, b, func(ctx context.Context) []wire.Message {
			return outcome(m.Number, 0, c.visitor.Flush(ctx))
		})
	case *wire.Ask:
		return c.wait(m.Number, [][]byte{m.Argument}, b, func(ctx context.Context) []wire.Message {
			values, err := c.server.host.Ask(ctx, m.Subject, m.Argument)
			if err != nil {
				return faultMessages(m.Number, err)
			}
			return []wire.Message{&wire.Answer{Number: m.Number, Values: octets.Pairs(values)}}
		})
	case *wire.Join:
		return c.answer(outcome(m.Number, 0, c.visitor.Join(m.Group)))
	case *wire.Leave:
		return c.answer(outcome(m.Number, 0, c.visitor.Leave(m.Group)))
	case *wire.Connect:
		return c.answer(outcome(m.Number, 0, c.visitor.Connect(m.Peer, m.Endpoint)))
	case *wire.Look:
		view, err := c.server.host.Look()
		if err != nil {
			return c.answer(faultMessages(m.Number, err))
		}
		return c.answer(view.messages(m.Number))
	case *wire.Cancel:
		c.mu.Lock()
		defer c.mu.Unlock()
		if cancel := c.calls[m.Number]; cancel != nil {
			cancel()
		}
		return nil
	}
	return errAnswer
}

// greet lets the program share the node, if both speak one language.
func (c *session) greet(m *wire.Hello) error {
	about := c.server.host.About()
	if m.Lowest > version || m.Highest < version {
		err := fmt.Errorf("the process %s runs @Once %s, which shares a node in version %d of once_control only: use programs of one release",
			about.Process, about.Program, version)
		return c.turnAway(err)
	}
	var queue *events.Queue
	if m.Events != 0 {
		queue = events.New(compactFrom)
		queue.Limit(wire.MaxWaiting)
	}
	visitor, err := c.server.host.Visit(queue)
	if err != nil {
		return c.turnAway(err)
	}
	c.visitor = visitor
	c.link.Widen()
	if err := c.answer([]wire.Message{&wire.Welcome{
		Speaks: version, Process: cut(about.Process, wire.MaxWelcomeProcess), Program: cut(about.Program, wire.MaxWelcomeProgram),
		Node: about.ID, Name: about.Name, Largest: uint64(about.Largest),
	}}); err != nil {
		return err
	}
	if queue != nil {
		c.mu.Lock()
		c.queue, c.told = queue, make(chan struct{})
		c.mu.Unlock()
		c.work.Go(c.tell)
	}
	return nil
}

// turnAway says why the program cannot share the node, which ends the conversation.
func (c *session) turnAway(err error) error {
	return errors.Join(err, c.answer(faultMessages(0, err)), c.link.Flush(c.ctx))
}

// tell tells of events until the connection or the node ends.
func (c *session) tell() {
	defer close(c.told)
	var last *zre.Peer
	for {
		batch, err := c.queue.RecvBatch(c.ctx)
		if err != nil {
			return
		}
		for i := range batch.Size() {
			e := batch.Event(i)
			list := []wire.Message{eventMessage(e)}
			if e.Peer() != last {
				last = e.Peer()
				list = []wire.Message{peerMessage(0, last), list[0]}
			}
			if err := say(c.ctx, c.link, list...); err != nil {
				c.fail(err)
				return
			}
		}
	}
}

// fail ends a conversation in which something cannot be said.
func (c *session) fail(err error) {
	if c.ctx.Err() == nil && !errors.Is(err, link.ErrClosed) {
		c.server.log.Warn("control connection", "error", err)
		c.server.count("control connections in which something could not be said")
	}
	_ = c.link.Close()
}

// outcome says what has become of a call.
func outcome(call, count uint32, err error) []wire.Message {
	if err != nil {
		return faultMessages(call, err)
	}
	return []wire.Message{&wire.Done{Number: call, Count: count}}
}

// answer says what there is to say, a message at a time.
func (c *session) answer(list []wire.Message) error {
	for _, m := range list {
		if err := say(c.ctx, c.link, m); err != nil {
			return err
		}
	}
	return nil
}

// next is wait for what is said to others: one at a time, so that the order stays.
func (c *session) next(call uint32, content [][]byte, b *link.Batch, say func(context.Context) (uint32, error)) error {
	before, done := c.talk, make(chan struct{})
	c.talk = done
	return c.wait(call, content, b, func(ctx context.Context) []wire.Message {
		defer close(done)
		<-before // which ends when the connection does
		count, err := say(ctx)
		return outcome(call, count, err)
	})
}

// wait has a call be answered that may take long, while the next message is read. The
// message of the call is kept in memory until then.
func (c *session) wait(call uint32, content [][]byte, b *link.Batch, do func(context.Context) []wire.Message) error {
	size := sizeOf(content)
	ctx, cancel := context.WithCancel(c.ctx)
	if err := c.admit(call, size, cancel); err != nil {
		cancel()
		return err
	}
	b.Retain()
	c.work.Go(func() {
		list := do(ctx)
		b.Release()
		c.mu.Lock()
		delete(c.calls, call)
		c.waits -= size
		c.mu.Unlock()
		cancel()
		if err := c.answer(list); err != nil {
			c.fail(err)
		}
	})
	return nil
}

// admit notes that a call waits, unless that is one too many.
func (c *session) admit(call uint32, size int, cancel context.CancelFunc) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[call] != nil {
		return errNumber
	}
	if len(c.calls) == wire.MaxCalls || len(c.calls) > 0 && c.waits+size > c.server.host.About().Largest {
		return errCalls
	}
	c.calls[call] = cancel
	c.waits += size
	return nil
}
