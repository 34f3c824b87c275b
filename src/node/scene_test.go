package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// scene is good peers that know each other in a room, and eve outside, who listens, has
// an identity of her own, and says by hand what she likes.
type scene struct {
	*lan
	tap            wiretap
	ana, ben, cleo *actor
	eve            *guard.Guard
	home           string                        // where eve can be called back
	shown          atomic.Pointer[zmtp.Metadata] // by the latest who called there
	calls, told    atomic.Int32                  // connections made there, and messages
	shows          map[string][]byte             // what eve shows there, if not what she has
	poses          []byte                        // the identity that she shows there, if not hers
	mu             sync.Mutex
	heard          [][][]byte   // what eve was told there
	on             guard.Nonces // of the connection that eve greets over; zeros for one without
}

const outside = "10.0.0.66"

// challenge is what eve wants answered.
var challenge = guard.NewChallenge()

func newScene(t *testing.T, security api.NodeSecurity, prepare ...func(*Node)) *scene {
	s := &scene{lan: newLAN(t)}
	prepare = append([]func(*Node){with(security), in("room"), s.tap.on}, prepare...)
	s.ana, s.ben, s.cleo = s.node("ana", prepare...), s.node("ben", prepare...), s.node("cleo", prepare...)
	for _, a := range []*actor{s.ana, s.ben, s.cleo} {
		t.Cleanup(func() { _ = a.Stop() })
		for range 4 { // enter and join, of both others
			a.next(time.Minute)
		}
	}
	s.rest() // until one connection is left of those that two have made to each other
	who, err := identity.New()
	s.ana.must(err)
	s.eve = &guard.Guard{ID: who.UUID(), Identity: who, Secure: s.ana.guard.Secure}
	s.issue(1, time.Now())
	listener, err := s.memory.Host(outside).Listen(t.Context(), "tcp://*:*")
	s.ana.must(err)
	s.home = fmt.Sprint("tcp://", listener.Addr())
	s.answer(listener)
	return s
}

// answer takes calls for eve.
func (s *scene) answer(listener net.Listener) {
	go link.Accept(s.t.Context(), listener, 64, func(conn net.Conn, over func()) {
		s.calls.Add(1)
		go func() {
			defer over()
			if k, err := link.Open(s.t.Context(), conn, s.config(zmtp.Router, nil)); err == nil {
				_ = k.Serve(func(b *link.Batch) error {
					s.told.Add(int32(b.Len()))
					for i := range b.Len() {
						s.hears(b.Message(i))
					}
					b.Release()
					return nil
				})
			}
		}()
	}, func(err error) { s.t.Error(err) })
}

// hears keeps a message that eve is told.
func (s *scene) hears(frames [][]byte) {
	kept := make([][]byte, len(frames))
	for i, frame := range frames {
		kept[i] = bytes.Clone(frame)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, kept)
}

// of returns what eve was told of a kind, and forgets it.
func (s *scene) of(id zremsg.ID) (heard [][][]byte) {
	s.rest()
	s.mu.Lock()
	defer s.mu.Unlock()
	is := func(frames [][]byte) bool { got, err := zremsg.Peek(frames[0]); return err == nil && got == id }
	for _, frames := range s.heard {
		if is(frames) {
			heard = append(heard, frames)
		}
	}
	s.heard = slices.DeleteFunc(s.heard, is)
	return heard
}

// issue gives eve a card.
func (s *scene) issue(incarnation uint64, at time.Time) {
	_, err := s.eve.Identity.Issue(incarnation, at)
	s.ana.must(err)
}

// config is eve's, at either end of a connection; the server is whom she calls.
func (s *scene) config(kind string, server *actor) link.Config {
	c := link.Config{Type: kind, MaxMessage: 1 << 20}
	if kind == zmtp.Router {
		if c.Identity = s.poses; s.poses == nil {
			c.Identity = routingID(s.eve.Identity.UUID())
		}
	}
	if !s.ana.guard.Secure {
		if server == nil {
			c.Properties = s.shows
		}
		return c
	}
	if c.Properties = s.shows; server != nil || s.shows == nil {
		c.Properties = s.eve.Properties(false)
		delete(c.Properties, guard.PropertyNonce)
	}
	c.Curve = &zmtp.Curve{Key: s.eve.Identity.Transport(), Admit: func(_ [32]byte, _ net.Addr, m *zmtp.Metadata) error {
		s.shown.Store(m)
		return nil
	}}
	if server != nil {
		c.Curve.Server = server.guard.Identity.Transport().PublicKey()
	}
	return c
}

