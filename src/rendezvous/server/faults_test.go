package server

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
	"github.com/sjohnr/at-once/src/zmtp"
)

// filtered is a listener whose connections pass through something.
type filtered struct {
	net.Listener
	through func(net.Conn) net.Conn
}

func (f filtered) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return f.through(conn), nil
}

// deafTo is a connection that is a leg of a circuit if it begins with a ticket. Of the leg
// that is named nothing that is written arrives, as where a relay forwards one way only.
type deafTo struct {
	net.Conn
	leg   byte
	mu    sync.Mutex
	first []byte
}

func (d *deafTo) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.first = append(d.first, b[:min(n, 3-min(3, len(d.first)))]...)
	return n, err
}

func (d *deafTo) Write(b []byte) (int, error) {
	d.mu.Lock()
	swallow := len(d.first) == 3 && d.first[0] == relay.Mark && d.first[2] == d.leg
	d.mu.Unlock()
	if swallow {
		return len(b), nil
	}
	return d.Conn.Write(b)
}

// circuit returns both ends of a circuit between two nodes.
func (s *scene) circuit(ana, ben *node) (near, far net.Conn) {
	s.Helper()
	before := len(ben.circuits())
	first := must(ana.Circuit(s.Context(), ben.own.UUID(), nil, nil))
	for len(ben.circuits()) == before {
		time.Sleep(10 * time.Millisecond)
	}
	return must(first.Dial(s.Context())), must(ben.circuits()[before].Dial(s.Context()))
}

// linked opens both ends of a connection as links of two nodes that ask for signs of life.
func linked(ctx context.Context, ana, ben *node, near, far net.Conn) (from, to *link.Link, err error) {
	opened := make(chan error)
	go func() {
		var err error
		to, err = link.Open(ctx, far, link.Config{Type: zmtp.Router, Heartbeat: time.Second, Curve: &zmtp.Curve{Key: ben.own.Transport(), Admit: anyone}})
		opened <- err
	}()
	key := must(ecdh.X25519().NewPublicKey(ben.own.Transport().PublicKey().Bytes()))
	from, err = link.Open(ctx, near, link.Config{Type: zmtp.Dealer, Heartbeat: time.Second, Curve: &zmtp.Curve{Key: ana.own.Transport(), Server: key}})
	return from, to, errors.Join(err, <-opened)
}

// TestOneWayRelay: where a relay forwards one way only no link opens, or the one that stood
// ends, and both sides know within seconds; through another relay they go on.
func TestOneWayRelay(t *testing.T) {
	for leg := range byte(2) {
		var deaf atomic.Bool
		inScene(t, time.Millisecond, open(), func(s *scene) {
			s.server.Close()
			s.server = must(New(Config{Identity: s.own, Transport: s.net.Host(hostOfServer), Log: s.log}, s.policy))
			l := must(s.net.Host(hostOfServer).Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port)))
			s.server.Serve(filtered{l, func(conn net.Conn) net.Conn {
				if deaf.Load() {
					return &deafTo{Conn: conn, leg: leg}
				}
				return conn
			}})
			ana, ben := s.node("10.0.0.2", "ana", someone()), s.node("10.0.0.3", "ben", someone())
			time.Sleep(10 * time.Second)
			deaf.Store(true)
			near, far := s.circuit(ana, ben)
			began := time.Now()
			if _, _, err := linked(s.Context(), ana, ben, near, far); err == nil {
				s.Error("a link opens through a relay that forwards one way")
			} else if took := time.Since(began); took > time.Minute {
				s.Errorf("they try for %v", took)
			}
			deaf.Store(false)
			near, far = s.circuit(ana, ben)
			from, to, err := linked(s.Context(), ana, ben, near, far)
			if err != nil {
				s.Fatalf("through a relay that forwards both ways: %v", err)
			}
			ends := make(chan error, 2)
			for _, l := range []*link.Link{from, to} {
				go func() { ends <- l.Serve(func(b *link.Batch) error { b.Release(); return nil }) }()
			}
			time.Sleep(time.Minute) // signs of life pass
			if len(ends) > 0 {
				s.Errorf("an idle link ends: %v", <-ends)
			}
			_ = from.Close()
			<-ends
			<-ends
			leave(ana, ben)
		})
	}
}

