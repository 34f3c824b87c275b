package control

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/generated/go/api"
	wire "github.com/sjohnr/at-once/generated/go/oncecontrol"
	"github.com/sjohnr/at-once/src/events"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("CONNECT_TO"); path != "" {
		os.Exit(connectTo(path))
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

var ben = zre.Described(zre.Description{
	ID: uuid.UUID{1}, Name: "ben", Endpoint: sight.At("10.0.0.2", 5671), Headers: map[string]string{"a": "b"},
	Groups: []string{"room"}, Incarnation: 7, Suspect: true, Badge: new(zre.Badge),
})

// fakeHost is a node that says what a test wants.
type fakeHost struct {
	t    testing.TB
	mu   sync.Mutex
	told *events.Queue
	here []string // what visitors did, in order
	view *events.View

	whisper func(ctx context.Context, content [][]byte) error
	flush   func(ctx context.Context) error
	answer  func(ctx context.Context, content [][]byte) (*events.Event, error)
	visit   error
}

func (h *fakeHost) note(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.here = append(h.here, what)
}

func (h *fakeHost) did() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.here...)
}

func (h *fakeHost) About() *wire.Welcome {
	return &wire.Welcome{Process: "1 on here", Program: "0", Node: uuid.UUID{9}, Name: "ana", Largest: 1 << 20}
}
func (h *fakeHost) Look() (*events.View, error) { return h.view, nil }
func (h *fakeHost) Ask(_ context.Context, subject string, argument []byte) (map[string]string, error) {
	if subject != "echo" {
		return nil, errors.New("no such subject")
	}
	return map[string]string{"echo": string(argument)}, nil
}

func (h *fakeHost) Visit(told *events.Queue) (Visitor, error) {
	h.mu.Lock()
	h.told = told
	h.mu.Unlock()
	return fakeVisitor{h}, h.visit
}

type fakeVisitor struct{ *fakeHost }

func (v fakeVisitor) Whisper(ctx context.Context, _ uuid.UUID, content [][]byte) error {
	if v.whisper != nil {
		return v.whisper(ctx, content)
	}
	v.note("whisper " + string(content[0]))
	return nil
}
func (v fakeVisitor) Shout(_ context.Context, group string, content [][]byte) (uint32, error) {
	v.note("shout " + group + " " + string(content[0]))
	return 3, nil
}
func (v fakeVisitor) Question(_ context.Context, _ uuid.UUID, content [][]byte) (func(context.Context) (*events.Event, error), error) {
	if v.answer == nil {
		return nil, api.ErrNoQuestions
	}
	question := events.Kept(events.Facts{Content: content}).Msg()
	return func(ctx context.Context) (*events.Event, error) { return v.answer(ctx, question) }, nil
}
func (v fakeVisitor) Reply(_ context.Context, question uint64, status uint32, content [][]byte) error {
	if question == 0 {
		return api.ErrAnswered
	}
	v.note(fmt.Sprintf("reply %d %d %s", question, status, content[0]))
	return nil
}
func (v fakeVisitor) Flush(ctx context.Context) error {
	if v.flush != nil {
		return v.flush(ctx)
	}
	return nil
}
func (v fakeVisitor) Join(group string) error {
	if group == "full" {
		return api.ErrGroups
	}
	v.note("join " + group)
	return nil
}
func (v fakeVisitor) Leave(group string) error { v.note("leave " + group); return nil }
func (v fakeVisitor) RequirePeer(_ uuid.UUID, endpoint string) error {
	v.note("connect " + endpoint)
	return nil
}
func (v fakeVisitor) Quit() { v.note("quit") }

// stage is a server in a directory of its own.
type stage struct {
	*fakeHost
	t      *testing.T
	dir    string
	server *Server
	counts sync.Map
}

func newStage(t *testing.T) *stage {
	return newStageIn(t, t.TempDir())
}

func newStageIn(t *testing.T, dir string) *stage {
	t.Helper()
	s := &stage{fakeHost: &fakeHost{t: t, view: new(events.View)}, t: t, dir: dir}
	count := func(name string) {
		n, _ := s.counts.LoadOrStore(name, new(int))
		s.mu.Lock()
		*n.(*int)++
		s.mu.Unlock()
	}
	listener, err := Listen(dir, count)
	if err != nil {
		t.Fatal(err)
	}
	s.server = Serve(listener, s.fakeHost, slog.New(slog.DiscardHandler), count)
	t.Cleanup(func() { s.server.Close(time.Second) })
	return s
}

func (s *stage) counted(name string) int {
	n, _ := s.counts.LoadOrStore(name, new(int))
	s.mu.Lock()
	defer s.mu.Unlock()
	return *n.(*int)
}

// client returns a program that shares the node.
func (s *stage) client() (*Client, *events.Queue) {
	s.t.Helper()
	q := events.New(64)
	q.Limit(1 << 20)
	c, err := Connect(s.t.Context(), s.dir, q)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c, q
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in %v, not %s", patience, what)
		}
	}
}

// dial connects to the socket.
func (s *stage) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(s.dir, socketName))
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// raw is a program that says what a test wants it to.
type raw struct {
	t    *testing.T
	link *link.Link
	hear chan wire.Message
	end  chan struct{}
}

func (s *stage) raw() *raw {
	s.t.Helper()
	l, err := link.Open(s.t.Context(), s.dial(), link.Config{Type: zmtp.Dealer, MaxMessage: 64 << 20, MaxFrames: 1 << 17, Outbox: 64 << 20})
	if err != nil {
		s.t.Fatal(err)
	}
	r := &raw{s.t, l, make(chan wire.Message, 64), make(chan struct{})}
	go func() {
		defer close(r.end)
		_ = l.Serve(func(b *link.Batch) error {
			defer b.Release()
			for i := range b.Len() {
				_, m, err := hear(b.Message(i))
				if err != nil {
					return err
				}
				r.hear <- m
			}
			return nil
		})
	}()
	s.t.Cleanup(func() {
		_ = l.Close()
		<-r.end
	})
	return r
}

func (r *raw) say(messages ...wire.Message) *raw {
	r.t.Helper()
	for _, m := range messages {
		if err := say(r.t.Context(), r.link, numberOf(r.t, m), m); err != nil {
			r.t.Fatal(err)
		}
	}
	return r
}

// ends wants the node to end the conversation.
func (r *raw) ends() {
	r.t.Helper()
	select {
	case <-r.end:
	case <-time.After(patience):
		r.t.Fatal("the conversation goes on")
	}
}

func (r *raw) next() wire.Message {
	r.t.Helper()
	select {
	case m := <-r.hear:
		return m
	case <-time.After(patience):
		r.t.Fatal("nothing is said")
	}
	return nil
}

// numberOf returns the number of the call that a message is about.
func numberOf(t testing.TB, m wire.Message) uint32 {
	head, err := m.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint32(head[wire.NumberOffset:])
}

var hello = &wire.Hello{Lowest: wire.Version, Highest: wire.Version}
