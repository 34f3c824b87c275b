package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// About is whose node it is that programs share.
type About struct {
	Process string // that runs it: its number, and on which host
	Program string // the version of @Once in that
	ID      uuid.UUID
	Name    string
	Largest int // octets of the largest message that it sends
}

// Here returns what there is to say of this process.
func Here() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("%d on %s", os.Getpid(), host)
}

// Host is the node that programs share.
type Host interface {
	About() About
	Look() (*View, error)
	// Ask answers what is asked of a subject.
	Ask(ctx context.Context, subject string, argument []byte) (map[string]string, error)
	// Visit lets a program share the node. If told is not nil, it gets the events from then
	// on, and first an enter for each peer that is present.
	Visit(told *events.Queue) (Visitor, error)
}

// Visitor is a program that shares a node. What is said through it and not delivered, its
// Flush tells; its groups are the node's as well.
type Visitor interface {
	Whisper(ctx context.Context, peer uuid.UUID, content [][]byte) error
	Shout(ctx context.Context, group string, content [][]byte) (uint32, error)
	Flush(ctx context.Context) error
	Join(group string) error
	Leave(group string) error
	Connect(peer uuid.UUID, endpoint string) error
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

	mu       sync.Mutex
	sessions map[*session]struct{} // nil once the node has ended
}

// Serve lets programs share a host that connect to a listener, until Close.
func Serve(listener net.Listener, host Host, log *slog.Logger, count func(string)) *Server {
	s := &Server{host: host, log: log, count: count, listener: listener, sessions: map[*session]struct{}{}}
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
	s.mu.Lock()
	sessions := s.sessions
	s.sessions = nil
	s.mu.Unlock()
	for session := range sessions {
		s.work.Go(func() { session.end(linger) })
	}
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
		most := s.host.About().Largest + headRoom
		l, err := link.Open(s.ctx, conn, linkConfig(zmtp.Router, max(most, wire.MaxAsk)))
		if err != nil {
			s.count("control connections without a handshake")
			return
		}
		c := newSession(s, l)
		if !s.add(c) {
			_ = l.Close() // the node ends
			return
		}
		if err := c.serve(); err != nil {
			s.log.Debug("control connection ended", "error", err)
		}
		s.drop(c)
	})
}

func (s *Server) add(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions != nil {
		s.sessions[c] = struct{}{}
	}
	return s.sessions != nil
}

func (s *Server) drop(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, c)
}