// confront lets eve say words to ana over a connection that shows an id, and returns
// all octets that ana says after the handshake, or in it if it fails, and why the
// connection ended. If ana does not end it in a minute, eve does.
func (s *scene) confront(id uuid.UUID, change func(*link.Config), words ...[]byte) (answer []byte, err error) {
	endpoint := parsed(s.ana.Endpoint()).Bare()
	conn, err := s.memory.Host(outside).Dial(s.t.Context(), endpoint)
	s.ana.must(err)
	c := new(wiretap).add(conn)
	config := s.config(zmtp.Dealer, s.ana)
	config.Identity = routingID(id)
	if change != nil {
		change(&config)
	}
	k, err := link.Open(s.t.Context(), c, config)
	if err != nil {
		return c.heard, err
	}
	shaken := len(c.heard)
	for _, w := range words {
		(&stranger{Link: k}).say(w)
	}
	defer time.AfterFunc(time.Minute, func() { k.Close() }).Stop()
	err = k.Serve(func(b *link.Batch) error { b.Release(); return nil })
	return c.heard[shaken:], err
}

// greeting is a HELLO of eve to ana before she signs it.
func (s *scene) greeting() *zremsg.Hello {
	incarnation := strconv.FormatUint(s.eve.Identity.Card().Incarnation, 10)
	return &zremsg.Hello{Endpoint: s.home, Name: "eve", Headers: []wire.Pair{{Key: zre.HeaderIncarnation, Value: incarnation}, {Key: zre.ReservedHeader + "CHANNEL", Value: "1"}}}
}

// signed completes a HELLO as a node does for the connection that eve greets over.
func (s *scene) signed(hello *zremsg.Hello) *zremsg.Hello {
	s.eve.Present(hello, s.ana.UUID(), &s.on, challenge, nil, false)
	return hello
}

// prove signs a HELLO that is complete but for that.
func (s *scene) prove(hello *zremsg.Hello) *zremsg.Hello {
	proof := guard.Prove(s.eve.Identity, hello, s.ana.UUID(), s.on.Far)
	hello.Headers = append(hello.Headers, wire.Pair{Key: guard.HeaderProof, Value: proof})
	return hello
}

// overheard is the HELLO of ben to another.
func (s *scene) overheard(to *actor) *zremsg.Hello {
	hello := new(zremsg.Hello)
	for _, frames := range s.tap.words(s.ben, to) {
		if greets(frames) {
			s.ana.must(hello.Decode(frames[0], nil))
			return hello
		}
	}
	s.t.Fatalf("ben has not greeted %s", to.Name())
	return nil
}

// greets says whether a message is a HELLO.
func greets(frames [][]byte) bool {
	id, err := zremsg.Peek(frames[0])
	return err == nil && id == zremsg.IDHello
}

// header returns the value of a header, to be changed.
func header(hello *zremsg.Hello, key string) *string {
	at := slices.IndexFunc(hello.Headers, func(p wire.Pair) bool { return p.Key == key })
	return &hello.Headers[at].Value
}

// without takes a header away.
func without(hello *zremsg.Hello, key string) *zremsg.Hello {
	hello.Headers = slices.DeleteFunc(hello.Headers, func(p wire.Pair) bool { return p.Key == key })
	return hello
}

// refused expects that ana has refused somebody for a reason, once, and that nobody
// good has noticed.
func (s *scene) refused(name string, want error) {
	s.t.Helper()
	got := s.ana.next(time.Minute)
	if !strings.HasPrefix(got, strings.TrimSpace("refused "+name)) || !strings.Contains(got, want.Error()) {
		s.t.Errorf("ana is told %q, want %v", got, want)
	}
	if counts := s.ana.Counts(); counts["nodes refused"] == 0 {
		s.t.Errorf("counts: %v", counts)
	}
	s.unharmed()
}

// unharmed expects that the good talk with each other, and hear nothing else.
func (s *scene) unharmed() {
	s.t.Helper()
	for _, to := range []*actor{s.ben, s.cleo} {
		s.ana.talk(to)
		to.talk(s.ana)
		s.ana.shouts("room", "all", 2)
		for _, a := range []*actor{s.ben, s.cleo} {
			a.wants(`shout ana room "all"`)
		}
	}
	for _, a := range []*actor{s.ana, s.ben, s.cleo} {
		a.idle(2 * time.Second)
	}
}

// reissued returns a card with changes that nobody has signed.
func reissued(s *scene, card string, change func(*oncecard.Card)) string {
	octets, err := identity.ParseBase64(card)
	var m oncecard.Card
	s.ana.must(errors.Join(err, m.Decode(octets, nil)))
	change(&m)
	octets, err = m.AppendTo(nil)
	s.ana.must(err)
	return identity.Base64(octets)
}

// parsed returns the endpoint that a text names, none if it names none.
func parsed(text string) sight.Endpoint {
	e, _ := sight.Parse(text)
	return e
}
