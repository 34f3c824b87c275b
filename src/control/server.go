package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/handshakemachine"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	octets "github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// Host is the node that programs share.
type Host interface {
	// About says whose node it is.
	About() *wire.Welcome
	Look() (*events.View, error)
	// Ask answers what is asked of a subject.
	Ask(ctx context.Context, subject string, argument []byte) (map[string]string, error)
	// Visit lets a program share the node. It is told of the events from then on, and first
	// of an enter for each peer that is present.
	Visit(told *events.Queue) (Visitor, error)
}

// Visitor is a program that shares a node. What is said through it and not delivered, its
// Flush tells; its groups are the node's as well.
type Visitor interface {
	Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error
	Shout(ctx context.Context, group string, content [][]byte) (uint32, error)
	// Question queues a question, and returns what waits for the answer, to be called once.
	Question(ctx context.Context, peer uuid.UUID, content [][]byte) (func(context.Context) (*events.Event, error), error)
	Reply(ctx context.Context, question uint64, status uint32, content [][]byte) error
	Flush(ctx context.Context) error
	Join(group string) error
	Leave(group string) error
	RequirePeer(peer uuid.UUID, endpoint string) error
	Quit()
}

// Server lets other programs share a node.
type Server struct {
	host     Host
	log      *slog.Logger
	count    func(string)
	listener net.Listener
	ctx      context.Context // ends when no more programs are let in
	hush     context.CancelFunc
	work     sync.WaitGroup
	over     context.Context // ends with the node
	end      context.CancelFunc
	linger   time.Duration // set then
}

// Serve lets programs share a host that connect to a listener, until Close.
func Serve(listener net.Listener, host Host, log *slog.Logger, count func(string)) *Server {
	s := &Server{host: host, log: log, count: count, listener: listener}
	s.over, s.end = context.WithCancel(context.Background())
	s.ctx, s.hush = context.WithCancel(context.Background())
	s.work.Go(func() { link.Accept(s.ctx, listener, wire.MaxPrograms, s.take, s.fault) })
	return s
}

// Hush lets no more programs in.
func (s *Server) Hush() {
	s.hush()
	_ = s.listener.Close() // a second time by Accept; it says nothing that matters
}

// Close ends all conversations. Who shares the node is told all that has happened, within
// the linger time.
func (s *Server) Close(linger time.Duration) {
	s.Hush()
	s.linger = linger
	s.end()
	s.work.Wait()
}

func (s *Server) fault(err error) {
	if errors.Is(err, link.ErrTooMany) {
		s.count("programs over the limit that would share this node")
		return
	}
	s.count("connections to the control socket that were not accepted")
	s.log.Warn("control socket", "error", err)
}

// take has a conversation over a connection.
func (s *Server) take(conn net.Conn, over func()) {
	s.work.Go(func() {
		defer over()
		most := int(s.host.About().Largest) + headRoom
		l, err := link.Open(s.ctx, conn, linkConfig(zmtp.Router, max(most, wire.MaxAsk)))
		if err != nil {
			s.count("control connections without a handshake")
			return
		}
		c := &session{server: s, link: l, queue: events.New(compactFrom), talk: make(chan struct{}), calls: map[uint32]context.CancelFunc{}, asked: map[uint32]context.CancelFunc{}}
		close(c.talk)
		c.told = c.talk
		c.queue.Limit(wire.MaxWaiting)
		c.ctx, c.cancel = context.WithCancel(context.Background())
		if err := c.serve(); err != nil {
			s.log.Debug("control connection ended", "error", err)
		}
	})
}

// Why a conversation ends that is not as the protocol has it.
var (
	errGreeting = errors.New("the first word is not HELLO, or a later one is")
	errNumber   = errors.New("two calls with one number")
	errAsked    = errors.New("more questions than may wait at a time")
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
	visitor Visitor // nil before HELLO
	queue   *events.Queue
	talk    chan struct{} // closed when the latest WHISPER or SHOUT has been answered
	work    sync.WaitGroup

	mu    sync.Mutex
	calls map[uint32]context.CancelFunc // that wait
	asked map[uint32]context.CancelFunc // questions that wait for a RESULT, by the numbers of their calls
	waits int                           // octets of content in them
	told  chan struct{}                 // closed when all events have been told that will be
}

