package interop

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/zeromq/goczmq"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/wire"
)

// zrePeer is a ZRE node made of libzmq's sockets, as Zyre is: it can say what gyre
// cannot. It hears on a ROUTER, and says all on a DEALER.
type zrePeer struct {
	t              *testing.T
	who            identity  // without keys it speaks NULL
	id             uuid.UUID // without zero octets, which goczmq cuts an identity at
	endpoint       string
	router, dealer czmqSock
	sent, heard    uint16
}

// newPeer returns a peer that is connected to us and has said nothing. It listens
// at an endpoint, or at one of its choice.
func newPeer(t *testing.T, to, endpoint string) *zrePeer {
	t.Helper()
	p := lonePeer(t, identity{}, endpoint)
	p.connect(to)
	return p
}

// lonePeer is newPeer for one that is not connected.
func lonePeer(t *testing.T, who identity, endpoint string) *zrePeer {
	t.Helper()
	p := &zrePeer{t: t, who: who, id: uuid.MustParse("a1a2a3a4-b1b2-41c2-81d2-e1e2e3e4e5e6")}
	p.router, p.dealer = newSock(t, goczmq.Router), newSock(t, goczmq.Dealer)
	if who.Cert != nil {
		p.router.SetZapDomain("global")
		p.router.SetCurveServer(1)
		who.Apply(p.router.Sock)
		who.Apply(p.dealer.Sock)
	}
	if p.endpoint = endpoint; endpoint == "" {
		p.endpoint = p.router.bind()
	} else {
		p.router.again("bind", func() error { _, err := p.router.Bind(endpoint); return err })
	}
	return p
}

// connect connects to us, whose endpoint has our key if we have one.
func (p *zrePeer) connect(to string) {
	p.t.Helper()
	to, key, secure := strings.Cut(to, "|")
	if secure {
		p.dealer.SetCurveServerkey(key)
	}
	p.dealer.SetIdentity("\x01" + string(p.id[:]))
	p.dealer.connect(to)
}

// greet says HELLO, as Zyre does.
func (p *zrePeer) greet(name string, groups ...string) {
	p.t.Helper()
	headers := []wire.Pair{{Key: "X-NAME", Value: name}}
	if p.who.Cert != nil {
		headers = append(headers, wire.Pair{Key: "X-PUBLICKEY", Value: p.who.PublicText()})
	}
	p.say(func(n uint16) zremsg.Message {
		return &zremsg.Hello{Sequence: n, Endpoint: p.endpoint, Groups: groups, Status: 1, Name: name, Headers: headers}
	})
}

// say sends the message that there is for the next sequence.
func (p *zrePeer) say(message func(sequence uint16) zremsg.Message, content ...[]byte) {
	p.t.Helper()
	p.sent++
	frame, err := message(p.sent).AppendTo(nil)
	must(p.t, err)
	p.dealer.send(append([][]byte{frame}, content...)...)
}

// hears returns the next message from us, after it has checked who sent it, and
// its number, which counts on from 1.
func (p *zrePeer) hears(from uuid.UUID) zremsg.Message {
	p.t.Helper()
	frames := p.router.receive()
	if want := append([]byte{1}, from[:]...); !bytes.Equal(frames[0], want) {
		p.t.Fatalf("our identity is %x, want %x", frames[0], want)
	}
	id, err := zremsg.Peek(frames[1])
	must(p.t, err)
	m := zremsg.New(id)
	must(p.t, m.Decode(frames[1], frames[2:]))
	if p.heard++; sequence(m) != p.heard {
		p.t.Errorf("%v has sequence %d, want %d", id, sequence(m), p.heard)
	}
	return m
}

// talk has the peer, which is in the group CHAT, and us whisper and shout frames of
// any number and size to each other.
func (p *zrePeer) talk(ours *ourNode) {
	p.t.Helper()
	for i, content := range shapes() {
		p.say(func(n uint16) zremsg.Message { return &zremsg.Whisper{Sequence: n} }, content...)
		if e := ours.sees("whisper zyre " + string(bytes.Join(content, []byte("|")))); !same(e.(*once.Whisper).Content, content) {
			p.t.Fatalf("whisper %d arrives changed", i)
		}
		p.say(func(n uint16) zremsg.Message { return &zremsg.Shout{Sequence: n, Group: "CHAT"} }, content...)
		if e := ours.sees("shout zyre CHAT " + string(bytes.Join(content, []byte("|")))); !same(e.(*once.Shout).Content, content) {
			p.t.Fatalf("shout %d arrives changed", i)
		}
		must(p.t, ours.Whisper(ours.ctx, p.id, content...))
		if w, ok := p.hears(ours.UUID()).(*zremsg.Whisper); !ok || !same(w.Content, content) {
			p.t.Fatalf("our whisper %d arrives changed", i)
		}
		if n, err := ours.Shout(ours.ctx, "CHAT", content...); n != 1 || err != nil {
			p.t.Fatalf("shout to %d, %v", n, err)
		}
		if s, ok := p.hears(ours.UUID()).(*zremsg.Shout); !ok || s.Group != "CHAT" || !same(s.Content, content) {
			p.t.Fatalf("our shout %d arrives changed", i)
		}
	}
}

