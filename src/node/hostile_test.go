package node

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
)

// stranger is a connection to a node that says what a test wants it to.
type stranger struct {
	*link.Link
	l    *lan
	done chan error // why Serve ended
}

// stranger connects to a node with an identity.
func (l *lan) stranger(to *actor, identity []byte) *stranger {
	l.t.Helper()
	conn, err := l.memory.Host("10.0.0.66").Dial(l.t.Context(), to.Endpoint())
	if err != nil {
		l.t.Fatal(err)
	}
	k, err := link.Open(l.t.Context(), conn, link.Config{Type: zmtp.Dealer, Identity: identity, MaxMessage: 1 << 20})
	if err != nil {
		l.t.Fatal(err)
	}
	s := &stranger{k, l, make(chan error, 1)}
	go func() {
		s.done <- k.Serve(func(b *link.Batch) error { b.Release(); return nil })
	}()
	return s
}

func (s *stranger) close() {
	s.Close()
	<-s.done
}

// say sends octets as they are; a link that the node has closed takes none.
func (s *stranger) say(octets []byte) {
	if b, err := s.TryReserve(len(octets)); err == nil {
		copy(b, octets)
		s.Commit()
	}
}

// frame returns a message as it goes over the wire.
func frame(m zremsg.Message, content ...[]byte) []byte {
	b, err := m.AppendTo(zmtp.AppendHeader(nil, m.Size(), len(content) > 0))
	if err != nil {
		panic(err)
	}
	return appendFrames(b, content)
}

// resume is how a link begins that carries no channel yet.
func resume() []byte {
	m := &oncelink.Resume{Edge: channel.FirstWindow, Mac: make([]byte, 16)}
	b, err := m.AppendTo(zmtp.AppendHeader(nil, m.Size(), false))
	if err != nil {
		panic(err)
	}
	return b
}

// appendFrames appends the last frames of a message.
func appendFrames(b []byte, frames [][]byte) []byte {
	for i, f := range frames {
		b = append(zmtp.AppendHeader(b, len(f), i < len(frames)-1), f...)
	}
	return b
}

func routingID(id uuid.UUID) []byte { return append([]byte{1}, id[:]...) }

var mallory = uuid.MustParse("00000000-0000-4000-8000-000000000666")