// TestRelayKilled: circuits end with their relay, on both sides, and there are others once it
// is back.
func TestRelayKilled(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana, ben := s.node("10.0.0.2", "ana", someone()), s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Second)
		near, far := s.circuit(ana, ben)
		pass := func(near, far net.Conn) {
			s.Helper()
			go func() { _, _ = near.Write([]byte("hello")) }()
			if got := make([]byte, 5); must(io.ReadFull(far, got)) != 5 || string(got) != "hello" {
				s.Errorf("%q", got)
			}
		}
		pass(near, far)
		s.server.Close()
		for _, end := range []net.Conn{near, far} {
			must(0, end.SetReadDeadline(time.Now().Add(time.Second)))
			if _, err := end.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("an end of a circuit without a relay: %v", err)
			}
			_ = end.Close()
		}
		if _, err := ana.Circuit(s.Context(), ben.own.UUID(), nil, nil); !errors.Is(err, client.ErrAway) {
			s.Errorf("a circuit of a server that is away: %v", err)
		}
		s.run()
		time.Sleep(2 * time.Minute)
		near, far = s.circuit(ana, ben)
		pass(near, far)
		_, _ = near.Close(), far.Close()
		leave(ana, ben)
	})
}

// TestClockOfServer: where the clocks of nodes and server are an hour apart, records and
// meetings are dated by the server's, and nodes know by how much theirs is off.
func TestClockOfServer(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, -time.Hour} {
		ben := someone()
		var published []*oncemsg.Publish
		var asked *oncemsg.Introduce
		lie := func(s *scene, r *raw, h heard) {
			switch m := h.m.(type) {
			case *oncemsg.Publish:
				published = append(published, m)
			case *oncemsg.Introduce:
				asked = m
				r.send(h.number, &oncemsg.Nope{Code: 1, Text: "not now"})
			}
			delta(r, h, 1, 1, entryAt(r.keys, ben, 1, time.Now().Add(ahead), nil, nil))
		}
		synctest.Test(t, func(t *testing.T) {
			s := &scene{T: t, net: link.NewMemory(nil), log: quiet(), own: someone(), clock: ahead}
			must(s.own.Issue(1, time.Now()))
			s.liar(s.own.Transport(), s.own, func(r *raw) {
				r.keys = rendezvous.KeysOf(secret, s.own.Card().Identity, nil)
				polite(r, func(h heard) { lie(s, r, h) })
			})
			own := someone()
			ana := s.node("10.0.0.2", "ana", own)
			time.Sleep(time.Second)
			synctest.Wait()
			if off := ana.State().Offset - ahead; off.Abs() > time.Second {
				s.Errorf("ana's clock is off by %v, and she takes it for %v", ahead, ana.State().Offset)
			}
			if len(ana.knows()) != 1 {
				s.Error("who is dated by the server's clock is not taken")
			}
			_, _ = ana.Introduce(s.Context(), ben.UUID())
			synctest.Wait()
			if len(published) != 1 || asked == nil {
				s.Fatalf("%d records, %v", len(published), asked)
			}
			k := rendezvous.KeysOf(secret, s.own.Card().Identity, nil)
			if _, err := rendezvous.ParseRecord(published[0].Record, published[0].Sealed, own.Card(), k.Number, time.Now().Add(ahead)); err != nil {
				s.Errorf("by the server's clock ana's record is %v", err)
			}
			m, _, err := k.OpenMeeting(ben, own.UUID(), asked.Meeting)
			if err != nil || time.UnixMilli(int64(m.Time)).Sub(time.Now().Add(ahead)).Abs() > time.Minute {
				s.Errorf("a meeting at %v, %v", m, err)
			}
			leave(ana)
			s.liarEnds()
		})
	}
}
