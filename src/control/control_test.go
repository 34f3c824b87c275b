package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
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

// TestCallsCrossTheSocket makes each call, and compares what the node was asked for.
func TestCallsCrossTheSocket(t *testing.T) {
	s := newStage(t)
	c, _ := s.client()
	want := wire.Welcome{Speaks: wire.Version, Process: "1 on here", Program: "0", Node: uuid.UUID{9}, Name: "ana", Largest: 1 << 20}
	if *c.Welcome != want {
		t.Errorf("it is %+v, want %+v", c.Welcome, want)
	}
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	must(c.Join("room"))
	must(c.Join("hall"))
	must(c.Leave("hall"))
	if err := c.Join("full"); !errors.Is(err, api.ErrGroups) || !strings.Contains(err.Error(), "no room for the group") {
		t.Errorf("a group too many: %v", err)
	}
	if got := c.OwnGroups(); !slices.Equal(got, []string{"room"}) {
		t.Errorf("groups are %q", got)
	}
	must(c.Whisper(ctx, ben.UUID(), [][]byte{[]byte("psst"), nil, []byte("x")}))
	receivers, err := c.Shout(ctx, "room", [][]byte{[]byte("hey")})
	must(err)
	if receivers != 3 {
		t.Errorf("%d receivers, want 3", receivers)
	}
	must(c.RequirePeer(ben.UUID(), "tcp://10.0.0.3:1"))
	must(c.Flush(ctx))
	if values, err := c.Ask(ctx, "echo", []byte("what")); err != nil || !maps.Equal(values, map[string]string{"echo": "what"}) {
		t.Errorf("the answer is %q, %v", values, err)
	}
	if _, err := c.Ask(ctx, "weather", nil); err == nil || err.Error() != "no such subject" {
		t.Errorf("of what is not known: %v", err)
	}
	if err := c.Whisper(ctx, ben.UUID(), [][]byte{make([]byte, 1<<20+1)}); !errors.Is(err, api.ErrTooLarge) {
		t.Errorf("a message that is too large: %v", err)
	}
	c.Close()
	until(t, "quit", func() bool { return slices.Contains(s.did(), "quit") })
	did := []string{"join room", "join hall", "leave hall", "whisper psst", "shout room hey", "connect tcp://10.0.0.3:1", "quit"}
	if got := s.did(); !slices.Equal(got, did) {
		t.Errorf("it did %q, want %q", got, did)
	}
	if err := c.Flush(ctx); !errors.Is(err, api.ErrStopped) {
		t.Errorf("after the end: %v", err)
	}
}

// TestUndeliveredCrossesTheSocket has a node say who has missed what.
func TestUndeliveredCrossesTheSocket(t *testing.T) {
	s := newStage(t)
	missed := []channel.Missed{
		{UUID: uuid.UUID{1}, Name: "ben", Messages: 2, Octets: 30, Reason: "left"},
		{UUID: uuid.UUID{2}, Name: "cleo", Messages: 1, Octets: 9},
	}
	s.flush = func(ctx context.Context) error {
		<-ctx.Done()
		return &channel.UndeliveredError{Missed: missed, Cause: ctx.Err()}
	}
	c, _ := s.client()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	err := c.Flush(ctx)
	var undelivered *channel.UndeliveredError
	if !errors.As(err, &undelivered) || !slices.Equal(undelivered.Missed, missed) ||
		!errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, api.ErrUndelivered) {
		t.Errorf("flush failed with %v", err)
	}
	s.whisper = func(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() }
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.Whisper(ctx, uuid.UUID{1}, [][]byte{nil}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a whisper that waits too long failed with %v", err)
	}
	if err := c.Join("room"); err != nil {
		t.Errorf("after a call that was cancelled: %v", err)
	}
}