// TestHostileWords says to a node what no peer should, and expects that it is
// counted, and that good peers notice nothing.
func TestHostileWords(t *testing.T) {
	hello := &zremsg.Hello{Sequence: 1, Endpoint: "tcp://10.0.0.66:9", Name: "mallory"}
	shout := &zremsg.Shout{Sequence: 2, Group: "room"}
	billions := func(at int) []byte { // of what is counted there
		b := frame(hello)
		copy(b[at:], "\xff\xff\xff\xff")
		return b
	}
	cases := []struct {
		name     string
		identity []byte
		words    []byte
		counted  string
	}{
		{"no identity", nil, nil, "connections without a peer's identity"},
		{"identity of another length", []byte("peer"), nil, "connections without a peer's identity"},
		{"words before the greeting", routingID(mallory), frame(&zremsg.Ping{}), "words before the greeting"},
		{"no ZRE", routingID(mallory), append(zmtp.AppendHeader(nil, 4, false), "abcd"...), "messages that are not ZRE"},
		{"an empty message", routingID(mallory), zmtp.AppendHeader(nil, 0, false), "messages that are not ZRE"},
		{"a greeting cut short", routingID(mallory), append(zmtp.AppendHeader(nil, 10, false), frame(hello)[2:12]...), "messages that are malformed"},
		{"four billion groups", routingID(mallory), billions(9 + len(hello.Endpoint)), "messages that are malformed"},
		{"four billion headers", routingID(mallory), billions(len(frame(hello)) - 4), "messages that are malformed"},
		{"no endpoint", routingID(mallory), frame(&zremsg.Hello{Sequence: 1, Endpoint: "ipc://x"}), "greetings without an endpoint"},
		{"at all addresses", routingID(mallory), frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://0.0.0.0:9"}), "greetings without an endpoint"},
		{"at all addresses of IPv6", routingID(mallory), frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://[::]:9"}), "greetings without an endpoint"},
		{"at a group of hosts", routingID(mallory), frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://224.0.0.1:9"}), "greetings without an endpoint"},
		{"at loopback, from elsewhere", routingID(mallory), frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://127.0.0.1:9"}), "greetings without an endpoint"},
		{"shout before the greeting", routingID(mallory), frame(shout, []byte("x")), "words before the greeting"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana, ben := l.node("ana"), l.node("ben")
				defer ana.Stop()
				defer ben.Stop()
				ana.wants("enter ben")
				ben.wants("enter ana")
				s := l.stranger(ana, c.identity)
				defer s.close()
				s.say(c.words)
				time.Sleep(time.Second)
				if got := ana.Counts()[c.counted]; got != 1 {
					t.Errorf("%q counted %d times; counts: %v", c.counted, got, ana.Counts())
				}
				ana.must(ben.Whisper(t.Context(), ana.UUID(), text("still here")))
				ana.wants(`whisper ben "still here"`)
			})
		})
	}
}

// raw is a peer made by hand: it greets, and accepts the node's connection.
func (l *lan) raw(to *actor, hello *zremsg.Hello) (*stranger, net.Listener) {
	l.t.Helper()
	listener, err := l.memory.Host("10.0.0.66").Listen(l.t.Context(), "tcp://*:*")
	if err != nil {
		l.t.Fatal(err)
	}
	hello.Endpoint = fmt.Sprint("tcp://", listener.Addr())
	s := l.stranger(to, routingID(mallory))
	s.say(frame(hello))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			k, err := link.Open(l.t.Context(), conn, link.Config{Type: zmtp.Router, MaxMessage: 1 << 20})
			if err == nil {
				_ = k.Serve(func(b *link.Batch) error { b.Release(); return nil })
				_ = k.Close()
			}
		}
	}()
	return s, listener
}

// TestOutOfStep gives a node wrong sequence and status numbers of a plain peer:
// nothing asserts, what is said counts, and a greeting brings all into step.
func TestOutOfStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		s, listener := l.raw(ana, &zremsg.Hello{Sequence: 1, Name: "mallory", Groups: []string{"b", "a", "b"}})
		defer s.close()
		defer listener.Close()
		ana.wants("enter mallory", "join mallory a", "join mallory b")
		s.say(frame(&zremsg.Join{Sequence: 700, Group: "c", Status: 99}))
		ana.wants("join mallory c")
		s.say(frame(&zremsg.Whisper{Sequence: 5, Content: text("x")}, []byte("x")))
		ana.wants(`whisper mallory "x"`)
		s.say(frame(&zremsg.Leave{Sequence: 6, Group: "never joined", Status: 100}))
		s.say(frame(&zremsg.Hello{Sequence: 1, Endpoint: fmt.Sprint("tcp://", listener.Addr()), Name: "mallory", Groups: []string{"a", "d"}}))
		ana.wants("leave mallory b", "leave mallory c", "join mallory d")
		s.say(frame(&zremsg.Goodbye{Sequence: 2}))
		ana.wants("exit mallory left")
		if counts := ana.Counts(); counts["sequence out of step"] < 2 || counts["status out of step"] < 1 {
			t.Errorf("counts: %v", counts)
		}
	})
}

// TestPlainPeerReconnects lets the connection of a plain peer break and come back
// without a greeting, as libzmq does: the peer stays, and is understood.
func TestPlainPeerReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		s, listener := l.raw(ana, &zremsg.Hello{Sequence: 1, Name: "mallory"})
		defer listener.Close()
		ana.wants("enter mallory")
		s.close()
		ana.idle(2 * time.Second)
		again := l.stranger(ana, routingID(mallory))
		defer again.close()
		again.say(frame(&zremsg.PingOK{Sequence: 2}))
		again.say(frame(&zremsg.Whisper{Sequence: 3, Content: text("x")}, []byte("x")))
		ana.wants(`whisper mallory "x"`)
		ana.idle(8 * time.Second)
		if got := ana.Counts()["words before the greeting"]; got != 0 {
			t.Errorf("%d words were not understood", got)
		}
	})
}

