package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
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
		if err := newSession(s, l).serve(); err != nil {
			s.log.Debug("control connection ended", "error", err)
		}
	})
}