// TestEventsCrossTheSocket compares what the node tells with what arrives.
func TestEventsCrossTheSocket(t *testing.T) {
	s := newStage(t)
	_, q := s.client()
	until(t, "visited", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.told != nil })
	at := time.Unix(12, 34)
	other := zre.Stranger(uuid.UUID{5}, "eve", ben.At())
	sent := []events.Facts{
		{Type: api.EventTypeEnter, Peer: ben, At: at, Version: 1},
		{Type: api.EventTypeJoin, Peer: ben, Group: "room", At: at, Version: 2},
		{Type: api.EventTypeRefused, Why: api.EventWhyMember, Ours: true, Peer: other, Text: "it does not let this node in", At: at},
		{Type: api.EventTypeNetwork, Peer: new(zre.Peer), Text: "a cable", At: at},
		{Type: api.EventTypeSuspect, Peer: ben, At: at, Version: 3},
	}
	for _, facts := range sent {
		s.told.Post(facts)
	}
	for i, want := range sent {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		e, err := q.Recv(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type() != want.Type || e.Group() != want.Group || e.Reason() != want.Text || !e.Time().Equal(at) || e.Version() != want.Version || e.Why() != want.Why || e.Ours() != want.Ours {
			t.Errorf("event %d is %v %q %q %v %d", i, e.Type(), e.Group(), e.Reason(), e.Time(), e.Version())
		}
		same(t, e.Peer(), want.Peer)
	}
}

// same compares what can be asked of two peers.
func same(t *testing.T, got, want *zre.Peer) {
	t.Helper()
	describe := func(p *zre.Peer) []any {
		return []any{p.UUID(), p.Name(), p.Endpoint(), maps.Collect(maps.All(p.Headers())), len(p.Groups()), strings.Join(p.Groups(), ","),
			p.Suspect(), p.Incarnation(), p.Protection(), p.Identity(), strings.Join(p.Roles(), ",")}
	}
	if g, w := describe(got), describe(want); !reflect.DeepEqual(g, w) {
		t.Errorf("the peer is %v, want %v", g, w)
	}
}

// TestViewCrossesTheSocket looks at peers, of whom one leads, and a leader that is no peer.
func TestViewCrossesTheSocket(t *testing.T) {
	s := newStage(t)
	self := zre.Stranger(uuid.UUID{9}, "ana", ben.At())
	s.view = events.NewView(41, "tcp://10.0.0.1:1", []*zre.Peer{ben}, map[string]*zre.Peer{"room": ben, "hall": self, "attic": ben})
	c, _ := s.client()
	v, err := c.Look()
	if err != nil || v.Version() != 41 || v.Endpoint() != "tcp://10.0.0.1:1" || len(v.Peers()) != 1 || len(v.Leaders()) != 3 {
		t.Fatalf("the view is %+v, %v", v, err)
	}
	same(t, v.Peers()[0], ben)
	same(t, v.Leaders()["hall"], self)
	if v.Leaders()["room"] != v.Peers()[0] || v.Leaders()["attic"] != v.Peers()[0] {
		t.Error("a leader is not the peer that it is")
	}
}