// serve answers until the connection ends, and returns why it has.
func (c *session) serve() error {
	c.work.Go(c.end)
	impatient := time.AfterFunc(handshakemachine.DefaultHandshake, func() { _ = c.link.Close() })
	err := c.link.Serve(func(b *link.Batch) error {
		defer b.Release()
		for i := range b.Len() {
			number, m, err := hear(b.Message(i))
			if err == nil {
				err = c.obey(number, m, b, impatient)
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

// end waits for the end of the node, tells what is left to be told, and ends the
// conversation.
func (c *session) end() {
	select {
	case <-c.server.over.Done():
	case <-c.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.server.linger)
	defer cancel()
	c.queue.Close()
	c.mu.Lock()
	told := c.told
	c.mu.Unlock()
	select {
	case <-told:
	case <-ctx.Done():
	}
	_ = c.link.Shutdown(ctx) // a program that does not read is not waited for
}

// obey does what a message asks for. An error ends the conversation.
func (c *session) obey(number uint32, m wire.Message, b *link.Batch, impatient *time.Timer) error {
	hello, greets := m.(*wire.Hello)
	if greets != (c.visitor == nil) {
		return errGreeting
	}
	switch m := m.(type) {
	case *wire.Hello:
		impatient.Stop()
		return c.greet(hello)
	case *wire.Whisper:
		return c.next(number, m.Content, b, func(ctx context.Context) (uint32, error) {
			return 1, c.visitor.Whisper(ctx, m.Peer, m.Content)
		})
	case *wire.Shout:
		return c.next(number, m.Content, b, func(ctx context.Context) (uint32, error) {
			return c.visitor.Shout(ctx, m.Group, m.Content)
		})
	case *wire.Question:
		return c.ask(number, m, b)
	case *wire.Reply:
		return c.next(number, m.Content, b, func(ctx context.Context) (uint32, error) {
			return 1, c.visitor.Reply(ctx, m.Question, m.Status, m.Content)
		})
	case *wire.Flush:
		return c.wait(number, nil, b, func(ctx context.Context) ([]wire.Message, error) {
			return done(0), c.visitor.Flush(ctx)
		})
	case *wire.Ask:
		return c.wait(number, [][]byte{m.Argument}, b, func(ctx context.Context) ([]wire.Message, error) {
			values, err := c.server.host.Ask(ctx, m.Subject, m.Argument)
			return []wire.Message{&wire.Answer{Values: octets.Pairs(values)}}, err
		})
	case *wire.Join:
		return c.answer(number, done(0), c.visitor.Join(m.Group))
	case *wire.Leave:
		return c.answer(number, done(0), c.visitor.Leave(m.Group))
	case *wire.Connect:
		return c.answer(number, done(0), c.visitor.RequirePeer(m.Peer, m.Endpoint))
	case *wire.Look:
		view, err := c.server.host.Look()
		if err != nil {
			return c.answer(number, nil, err)
		}
		return c.answer(number, viewMessages(view), nil)
	case *wire.Cancel:
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, of := range []map[uint32]context.CancelFunc{c.calls, c.asked} {
			if cancel := of[number]; cancel != nil {
				cancel()
			}
		}
		return nil
	}
	return errAnswer
}

// greet lets the program share the node, if both speak one language.
func (c *session) greet(m *wire.Hello) error {
	about := c.server.host.About()
	var visitor Visitor
	var err error
	if m.Lowest > wire.Version || m.Highest < wire.Version {
		err = fmt.Errorf("the process %s runs @Once %s, which shares a node in version %d of once_control only: use programs of one release",
			about.Process, about.Program, wire.Version)
	} else {
		visitor, err = c.server.host.Visit(c.queue)
	}
	if err != nil {
		return errors.Join(err, c.answer(0, nil, err), c.link.Flush(c.ctx))
	}
	c.visitor, about.Speaks, about.Process = visitor, wire.Version, cut(about.Process, wire.MaxWelcomeProcess)
	c.link.Widen()
	if err := say(c.ctx, c.link, 0, about); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	told := make(chan struct{})
	c.told = told
	c.work.Go(func() {
		defer close(told)
		c.tell()
	})
	return nil
}

// tell tells of events until the connection or the node ends.
func (c *session) tell() {
	var last *zre.Peer
	for {
		batch, err := c.queue.RecvBatch(c.ctx)
		if err != nil {
			return
		}
		for i := range batch.Size() {
			e := batch.Event(i)
			list := []wire.Message{&wire.Event{
				Type: uint8(e.Type()), Time: uint64(e.Time().UnixNano()), Knows: e.Version(), Question: e.Question(), Group: e.Group(),
				Why: uint8(e.Why()), Ours: bit(e.Ours()), Text: cut(e.Reason(), wire.MaxEventText), Content: e.Msg(),
			}}
			if e.Peer() != last {
				last = e.Peer()
				list = []wire.Message{peerMessage(last), list[0]}
			}
			if err := say(c.ctx, c.link, 0, list...); err != nil {
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

func done(count uint32) []wire.Message { return []wire.Message{&wire.Done{Count: count}} }

// answer says what has become of a call, a message at a time.
func (c *session) answer(number uint32, list []wire.Message, fault error) error {
	if fault != nil {
		failed := &wire.Failed{Error: nameOf(fault), Text: cut(fault.Error(), wire.MaxFailedText)}
		list = nil
		if undelivered, ok := errors.AsType[*channel.UndeliveredError](fault); ok {
			failed.Error, failed.Cause = nameOf(api.ErrUndelivered), nameOf(undelivered.Cause)
			for _, m := range undelivered.Missed {
				list = append(list, &wire.Missed{
					Peer: m.UUID, Name: cut(m.Name, wire.MaxMissedName), Messages: m.Messages, Octets: m.Octets,
					Reason: cut(m.Reason, wire.MaxMissedReason),
				})
			}
		}
		list = append(list, failed)
	}
	for _, m := range list {
		if err := say(c.ctx, c.link, number, m); err != nil {
			return err
		}
	}
	return nil
}

// next is wait for what is said to others: one at a time, so that the order stays.
func (c *session) next(call uint32, content [][]byte, b *link.Batch, say func(context.Context) (uint32, error)) error {
	before, over := c.talk, make(chan struct{})
	c.talk = over
	return c.wait(call, content, b, func(ctx context.Context) ([]wire.Message, error) {
		defer close(over)
		<-before // which ends when the connection does
		count, err := say(ctx)
		return done(count), err
	})
}

// ask asks a peer, one question too many not.
func (c *session) ask(call uint32, m *wire.Question, b *link.Batch) error {
	c.mu.Lock()
	again, most := c.asked[call] != nil, len(c.asked) == wire.MaxQuestions
	c.mu.Unlock()
	switch {
	case again:
		return errNumber
	case most:
		return errAsked
	}
	return c.next(call, m.Content, b, func(ctx context.Context) (uint32, error) {
		answer, err := c.visitor.Question(ctx, m.Peer, m.Content)
		if err != nil {
			return 0, err
		}
		ctx, cancel := context.WithCancel(c.ctx)
		c.mu.Lock()
		c.asked[call] = cancel
		c.mu.Unlock()
		c.work.Go(func() {
			result := resultOf(answer(ctx))
			c.mu.Lock()
			delete(c.asked, call)
			c.mu.Unlock()
			cancel()
			if err := say(c.ctx, c.link, call, result); err != nil {
				c.fail(err)
			}
		})
		return 1, nil
	})
}

// wait has a call be answered that may take long, while the next message is read, unless
// that is one call too many. The message of the call is kept in memory until then.
func (c *session) wait(call uint32, content [][]byte, b *link.Batch, do func(context.Context) ([]wire.Message, error)) error {
	_, size := channel.SizeOf(0, content)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls[call] != nil {
		return errNumber
	}
	if len(c.calls) == wire.MaxCalls || len(c.calls) > 0 && c.waits+size > int(c.server.host.About().Largest) {
		return errCalls
	}
	ctx, cancel := context.WithCancel(c.ctx)
	c.calls[call] = cancel
	c.waits += size
	b.Retain()
	c.work.Go(func() {
		list, fault := do(ctx)
		b.Release()
		c.mu.Lock()
		delete(c.calls, call)
		c.waits -= size
		c.mu.Unlock()
		cancel()
		if err := c.answer(call, list, fault); err != nil {
			c.fail(err)
		}
	})
	return nil
}
