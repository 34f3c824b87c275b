package gossip

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/sjohnr/at-once/generated/go/gossipclient"
	"github.com/sjohnr/at-once/generated/go/gossipserver"
	"github.com/sjohnr/at-once/generated/go/zgossipmsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

// mark begins the identity by which our nodes know each other. What follows
// differs from connection to connection, or else libzmq would ignore the second.
const mark = "ONCE"

const (
	maxMessage = 2 << 10 // octets: more than the largest PUBLISH has
	maxOutbox  = 64 << 10
	tellAtOnce = 64 // tuples encoded at a time
)

// session is a conversation over one connection. It implements the actions of
// both machines.
type session struct {
	*Gossip
	machine machine
	name    string // of the machine
	link    *link.Link
	seed    string        // whom we have called; empty if the far side has called
	ours    bool          // the far side is a node of ours
	away    bool          // it is on another host
	ended   chan struct{} // closed when nothing is read any more

	// Guarded by Gossip.mu.
	timer   *time.Timer
	since   time.Time // of the present state, or of the server's last word in it
	telling bool      // the far side wants to be told
	told    uint64    // up to which change
	wake    chan struct{}
	sighted []sight.Sighting    // waits to be handed on
	publish *zgossipmsg.Publish // that is taken
}

// converse speaks with the far side of a connection, which is a seed if we have called it,
// until it ends or ctx does. It returns why it ended.
func (g *Gossip) converse(ctx context.Context, conn net.Conn, kind, seed string) error {
	l, err := link.Open(ctx, conn, link.Config{
		Type:       kind,
		Identity:   []byte(mark + rand.Text()),
		MaxMessage: maxMessage,
		MaxFrames:  1,
		Outbox:     maxOutbox,
	})
	if err != nil {
		return err
	}
	s := &session{
		Gossip: g,
		link:   l,
		seed:   seed,
		ours:   strings.HasPrefix(string(l.RemoteIdentity()), mark),
		away:   !link.OneHost(l.LocalAddr(), l.RemoteAddr()),
		ended:  make(chan struct{}),
		wake:   make(chan struct{}, 1),
	}
	if kind == zmtp.Dealer && s.away && g.node.Reached(l.LocalAddr()).Loopback() {
		g.Log.Warn("gossip cannot tell other hosts of this node: it is reached by loopback only", "server", l.RemoteAddr())
	}
	g.mu.Lock()
	g.sessions[s] = struct{}{}
	s.timer = time.AfterFunc(time.Hour, s.due)
	if kind == zmtp.Router {
		s.machine, s.name = gossipserver.NewMachine(s), "gossip_server"
		s.entered()
	} else {
		s.machine, s.name = gossipclient.NewMachine(s), "gossip_client"
		s.fire("start")
	}
	g.mu.Unlock()
	g.work.Go(s.tell)
	err = l.Serve(s.deliver)
	close(s.ended)
	g.mu.Lock()
	defer g.mu.Unlock()
	s.fire("lost")
	s.timer.Stop()
	delete(g.sessions, s)
	g.store.orphan(s, time.Now())
	return err
}

// deliver takes the messages of one read.
func (s *session) deliver(b *link.Batch) error {
	defer b.Release()
	s.mu.Lock()
	for i := range b.Len() {
		s.take(b.Message(i))
	}
	sighted := s.sighted
	s.sighted = nil
	s.mu.Unlock()
	if len(sighted) > 0 {
		s.see(sighted)
	}
	return nil
}

// take lets the machine step for a message.
func (s *session) take(frames [][]byte) {
	m, err := zgossipmsg.Parse(frames[0], frames[1:])
	if err != nil {
		s.Count("gossip that is malformed")
		s.heard("")
		return
	}
	s.publish, _ = m.(*zgossipmsg.Publish)
	s.heard(m.ID().String())
}

// tell tells the far side of what has changed, whenever something has, until
// the session ends; and the last words when the gossip does.
func (s *session) tell() {
	for open := true; open; {
		select {
		case <-s.wake:
		case <-s.closing:
			open = false
		case <-s.ended:
			return
		}
		for s.tellSome() {
		}
	}
	if err := s.link.Shutdown(s.end); err != nil {
		s.Log.Debug("gossip ended with words unsaid", "address", s.link.RemoteAddr(), "error", err)
	}
}

// tellSome tells some of what has changed, and whether there may be more.
func (s *session) tellSome() bool {
	words, more := s.words(time.Now())
	if len(words) == 0 {
		return more
	}
	b, err := s.link.Reserve(s.end, len(words))
	if err != nil {
		return false
	}
	copy(b, words)
	s.link.Commit()
	return more
}