// TestNodeThatEndsTellsTheRest has a node tell something and end: nothing is lost, and the
// calls that wait fail.
func TestNodeThatEndsTellsTheRest(t *testing.T) {
	s := newStage(t)
	waits := make(chan struct{})
	s.flush = func(ctx context.Context) error { close(waits); <-ctx.Done(); return ctx.Err() }
	c, q := s.client()
	_, err := c.Shout(t.Context(), "room", [][]byte{[]byte("hi")})
	if err = errors.Join(err, c.Join("room")); err != nil {
		t.Fatal(err)
	}
	flushed := make(chan error, 1)
	go func() { flushed <- c.Flush(t.Context()) }()
	<-waits
	for range 999 {
		s.told.Post(events.Facts{Type: api.EventTypeSuspect, Peer: ben})
	}
	changed := zre.Described(zre.Description{ID: ben.UUID(), Name: "ben", Headers: map[string]string{"mood": "blue"}})
	s.told.Post(events.Facts{Type: api.EventTypeChanged, Peer: changed})
	s.server.Close(patience)
	for i := range 1000 {
		if _, err := q.Recv(t.Context()); err != nil {
			t.Fatalf("after %d events: %v", i, err)
		}
	}
	if left := c.Legacy(); len(left.Peers) != 1 || left.Peers[0].UUID() != ben.UUID() || left.Peers[0].Header("mood") != "blue" || !slices.Equal(left.Groups, []string{"room"}) || left.Said != (channel.Amount{Messages: 3, Octets: 6}) {
		t.Errorf("what is left is %+v", left)
	}
	if err := <-flushed; !errors.Is(err, ErrGone) {
		t.Errorf("flush failed with %v", err)
	}
	<-c.done
	if _, err := os.Stat(filepath.Join(s.dir, socketName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if _, err := Connect(t.Context(), s.dir, q); !errors.Is(err, ErrAbsent) {
		t.Errorf("connecting then: %v", err)
	}
}

// TestSlowReaderIsToldWhatItMissed says more than a program reads that shares the node.
func TestSlowReaderIsToldWhatItMissed(t *testing.T) {
	s := newStage(t)
	r := s.raw().say(hello)
	if _, ok := r.next().(*wire.Welcome); !ok {
		t.Fatal("not welcome")
	}
	const messages, octets = 1000, 64 << 10 // four times what may wait
	source := contents(t, make([]byte, octets))
	for range messages {
		b := s.told.Batch(source)
		b.Add(events.Facts{Type: api.EventTypeWhisper, Peer: ben, Content: [][]byte{source.Message(0)[1]}})
		s.told.Offer(b) // which never waits
	}
	got, missed := 0, 0
	for got+missed < messages {
		e, ok := r.next().(*wire.Event)
		switch {
		case !ok: // a peer
		case api.EventType(e.Type) == api.EventTypeOverrun:
			var lost, size int
			if _, err := fmt.Sscanf(e.Text, "this program has not got %d messages, of %d octets", &lost, &size); err != nil || size != lost*octets {
				t.Fatalf("it is told %q: %v", e.Text, err)
			}
			missed += lost
		default:
			got++
		}
	}
	if got+missed != messages || missed == 0 || got == 0 {
		t.Errorf("%d of %d messages came, and %d are told as missed", got, messages, missed)
	}
}

// connectTo is what the other user does.
func connectTo(path string) int {
	conn, err := net.Dial("unix", path)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	os.Stdout.WriteString(err.Error())
	return 0
}

// TestLongPaths listens and connects where the path is too long for a socket.
func TestLongPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 200))
	t.Setenv("TMPDIR", t.TempDir())
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := newStageIn(t, dir)
	c, _ := s.client()
	if err := c.Join("room"); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "once*", "d"))
	if err != nil || len(left) > 0 {
		t.Errorf("shorter paths are left: %q, %v", left, err)
	}
}

// TestProcessThatDoesNotAnswer connects to one that listens, and says nothing: that is not
// as if nobody did.
func TestProcessThatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Connect(ctx, dir, events.New(1)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrAbsent) {
		t.Errorf("connecting: %v", err)
	}
	began := time.Now()
	if _, err := Connect(t.Context(), dir, events.New(1)); !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ErrAbsent) {
		t.Errorf("connecting: %v after %v", err, time.Since(began))
	}
}

// TestProcessThatEnds connects to one that ends while it is greeted: it is as if nobody
// listened any more, whenever that is.
func TestProcessThatEnds(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for i := 0; ; i++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if k, err := link.Open(t.Context(), conn, linkConfig(zmtp.Router, 1<<10)); err == nil {
				time.AfterFunc(time.Duration(i)*time.Microsecond/2, func() { _ = k.Close() })
			}
		}
	})
	for range 500 {
		if _, err := Connect(t.Context(), dir, events.New(1)); !errors.Is(err, ErrAbsent) && !errors.Is(err, api.ErrStopped) {
			t.Errorf("connecting: %v", err)
		}
	}
	_ = listener.Close()
	ended.Wait()
}

