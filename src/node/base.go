package node

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/handshakemachine"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
	"github.com/sjohnr/at-once/src/zre"
)

// controlReserve is how many octets of control messages may wait for a peer
// whose queue is full of content: some greetings, however large.
const controlReserve = 3 * zremsg.MaxHello

// Frames of a message: of its content, and with its header.
const maxFrames = 1 + zremsg.MaxWhisperContent

// windows is how many octets peers may have sent, all together, that are not acknowledged,
// beyond what each may at first.
const windows = 256 << 20

// base is what all parts of a node stand on.
type base struct {
	world    world.World
	settings // fixed once the node has started, but for its headers; see settings.go
	events   *events.Queue
	counters counters
	guard    *guard.Guard    // nil before the start
	budget   *channel.Budget // of windows
	sum      *link.Sum       // of outboxes

	asks      asks
	questions questions

	ctx    context.Context // ends when the node stops
	cancel context.CancelFunc
	work   sync.WaitGroup // all goroutines but the loop
}

// SetLog has each line of the node's log handled, one at a time and in order. The node
// does not wait for the handler; Stop does, for at most the linger time. It is ignored
// once the node has started.
func (s *base) SetLog(handler func(level int, message string, attributes map[string]string)) {
	_ = s.Change(func() error {
		s.journal = &journal{handle: handler, count: s.count}
		s.settings.log = slog.New(logHandler{journal: s.journal})
		return nil
	})
}

// log returns the node's log with a peer's id.
func (s *base) log(id uuid.UUID) *slog.Logger { return s.settings.log.With("peer", id) }

// What an application is told of a node.
type (
	Peer  = zre.Peer
	Event = events.Event
	Batch = events.Batch
)

// nobody is the peer of events that are about the network.
var nobody = new(zre.Peer)

// notice tells of a change of the network.
func (s *base) notice(text string) { s.remark(slog.LevelInfo, text) }

// warn tells of what is wrong and does not keep the node from going on.
func (s *base) warn(text string) { s.remark(slog.LevelWarn, text) }

// remark tells the application, and the log at a level, of the network.
func (s *base) remark(level slog.Level, text string) {
	s.settings.log.Log(context.Background(), level, "network", "change", text)
	s.events.Post(events.Facts{Type: api.EventTypeNetwork, Peer: nobody, Text: text, At: time.Now()})
}

// refuse tells the application, once in a while, that a node is not talked with.
func (s *base) refuse(among *guard.Refusals, id uuid.UUID, name string, endpoint sight.Endpoint, why error) {
	s.count("nodes refused")
	text := s.guard.Refuse(among, id, why)
	if text == "" {
		return
	}
	at := time.Now()
	tell := func(name string) {
		s.log(id).Info("node refused", "name", name, "endpoint", endpoint, "reason", why)
		f := events.Facts{Type: api.EventTypeRefused, Peer: zre.Stranger(id, name, endpoint), Text: text, At: at}
		f.Why, f.Ours = s.guard.Why(why)
		s.events.Post(f)
	}
	if name == "" {
		name, _ = s.guard.Names.Of(id)
	}
	if name == "" && guard.Speaks(why) {
		s.work.Go(func() { tell(s.guard.Names.Wait(s.ctx, id, introduction)) })
		return
	}
	tell(name)
}

// introduction is how long who is refused may take to say its name: it may call us while
// we call it.
const introduction = 250 * time.Millisecond

// refuseFrom is refuse for who is turned away in a handshake.
func (s *base) refuseFrom(id uuid.UUID, from net.Addr, why error) {
	s.refuse(&s.guard.Meetings, id, "", sight.Endpoint{Address: from.String()}, guard.NotLetIn(why))
}

func (s *base) count(name string) { s.counters.count(name) }

// linkConfig returns the settings of a link. Its identity is what RFC 36 asks
// for: the octet 1 and the node's UUID. We show it to those who call us too. What the
// far side says may be as large as a greeting, and no larger while the node has not
// accepted one: on the connections that we make, never.
func (s *base) linkConfig(kind string) link.Config {
	return link.Config{
		Type:       kind,
		Identity:   guard.IdentityOf(s.guard.ID),
		MaxMessage: max(s.settings.MaxMessage, zremsg.MaxHello),
		MaxFrames:  maxFrames,
		Greeting:   zremsg.MaxHello,
		Outbox:     s.settings.Outbox,
		Sum:        s.sum,
		Reserve:    controlReserve,
		Handshake:  min(s.settings.Greeting, handshakemachine.DefaultHandshake),
	}
}

// shutdown closes a link when what is queued on it has gone out, at the latest after the
// linger time. Then it calls over with the error, if all was not taken.
func (s *base) shutdown(l *link.Link, over func(error)) {
	s.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.settings.Linger)
		defer cancel()
		err := l.Shutdown(ctx)
		if err != nil {
			s.settings.log.Debug("connection closed before all was taken", "address", l.RemoteAddr(), "error", err)
		}
		over(err)
	})
}
