package node

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zmtp"
	"github.com/sjohnr/at-once/src/zre"
)

// pretender takes calls, and counts them, where it shows the id and the incarnation of
// whom it likes.
type pretender struct {
	id    uuid.UUID
	life  atomic.Uint64
	calls atomic.Int64
}

// pretends has a pretender take calls outside.
func (l *lan) pretends(p *pretender, then func(*link.Link)) (endpoint string) {
	l.t.Helper()
	listener, err := l.memory.Host(outside).Listen(l.t.Context(), "tcp://*:*")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = listener.Close() })
	go link.Accept(l.t.Context(), listener, 64, func(conn net.Conn, over func()) {
		p.calls.Add(1)
		config := link.Config{Type: zmtp.Router, MaxMessage: 1 << 20, Identity: routingID(p.id), Properties: map[string][]byte{
			guard.PropertyNonce:       guard.NewNonce(),
			guard.PropertyIncarnation: binary.BigEndian.AppendUint64(nil, p.life.Load()),
		}}
		go func() {
			defer over()
			if k, err := link.Open(l.t.Context(), conn, config); err == nil {
				then(k)
				_ = k.Serve(func(b *link.Batch) error { b.Release(); return nil })
				_ = k.Close()
			}
		}()
	}, func(err error) { l.t.Error(err) })
	return fmt.Sprint("tcp://", listener.Addr())
}

// TestForgedSighting says that a peer is elsewhere, where somebody shows its id, and breaks
// connections: the peer stays, and what is said to it arrives, whatever is said there.
func TestForgedSighting(t *testing.T) {
	for name, then := range map[string]func(*link.Link){
		"says nothing": func(*link.Link) {},
		"refuses":      func(k *link.Link) { k.Refuse("member") },
	} {
		t.Run(name, func(t *testing.T) {
			for range 8 { // the waits differ
				synctest.Test(t, func(t *testing.T) {
					l := newLAN(t)
					ana, ben := l.node("ana"), l.node("ben")
					defer ben.Stop()
					defer ana.Stop()
					ana.wants("enter ben")
					ben.wants("enter ana")
					p := &pretender{id: ben.UUID()}
					p.life.Store(ben.guard.Incarnation)
					endpoint := l.pretends(p, then)
					for range 20 {
						lookout{ana.loop}.sighted([]sight.Sighting{{ID: ben.UUID(), Endpoint: parsed(endpoint)}})
						l.memory.Cut(ben.host)
						time.Sleep(2 * time.Second)
					}
					for _, a := range []*actor{ana, ben} {
						for got := ""; !strings.Contains(got, "deadline"); got = a.next(time.Minute) {
							if strings.HasPrefix(got, "exit") || strings.HasPrefix(got, "refused") {
								t.Errorf("%s is told %q", a.Name(), got)
							}
						}
					}
					ana.talk(ben)
					ben.talk(ana)
				})
			}
		})
	}
}

// TestCaptured has our connection to a peer lead to another who shows its id: it is made
// anew as soon as the peer says that it lacks our greeting.
func TestCaptured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana, ben := l.node("ana"), l.node("ben")
		defer ben.Stop()
		defer ana.Stop()
		ana.wants("enter ben")
		ben.wants("enter ana")
		p := &pretender{id: ben.UUID()}
		p.life.Store(ben.guard.Incarnation)
		endpoint := l.pretends(p, func(*link.Link) {})
		l.hub.Cut(func(string, string) bool { return true })
		l.memory.Refuse(ben.host, true)
		lookout{ana.loop}.sighted([]sight.Sighting{{ID: ben.UUID(), Endpoint: parsed(endpoint)}})
		l.memory.Cut(ben.host)
		time.Sleep(3 * time.Second)
		l.memory.Refuse(ben.host, false)
		l.hub.Cut(func(string, string) bool { return false })
		time.Sleep(time.Minute)
		for ana.next(time.Second) != "context deadline exceeded" {
		}
		for ben.next(time.Second) != "context deadline exceeded" {
		}
		if p.calls.Load() == 0 {
			t.Error("the connection was not captured")
		}
		ana.talk(ben)
		ben.talk(ana)
	})
}

// TestShowsAnotherLife has a peer show one life where it is called, and greet in a later
// one, again and again, before it is present or after: it is not called again and again.
func TestShowsAnotherLife(t *testing.T) {
	for _, enters := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			defer l.rest() // the pretender sees the end
			ana := l.node("ana")
			defer ana.Stop()
			p := &pretender{id: mallory}
			p.life.Store(5)
			if enters {
				p.life.Store(7)
			}
			endpoint := l.pretends(p, func(*link.Link) {})
			hello := frame(&zremsg.Hello{Sequence: 1, Name: "mallory", Endpoint: endpoint, Headers: []wire.Pair{{Key: zre.HeaderIncarnation, Value: "7"}}})
			s := l.stranger(ana, routingID(mallory))
			s.say(hello)
			time.Sleep(6 * time.Second)
			if p.life.Store(5); enters {
				l.memory.Cut(ana.host)
				s.close()
				s = l.stranger(ana, routingID(mallory))
			}
			defer s.close()
			for range 20 {
				s.say(hello)
				time.Sleep(time.Second)
			}
			if calls := p.calls.Load(); calls == 0 || calls > 25 {
				t.Errorf("called %d times", calls)
			}
		})
	}
}