// TestStaleSocketIsReplaced listens where a process was killed that did.
func TestStaleSocketIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, socketName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	q := events.New(1)
	if _, err := Connect(t.Context(), dir, q); !errors.Is(err, ErrAbsent) {
		t.Errorf("connecting to nobody: %v", err)
	}
	c, _ := newStageIn(t, dir).client()
	if err := c.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestHostileWords says what is not in the protocol: each time the conversation ends, and
// the next one goes on as ever.
func TestHostileWords(t *testing.T) {
	s := newStage(t)
	block := make(chan struct{})
	defer close(block)
	s.flush = func(ctx context.Context) error {
		select {
		case <-ctx.Done():
		case <-block:
		}
		return nil
	}
	s.whisper = func(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() }
	s.answer = func(ctx context.Context, _ [][]byte) (*events.Event, error) { <-ctx.Done(); return nil, ctx.Err() }
	greeted := func() *raw {
		r := s.raw().say(hello)
		if m, ok := r.next().(*wire.Welcome); !ok || m.Name != "ana" {
			t.Fatalf("it is said %+v", m)
		}
		return r
	}
	tests := map[string]func(){
		"no HELLO":    func() { s.raw().say(&wire.Look{Number: 1}).ends() },
		"HELLO twice": func() { greeted().say(hello).ends() },
		"an answer":   func() { greeted().say(&wire.Done{Number: 1}).ends() },
		"an event":    func() { greeted().say(&wire.Event{Type: 1}).ends() },
		"a result":    func() { greeted().say(&wire.Result{Number: 1}).ends() },
		"one question": func() {
			greeted().say(&wire.Question{Number: 1, Content: [][]byte{{1}}}, &wire.Question{Number: 2, Content: [][]byte{{1}}}, &wire.Question{Number: 1, Content: [][]byte{{1}}}).ends()
		},
		"many questions": func() {
			r := greeted()
			for number := range uint32(wire.MaxQuestions + 1) {
				r.say(&wire.Question{Number: number, Content: [][]byte{{1}}})
				if number < wire.MaxQuestions {
					if m, ok := r.next().(*wire.Done); !ok {
						t.Fatalf("it is said %+v", m)
					}
				}
			}
			r.ends()
		},
		"one number": func() { greeted().say(&wire.Flush{Number: 1}, &wire.Flush{Number: 1}).ends() },
		"many calls": func() {
			r := greeted()
			for number := range uint32(wire.MaxCalls + 1) {
				r.say(&wire.Flush{Number: number})
			}
			r.ends()
		},
		"much content": func() {
			greeted().say(&wire.Whisper{Number: 1, Content: [][]byte{make([]byte, 1<<20)}}, &wire.Whisper{Number: 2, Content: [][]byte{{1}}}).ends()
		},
		"too large": func() { greeted().say(&wire.Whisper{Number: 1, Content: [][]byte{make([]byte, 20<<20)}}).ends() },
		"much before HELLO": func() {
			s.raw().say(&wire.Ask{Number: 1, Subject: "echo", Argument: make([]byte, 1<<20)}).ends()
		},
		"rubbish": func() {
			r := s.raw()
			b, err := r.link.Reserve(t.Context(), 6)
			if err != nil {
				t.Fatal(err)
			}
			copy(b, "\x00\x04ABCD")
			r.link.Commit()
			r.ends()
		},
		"no ZMTP": func() {
			conn := s.dial()
			defer conn.Close()
			if _, err := conn.Write(bytes.Repeat([]byte("GET / HTTP/1.1\r\n"), 9)); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			for {
				if _, err := conn.Read(make([]byte, 999)); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("the conversation goes on")
				} else if err != nil {
					return
				}
			}
		},
		"another version": func() {
			r := s.raw().say(&wire.Hello{Lowest: wire.Version + 1, Highest: wire.Version + 1})
			if m, ok := r.next().(*wire.Failed); !ok || !strings.Contains(m.Text, "use programs of one release") {
				t.Errorf("it is said %+v", m)
			}
			r.ends()
		},
	}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		t.Run(name, func(t *testing.T) { tests[name]() })
	}
	if c, _ := s.client(); c.Join("room") != nil {
		t.Error("the next one cannot join")
	}
}