// TestStormOfGreetings greets a node a thousand times: it is one enter, and few
// greetings in return.
func TestStormOfGreetings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		hello := &zremsg.Hello{Sequence: 1, Name: "mallory", Headers: []wire.Pair{{Key: "X-ONCE-INCARNATION", Value: "7"}}}
		s, listener := l.raw(ana, hello)
		defer s.close()
		defer listener.Close()
		ana.wants("enter mallory")
		for range 1000 {
			s.say(frame(hello))
		}
		ana.idle(time.Second)
		hello.Headers[0].Value = "6"
		late := l.stranger(ana, routingID(mallory))
		defer late.close()
		late.say(frame(hello))
		ana.idle(time.Second)
		if got := ana.Counts()["stale greetings"]; got != 1 {
			t.Errorf("stale greetings counted %d times", got)
		}
		hello.Headers[0].Value, hello.Name = "8", strings.Repeat("m", 255)
		next := l.stranger(ana, routingID(mallory))
		defer next.close()
		next.say(frame(hello))
		ana.wants("exit mallory replaced", "enter "+hello.Name)
	})
}

// FuzzNode says anything at all to a live node that has a good peer.
func FuzzNode(f *testing.F) {
	f.Add(true, frame(&zremsg.Shout{Sequence: 2, Group: "room"}, []byte("x"), nil))
	f.Add(true, frame(&zremsg.Leave{Sequence: 9, Group: "room", Status: 200}))
	f.Add(false, frame(&zremsg.Hello{Sequence: 1, Endpoint: "tcp://10.0.0.66:1"}))
	f.Add(true, []byte("\x04\x05\x04PING\x00\x00"))
	f.Fuzz(func(t *testing.T, greets bool, octets []byte) {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.node("ana"), l.node("ben")
			defer ana.Stop()
			defer ben.Stop()
			ana.wants("enter ben")
			ben.wants("enter ana")
			s := l.stranger(ana, routingID(mallory))
			defer s.close()
			if greets {
				raw, listener := l.raw(ana, &zremsg.Hello{Sequence: 1, Name: "mallory"})
				defer raw.close()
				defer listener.Close()
				raw.say(octets)
			}
			s.say(octets)
			time.Sleep(time.Minute)
			ana.must(ben.Whisper(t.Context(), ana.UUID(), text("still here")))
			for ana.next(time.Minute) != `whisper ben "still here"` {
			}
		})
	})
}

// TestClaimsCostNothing claims the largest message there may be.
func TestClaimsCostNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		for range 10 {
			s := l.stranger(ana, routingID(mallory))
			claim := append([]byte{2}, binary.BigEndian.AppendUint64(nil, 4<<30)...)
			s.say(claim)
			<-s.done // the node has closed the connection
			s.Close()
		}
	})
}

// TestGreetingTooOften has a peer that is present greet as fast as it can: what that costs
// is bounded, as the connection ends. At the pace at which nodes greet it stands.
func TestGreetingTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		hello := &zremsg.Hello{Sequence: 1, Name: "mallory", Headers: []wire.Pair{{Key: "X-ONCE-INCARNATION", Value: "7"}}}
		s, listener := l.raw(ana, hello)
		defer s.close()
		defer listener.Close()
		ana.wants("enter mallory")
		for range 10 * maxGreetings {
			s.say(frame(hello))
			time.Sleep(time.Second)
		}
		if got := ana.Counts()["greetings too often"]; got > 0 {
			t.Errorf("counts: %v", ana.Counts())
		}
		for range maxGreetings + 1 {
			s.say(frame(hello))
		}
		s.done <- <-s.done // the node has closed the connection
		if got := ana.Counts()["greetings too often"]; got != 1 {
			t.Errorf("counts: %v", ana.Counts())
		}
	})
}
