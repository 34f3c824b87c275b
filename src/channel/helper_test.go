package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kind is how content for a peer is protected.
type kind int

const (
	plain kind = iota
	sealed
	encrypted // by its connection, which in these tests is said only
)

// maxMessage is how many octets a message may have, outbox how many wait for a peer, and
// reserve how many more that are no content. What is larger than ballast fills a path whose
// far side does not read.
const (
	maxMessage = 1 << 20
	outbox     = 4 << 10
	reserve    = 4 << 10
	ballast    = 300 << 10
)

// newGuard returns who a node is, which has an identity unless it is plain.
func newGuard(tb testing.TB, name string, k kind) *guard.Guard {
	tb.Helper()
	own, err := identity.New()
	if err != nil {
		tb.Fatal(err)
	}
	security := api.NodeSecurityAuto
	if k == plain {
		security = api.NodeSecurityPlain
	}
	g, err := guard.New(guard.Config{
		Identity: own, Security: security, Name: name, Plain: uuid.New(), Wall: time.Now,
		Log: slog.New(slog.DiscardHandler), Warn: func(string) {},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(g.Release)
	return g
}

// speaker is the node that says things, and everybody whom it knows.
type speaker struct {
	testing.TB
	*guard.Guard
	*Sender
	network func() (near, far link.Transport, endpoint string)
	outbox  int

	mu    sync.Mutex
	rooms map[string][]*Channel // each list is replaced, never changed
}

// newSpeaker returns one on a network in memory. Nothing plain is said in the groups.
func newSpeaker(tb testing.TB, only ...string) *speaker {
	memory := link.NewMemory(nil)
	return newSpeakerOn(tb, func() (near, far link.Transport, endpoint string) {
		return memory.Host("10.0.0.1"), memory.Host("10.0.0.2"), "tcp://*:*"
	}, only...)
}

func newSpeakerOn(tb testing.TB, network func() (near, far link.Transport, endpoint string), only ...string) *speaker {
	s := &speaker{TB: tb, Guard: newGuard(tb, "ana", sealed), network: network, outbox: outbox, rooms: map[string][]*Channel{}}
	groups := map[string]struct{}{}
	for _, group := range only {
		groups[group] = struct{}{}
	}
	s.Sender = NewSender(s.Guard, maxMessage, groups, func(group string) []*Channel {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.rooms[group]
	}, func() error { return nil }, link.NewSum(1<<30, 1<<30), func() { tb.Error("nobody is suspect with much") })
	return s
}

// gather has a group consist of these, and no others.
func (s *speaker) gather(group string, members ...*listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rooms[group] = nil
	for _, l := range members {
		s.rooms[group] = append(s.rooms[group], l.to)
	}
}

func (s *speaker) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// whispers says texts, each a frame, to a peer.
func (s *speaker) whispers(to *listener, texts ...string) {
	s.Helper()
	s.must(s.Whisper(s.Context(), to.to, frames(texts...)))
}

// shouts says a text to a group of so many.
func (s *speaker) shouts(group, text string, want uint32) {
	s.Helper()
	if sent, err := s.Shout(s.Context(), group, frames(text)); err != nil || sent != want {
		s.Fatalf("%d got the shout, want %d: %v", sent, want, err)
	}
}

func frames(texts ...string) [][]byte {
	content := make([][]byte, len(texts))
	for i, text := range texts {
		content[i] = []byte(text)
	}
	return content
}

// listener is a peer, as the speaker has it, and as it is.
type listener struct {
	*speaker
	kind  kind
	guard *guard.Guard
	to    *Channel // the speaker's, to it
	from  *Channel // its own, of the speaker
	path  *Path    // the latest
	fulls int      // how often a path to it was full
	asks  []byte   // what sessions to it have to answer
	knows *zre.Core
	ear   *ear // of the latest path
}

// ear is the far end of a path.
type ear struct {
	*listener
	link   *link.Link
	nonces guard.Nonces
	opens  Unsealer
	eats   func(frames [][]byte) bool // what is lost on its way; nil for nothing

	mu    sync.Mutex
	heard []string
	kept  [][][]byte // the messages as they came
}

// listener returns a peer that is present, and to which there is no path.
func (s *speaker) listener(name string, k kind) *listener {
	s.Helper()
	return s.listenerThat(name, k, nil)
}

// listenerThat is listener for one that has shown a card before.
func (s *speaker) listenerThat(name string, k kind, has func(*guard.Guard) *identity.Card) *listener {
	s.Helper()
	l := &listener{speaker: s, kind: k, guard: newGuard(s.TB, name, k), asks: guard.NewChallenge()}
	hello := greeting(l.guard)
	var on guard.Nonces
	var shown *identity.Card
	if has != nil {
		shown = has(l.guard)
	}
	l.guard.Present(hello, s.ID, &on, l.asks, shown, false)
	badge := &zre.Badge{}
	if k != plain {
		var err error
		badge, err = s.Guard.Vet(l.guard.ID, nil, hello, &on, nil)
		s.must(err)
	}
	if k == encrypted {
		badge.Key = new([32]byte)
	}
	_, peer := meet(s.TB, s.ID, l.guard.ID, hello, badge)
	l.to = New(peer, guard.NewChallenge())
	return l
}

// greeting returns what a node says of itself.
func greeting(g *guard.Guard) *zremsg.Hello {
	return &zremsg.Hello{
		Sequence: 1, Endpoint: "tcp://10.0.0.9:5670", Name: g.Name(),
		Headers: []wire.Pair{{Key: zre.HeaderIncarnation, Value: strconv.FormatUint(g.Incarnation, 10)}},
	}
}

// meet has a core hear the greeting of a peer, which is present then.
func meet(tb testing.TB, own, id uuid.UUID, hello *zremsg.Hello, badge *zre.Badge) (*zre.Core, *zre.Peer) {
	tb.Helper()
	core := zre.New(zre.Config{
		ID: own, Name: "own", Endpoint: sight.At("10.0.0.8", 5670), Incarnation: 1,
		Greeting: time.Second, Evasive: time.Second, Silent: time.Second, Expired: time.Second,
		Signs: func(uuid.UUID) zre.Signs { return zre.Signs{} },
	})
	at, _ := sight.Parse(hello.Endpoint)
	core.Step(time.Now(), zre.Sighted{Peer: id, Endpoint: at})
	core.Step(time.Now(), zre.Linked{Peer: id, Link: 1, Endpoint: at, Callback: at})
	return core, hear(tb, core, id, hello, badge)
}

// hear has a core hear a greeting, and returns the peer as it is then.
func hear(tb testing.TB, core *zre.Core, id uuid.UUID, hello *zremsg.Hello, badge *zre.Badge) *zre.Peer {
	tb.Helper()
	for _, out := range core.Step(time.Now(), zre.Heard{Peer: id, Link: 2, Message: hello, Badge: badge}) {
		switch out := out.(type) {
		case zre.Event:
			if out.Type == api.EventTypeEnter {
				return out.Peer
			}
		case zre.Update:
			return out.Peer
		}
	}
	tb.Fatal("the greeting tells nothing")
	return nil
}

// connect gives a listener another path, which nothing is read from yet, and greets it.
func (l *listener) connect() {
	l.Helper()
	l.open()
	l.greet()
	l.to.Relink(l.path)
}

// open makes a connection to a listener, with a path over it.
func (l *listener) open() {
	l.Helper()
	near, far := l.links()
	e := &ear{listener: l, link: far}
	var on guard.Nonces
	copy(on.Own[:], guard.NewNonce())
	copy(on.Far[:], guard.NewNonce())
	e.nonces = guard.Nonces{Own: on.Far, Far: on.Own}
	e.opens.Own = &Own{Identity: l.guard.Identity, Groups: func() []string { return nil }}
	l.ear, l.path = e, NewPath(near, on, func(k *link.Link) {
		if l.fulls++; k != near {
			l.Error("another link is full")
		}
	})
}

// links opens a link: our end and the far one. Both are closed with the test.
func (l *listener) links() (near, far *link.Link) {
	l.Helper()
	from, to, endpoint := l.network()
	at, err := to.Listen(l.Context(), endpoint)
	l.must(err)
	defer at.Close()
	opened := make(chan error, 1)
	go func() {
		conn, err := at.Accept()
		if err == nil {
			far, err = link.Open(l.Context(), conn, link.Config{Type: zmtp.Router})
		}
		opened <- err
	}()
	conn, err := from.Dial(l.Context(), "tcp://"+at.Addr().String())
	l.must(err)
	near, err = link.Open(l.Context(), conn, link.Config{Type: zmtp.Dealer, Outbox: l.outbox, Reserve: reserve})
	l.must(errors.Join(err, <-opened))
	var serving sync.WaitGroup
	serving.Go(func() { _ = near.Serve(func(b *link.Batch) error { b.Release(); return nil }) })
	l.Cleanup(func() { _ = near.Close(); _ = far.Close(); serving.Wait() })
	return near, far
}

// greet sends a HELLO over the path.
func (l *listener) greet() {
	l.Helper()
	hello := greeting(l.Guard)
	card := l.Present(hello, l.guard.ID, &l.path.Nonces, l.to.challenge, l.path.Shown(), false)
	_, err := l.path.Control(hello, nil, card, false)
	l.must(err)
}

// says queues a message that is no content.
func (l *listener) says(m zremsg.Message, asks bool) {
	l.Helper()
	_, err := l.path.Control(m, nil, nil, asks)
	l.must(err)
}

// listens reads what comes over the latest path, until the test ends.
func (l *listener) listens() {
	e := l.ear
	var reading sync.WaitGroup
	reading.Go(func() {
		_ = e.link.Serve(func(b *link.Batch) error {
			defer b.Release()
			for i := range b.Len() {
				e.takes(b.Message(i))
			}
			return nil
		})
	})
	e.Cleanup(func() { _ = e.link.Close(); reading.Wait() })
}

// takes takes in a message.
func (e *ear) takes(frames [][]byte) {
	kept := make([][]byte, len(frames))
	for i, frame := range frames {
		kept[i] = bytes.Clone(frame)
	}
	said := ""
	if e.eats == nil || !e.eats(frames) {
		said = e.hears(frames)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, kept)
	if said != "" {
		e.heard = append(e.heard, said)
	}
}

// hears returns a message as text, after its sequence number.
func (e *ear) hears(frames [][]byte) string {
	id, err := zremsg.Peek(frames[0])
	if err != nil {
		e.Error(err)
		return ""
	}
	m := zremsg.New(id)
	if err := m.Decode(frames[0], frames[1:]); err != nil {
		e.Error(err)
	}
	switch m := m.(type) {
	case *zremsg.Hello:
		e.greeted(m)
		return fmt.Sprintf("%d HELLO", m.Sequence)
	case *zremsg.Whisper:
		return fmt.Sprintf("%d %s", m.Sequence, e.content("whisper", m.Content, func() ([][]byte, error) {
			return e.opens.Whisper(e.from, m.Content, nil)
		}))
	case *zremsg.Shout:
		return fmt.Sprintf("%d %s", m.Sequence, e.content("shout "+m.Group, m.Content, func() ([][]byte, error) {
			return e.opens.Shout(m.Group, m.Content, nil)
		}))
	}
	return fmt.Sprintf("%d %v", wordOf(frames), id)
}

// wordOf returns the sequence number of a message.
func wordOf(frames [][]byte) uint16 {
	return uint16(frames[0][zremsg.SequenceOffset])<<8 | uint16(frames[0][zremsg.SequenceOffset+1])
}

// content returns content as text, opened if it is sealed.
func (e *ear) content(what string, content [][]byte, open func() ([][]byte, error)) string {
	if e.kind != sealed {
		return text(what, content)
	}
	first, _ := onceseal.Peek(content[0])
	content, err := open()
	switch {
	case err != nil:
		return what + ": " + err.Error()
	case len(content) > 0:
		return "sealed " + text(what, content)
	case first == onceseal.IDOpen:
		return "OPEN"
	}
	return "KEY"
}

func text(what string, content [][]byte) string {
	text := string(bytes.Join(content, []byte("|")))
	if len(text) > 100 {
		text = fmt.Sprintf("%d octets", len(text))
	}
	return what + " " + text
}

// greeted takes in what the speaker shows of itself.
func (e *ear) greeted(hello *zremsg.Hello) {
	id := e.Guard.ID
	badge, err := e.guard.Vet(id, nil, hello, &e.nonces, nil)
	if err != nil {
		e.Error(err)
		return
	}
	if e.knows == nil {
		core, peer := meet(e.TB, e.guard.ID, id, hello, badge)
		e.knows, e.from = core, New(peer, e.asks)
		return
	}
	e.from.Update(hear(e.TB, e.knows, id, hello, badge))
}

// told returns what has come over the latest path since the last call.
func (l *listener) told() []string {
	synctest.Wait()
	e := l.ear
	e.mu.Lock()
	defer e.mu.Unlock()
	defer func() { e.heard = nil }()
	return slices.Clone(e.heard)
}

// wants makes sure that this has come since the last call, and nothing else.
func (l *listener) wants(want ...string) {
	l.Helper()
	if got := l.told(); !slices.Equal(got, want) {
		l.Fatalf("%s is told\n%s\nwant\n%s", l.guard.Name(), strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// raw returns the messages that have come over the latest path.
func (l *listener) raw() [][][]byte {
	synctest.Wait()
	l.ear.mu.Lock()
	defer l.ear.mu.Unlock()
	return slices.Clone(l.ear.kept)
}

// fill says so much to a listener that does not read that there is no room for more.
func (l *listener) fill() {
	l.Helper()
	l.whispers(l, strings.Repeat("x", ballast))
	synctest.Wait()
	if _, err := l.path.TryReserve(1); !errors.Is(err, link.ErrWouldBlock) {
		l.Fatalf("the path is not full: %v", err)
	}
}

// patience is a context that does not last for long.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}