// words encodes what the far side is to be told next.
func (s *session) words(now time.Time) (frames []byte, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.telling {
		return nil, false
	}
	news := s.store.since(s.told, tellAtOnce)
	for _, t := range news {
		s.told = t.change
		here := *t
		if t.key == s.store.own {
			here.value = s.valueLocked(s.link.LocalAddr())
		}
		if s.concernsLocked(&here, now) {
			frames = appendFrame(frames, &zgossipmsg.Publish{Key: t.key, Value: here.text(s.ours), TTL: uint32(max(t.expires.Sub(now).Milliseconds(), 1))})
		}
	}
	return frames, len(news) == tellAtOnce
}

// loopback tells whether only its own host can reach what a tuple tells of.
func loopback(value string) bool {
	e, _ := sight.Parse(value)
	return e.Loopback()
}

// concernsLocked tells whether the far side is told of a tuple. What a host reaches by
// loopback means nothing to others. The caller holds the lock.
func (s *session) concernsLocked(t *tuple, now time.Time) bool {
	switch {
	case t.from == s, t.muted, t.version > 0 && !t.live(now), s.away && loopback(t.value):
		return false
	case t.value == "": // withdrawn, or not to be reached from here
		return s.ours && (t.key != s.store.own || s.gone)
	}
	return true
}

func appendFrame(frames []byte, m zgossipmsg.Message) []byte {
	from := len(frames)
	frames, err := m.AppendTo(zmtp.AppendHeader(frames, m.Size(), false))
	if err != nil {
		return frames[:from] // what was taken within the limits is within them
	}
	return frames
}

// The actions of the machines.

func (s *session) SendHello()   { s.send(&zgossipmsg.Hello{}) }
func (s *session) SendPing()    { s.send(&zgossipmsg.Ping{}) }
func (s *session) SendPong()    { s.send(&zgossipmsg.Pong{}) }
func (s *session) SendInvalid() { s.telling = false; s.send(&zgossipmsg.Invalid{}) }

// Tell wakes who tells. A conversation that begins is told all.
func (s *session) Tell() {
	if !s.telling {
		s.telling, s.told = true, 0
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *session) StoreTuple() {
	value, version, ok := parse(s.publish.Value, s.ours)
	if !ok {
		s.Count("gossip that is malformed")
		return
	}
	if s.away && loopback(value) {
		s.Count("gossip of loopback from elsewhere")
		return
	}
	now := time.Now()
	life := Lifetime
	if version > 0 {
		life = min(life, time.Duration(s.publish.TTL)*time.Millisecond)
	}
	t := &tuple{key: s.publish.Key, value: value, version: version, from: s, expires: now.Add(life)}
	own := t.key == s.store.own
	if own && (version <= s.version || value == s.valueLocked(s.link.LocalAddr()) || value == "") {
		return // what the node said, or did in an earlier life
	}
	if !own {
		news, tooMuch := s.store.take(t, now)
		switch {
		case tooMuch:
			s.Count("gossip over the limit")
		case news == t:
			s.changedLocked()
		}
		if t = news; t == nil {
			return
		}
	}
	switch sighting, err := t.sighting(); {
	case t.muted:
	case err == nil:
		s.sighted = append(s.sighted, sighting)
	case errors.Is(err, sight.ErrKey):
		s.Count("gossip with a malformed key")
	}
}

// HangUp closes the connection; its reader then ends.
func (s *session) HangUp() { s.work.Go(func() { _ = s.link.Close() }) }

// send queues a message. A far side that takes none loses the connection.
func (s *session) send(m zgossipmsg.Message) {
	frame := appendFrame(nil, m)
	b, err := s.link.ReserveControl(len(frame))
	if err != nil {
		s.HangUp()
		return
	}
	copy(b, frame)
	s.link.Commit()
}

// machine is that of the server or of the client. It is stepped under Gossip.mu.
type machine interface {
	Knows(event string) bool
	Fire(event string) (from, to fmt.Stringer, ok bool)
	Wait() time.Duration // until timeout is due in the present state; 0 is never
}

// fire has the machine step.
func (s *session) fire(event string) {
	from, to, ok := s.machine.Fire(event)
	if !ok {
		s.Count("unexpected " + event)
	} else if from != to {
		s.entered()
		s.Log.Debug("machine moves", "machine", s.name, "about", s.link.RemoteAddr(), "state", from, "event", event, "next", to)
	}
}

// heard fires the event that is for a message of a name.
func (s *session) heard(name string) {
	event := strings.ToLower(name)
	if !s.machine.Knows(event) {
		event = "violation"
	}
	if s.seed != "" {
		s.since = time.Now()
		if event != "violation" {
			s.servers[s.seed] = ""
		}
	}
	s.fire(event)
}

// entered sets the timer for a state that the machine has entered.
func (s *session) entered() {
	s.since = time.Now()
	s.timer.Reset(s.machine.Wait())
}

// due fires the time-out of the present state, unless something was heard since.
func (s *session) due() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := s.machine.Wait()
	if rest := wait - time.Since(s.since); rest > 0 {
		s.timer.Reset(rest)
	} else if wait > 0 {
		s.fire("timeout")
	}
}