// TestManyConnections makes more connections than there may be, which say nothing: when
// some have gone there is room again.
func TestManyConnections(t *testing.T) {
	s := newStage(t)
	var conns []interface{ Close() error }
	for range wire.MaxPrograms {
		conns = append(conns, s.dial())
	}
	until(t, "full", func() bool {
		q := events.New(1)
		c, err := Connect(t.Context(), s.dir, q)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, ErrAbsent)
	})
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	until(t, "room again", func() bool {
		c, err := Connect(t.Context(), s.dir, events.New(1))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// FuzzHear reads whatever frames, and says again what it has read.
func FuzzHear(f *testing.F) {
	list := []wire.Message{
		hello, &wire.Whisper{Number: 1}, &wire.Ask{Subject: "counts"}, peerMessage(ben), &wire.View{Number: 2, Knows: 3},
		&wire.Missed{Number: 1, Name: "ben"}, &wire.Answer{Values: nil}, &wire.Event{Type: 6, Group: "room", Text: "x"},
	}
	for _, m := range list {
		head, err := m.AppendTo(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(head, []byte("content"))
	}
	f.Fuzz(func(t *testing.T, head, rest []byte) {
		_, m, err := hear([][]byte{head, rest})
		if err != nil {
			if _, m, err = hear([][]byte{head}); err != nil {
				return
			}
		}
		again, err := m.AppendTo(nil)
		if err != nil || !bytes.Equal(again, head) {
			t.Errorf("%x is said again as %x, %v", head, again, err)
		}
		if p, ok := m.(*wire.Peer); ok {
			if peer, err := peerOf(p); err == nil && peer.UUID() != uuid.UUID(p.Peer) {
				t.Error("it is another peer")
			}
		}
		if e, ok := m.(*wire.Event); ok {
			_ = factsOf(e, ben)
		}
	})
}

// contents returns a batch of one message, which has come over a link.
func contents(t *testing.T, frame []byte) *link.Batch {
	t.Helper()
	host := link.NewMemory(nil).Host("10.0.0.1")
	listener, err := host.Listen(t.Context(), "tcp://10.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	here, err := host.Dial(t.Context(), "tcp://10.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	there, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan *link.Link)
	go func() {
		l, err := link.Open(t.Context(), there, link.Config{Type: zmtp.Router})
		if err != nil {
			t.Error(err)
		}
		opened <- l
	}()
	l, err := link.Open(t.Context(), here, link.Config{Type: zmtp.Dealer})
	if err != nil {
		t.Fatal(err)
	}
	far := <-opened
	defer far.Close()
	defer l.Close()
	if err := say(t.Context(), l, 0, &wire.Whisper{Content: [][]byte{frame}}); err != nil {
		t.Fatal(err)
	}
	var batch *link.Batch
	_ = far.Serve(func(b *link.Batch) error { // ends with the error of its deliver
		batch = b
		return io.EOF
	})
	t.Cleanup(batch.Release)
	return batch
}

// TestNothingOfAnEventIsLeftOut names what can be asked of an event and of a peer: whoever
// adds to that has it cross the socket as well, and a test compare it.
func TestNothingOfAnEventIsLeftOut(t *testing.T) {
	for of, want := range map[reflect.Type]string{
		reflect.TypeFor[*events.Event](): "Carries Group Keep Msg Ours Peer Protection Question Reason Status Time Type Version Why",
		reflect.TypeFor[*zre.Peer]():     "At Badge Endpoint Groups Header Headers Identity Incarnation Name Protection Roles Suspect UUID Way",
	} {
		var names []string
		for i := range of.NumMethod() {
			names = append(names, of.Method(i).Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("of %v can be asked %s, want %s", of, got, want)
		}
	}
}
