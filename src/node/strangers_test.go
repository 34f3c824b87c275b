package node

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
)

// largest is a HELLO that is at all of its limits, with so many groups.
func largest(endpoint string, groups int) *zremsg.Hello {
	hello := &zremsg.Hello{Sequence: 1, Endpoint: endpoint, Name: strings.Repeat("n", zremsg.MaxHelloName)}
	for i := range groups {
		hello.Groups = append(hello.Groups, fmt.Sprintf("%0*d", zremsg.MaxHelloGroupsOctets/groups, i))
	}
	for i := range zremsg.MaxHelloHeaders {
		hello.Headers = append(hello.Headers, wire.Pair{Key: fmt.Sprintf("%03d", i), Value: strings.Repeat("v", zremsg.MaxHelloHeadersOctets/zremsg.MaxHelloHeaders-3)})
	}
	return hello
}

// settled returns the memory in use when what pools keep has gone too.
func settled() int { heap(); return heap() }

// TestStrangersHoldLittle has ten strangers say as much as they can before the node
// knows them, in several ways.
func TestStrangersHoldLittle(t *testing.T) {
	const strangers, most = 10, 8 << 20
	silent, err := net.Listen("tcp", "127.0.0.1:0") // where the node calls back, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	home := fmt.Sprint("tcp://", silent.Addr())
	hello := frame(largest(home, zremsg.MaxHelloGroups))
	empty := zmtp.AppendHeader(nil, 0, false)
	for _, c := range []struct {
		name  string
		words []byte
	}{
		{"the largest message", append(zmtp.AppendHeader(nil, 64<<20, false), make([]byte, 64<<20-1)...)},
		{"a greeting that does not end", hello[:len(hello)-1]},
		{"a greeting, and empty messages", slices.Concat(hello, slices.Repeat(empty, 1<<20))},
		{"empty messages in large pieces", slices.Concat(frame(&zremsg.Hello{Name: strings.Repeat("n", 9)}), slices.Repeat(empty, 1<<20))},
		{"frames without number", slices.Concat(slices.Repeat(zmtp.AppendHeader(nil, 0, true), 60_000))},
	} {
		t.Run(c.name, func(t *testing.T) {
			ana, ben := friends(t)
			before := settled()
			for range strangers {
				conn, err := net.Dial("tcp", strings.TrimPrefix(ana.Endpoint(), "tcp://"))
				ana.must(err)
				defer conn.Close()
				h := zmtp.NewHandshake(zmtp.Metadata{Type: zmtp.Dealer, Identity: routingID(uuid.New())})
				_, err = h.Run(conn)
				ana.must(err)
				ana.must(conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)))
				if n, err := conn.Write(c.words); err != nil && n == len(c.words) {
					t.Fatal(err)
				}
			}
			until(t, "all is read that is to be", func() bool { return ana.strangersWait() })
			took := settled() - before
			t.Logf("%d strangers hold %d KiB", strangers, took>>10)
			if took > most {
				t.Errorf("%d strangers hold %d octets", strangers, took)
			}
			ben.talk(ana)
		})
	}
}

// strangersWait tells whether no connection brings more for a while.
func (a *actor) strangersWait() bool {
	latest := func() (at time.Time) {
		a.loop.do(func() {
			for _, r := range a.loop.theirs {
				if heard := r.link.Heard(); heard.After(at) {
					at = heard
				}
			}
		})
		return at
	}
	before := latest()
	time.Sleep(50 * time.Millisecond)
	return latest().Equal(before)
}

// TestGreetingOverTheLimit has a stranger claim more than a greeting may have, and the far
// side of a connection that the node makes say anything as large: both connections end,
// and it is counted.
func TestGreetingOverTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		claim := zmtp.AppendHeader(nil, zremsg.MaxHello+1, false)
		s := l.stranger(ana, routingID(mallory))
		defer s.close()
		s.say(claim)
		s.done <- <-s.done
		if got := ana.Counts()["greetings over the limit"]; got != 1 {
			t.Errorf("counts: %v", ana.Counts())
		}
		listener, err := l.memory.Host(outside).Listen(t.Context(), "tcp://*:*")
		ana.must(err)
		defer listener.Close()
		ana.must(ana.RequirePeer(uuid.New(), fmt.Sprint("tcp://", listener.Addr())))
		conn, err := listener.Accept()
		ana.must(err)
		k, err := link.Open(t.Context(), conn, link.Config{Type: zmtp.Router})
		ana.must(err)
		defer k.Close()
		against := &stranger{Link: k}
		against.say(claim)
		if err := k.Serve(func(b *link.Batch) error { b.Release(); return nil }); err == nil {
			t.Error("the connection has not ended")
		}
		l.rest()
		if got := ana.Counts()["messages against the stream"]; got != 1 {
			t.Errorf("counts: %v", ana.Counts())
		}
	})
}

// TestPlainPeerResumes lets a plain peer go on over another connection, as libzmq does,
// with a message that is larger than a greeting. Of connections that claim to be its,
// one at a time may.
func TestPlainPeerResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana")
		defer ana.Stop()
		first, listener := l.raw(ana, &zremsg.Hello{Sequence: 1, Name: "mallory"})
		defer listener.Close()
		ana.wants("enter mallory")
		first.close()
		idle := l.stranger(ana, routingID(mallory))
		l.rest()
		again := l.stranger(ana, routingID(mallory))
		defer again.close()
		if err := <-idle.done; err == nil {
			t.Error("two connections may go on")
		}
		large := make([]byte, 2*zremsg.MaxHello)
		again.say(frame(&zremsg.Whisper{Sequence: 3}, []byte("head"), large))
		e, err := ana.Recv(t.Context())
		ana.must(err)
		if e.Type() != api.EventTypeWhisper || len(e.Msg()) != 2 || len(e.Msg()[1]) != len(large) {
			t.Errorf("got %s of %d frames", e.Type(), len(e.Msg()))
		}
	})
}