// TestLibzmqPeer says all that there is to say with a peer on libzmq.
func TestLibzmqPeer(t *testing.T) {
	ours := startOurs(t, once.Config{Name: "ours", BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*", Groups: []string{"CHAT"}})
	p := newPeer(t, ours.Endpoint(), "")
	p.greet("zyre", "CHAT")
	hello, ok := p.hears(ours.UUID()).(*zremsg.Hello)
	if !ok || hello.Endpoint != ours.Endpoint() || fmt.Sprint(hello.Groups) != "[CHAT]" || hello.Name != "ours" {
		t.Fatalf("we say %+v", hello)
	}
	ours.sees("enter zyre zyre")
	ours.sees("join zyre CHAT")

	p.talk(ours)

	p.say(func(n uint16) zremsg.Message { return &zremsg.Ping{Sequence: n} })
	if m := p.hears(ours.UUID()); m.ID() != zremsg.IDPingOK {
		t.Errorf("we answer PING with %v", m.ID())
	}
	must(t, ours.Join("MORE"))
	if m, ok := p.hears(ours.UUID()).(*zremsg.Join); !ok || m.Group != "MORE" || m.Status != hello.Status+1 {
		t.Errorf("we say %+v, after status %d", m, hello.Status)
	}
	must(t, ours.Leave("CHAT"))
	if m, ok := p.hears(ours.UUID()).(*zremsg.Leave); !ok || m.Group != "CHAT" || m.Status != hello.Status+2 {
		t.Errorf("we say %+v, after status %d", m, hello.Status)
	}
	p.say(func(n uint16) zremsg.Message { return &zremsg.Leave{Sequence: n, Group: "CHAT", Status: 2} })
	ours.sees("leave zyre CHAT")
	p.say(func(n uint16) zremsg.Message { return &zremsg.Goodbye{Sequence: n} })
	if e := ours.sees("exit zyre"); e.(*once.Exit).Reason != once.Left {
		t.Errorf("it is gone because it %s", e.(*once.Exit).Reason)
	}
}

// TestLibzmqPeerRestarts closes a peer's sockets without a word, and comes back
// with the same UUID and others.
func TestLibzmqPeerRestarts(t *testing.T) {
	ours := startOurs(t, once.Config{Name: "ours", BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*"})
	for i := range 3 {
		p := newPeer(t, ours.Endpoint(), "")
		name := fmt.Sprintf("life %d", i)
		p.greet(name)
		if i > 0 {
			ours.sees(fmt.Sprintf("exit life %d", i-1))
		}
		ours.sees("enter " + name + " " + name)
		if m := p.hears(ours.UUID()); m.ID() != zremsg.IDHello {
			t.Errorf("we greet %s with %v", name, m.ID())
		}
		p.say(func(n uint16) zremsg.Message { return &zremsg.Whisper{Sequence: n} }, []byte(name))
		ours.sees("whisper " + name + " " + name)
		p.dealer.Destroy()
		p.router.Destroy()
	}
}

// TestLibzmqPeerComesBack closes a peer's sockets, and opens others at the same
// endpoint: the peer is the same to us, and we greet it anew.
func TestLibzmqPeerComesBack(t *testing.T) {
	ours := startOurs(t, once.Config{Name: "ours", BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*"})
	endpoint := ""
	for i := range 3 {
		p := newPeer(t, ours.Endpoint(), endpoint)
		endpoint = p.endpoint
		p.greet("zyre")
		if i == 0 {
			ours.sees("enter zyre zyre")
		}
		if m := p.hears(ours.UUID()); m.ID() != zremsg.IDHello {
			t.Errorf("we greet it with %v", m.ID())
		}
		text := []byte{'0' + byte(i)}
		p.say(func(n uint16) zremsg.Message { return &zremsg.Whisper{Sequence: n} }, text)
		ours.sees("whisper zyre " + string(text))
		must(t, ours.Whisper(ours.ctx, p.id, text))
		if w, ok := p.hears(ours.UUID()).(*zremsg.Whisper); !ok || !same(w.Content, [][]byte{text}) {
			t.Errorf("it hears %+v", w)
		}
		p.dealer.Destroy()
		p.router.Destroy()
	}
}
