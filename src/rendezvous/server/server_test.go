package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/rendezvous/client"
)

// TestTwoMeet: each is told of the other, at once; they are introduced, and get a circuit.
func TestTwoMeet(t *testing.T) {
	const delay = 40 * time.Millisecond
	inScene(t, delay, open(), func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(time.Second)
		began := time.Now()
		ben := s.node("10.0.0.3", "ben", someone())
		for len(ana.Peers()) == 0 && time.Since(began) < time.Minute {
			time.Sleep(time.Millisecond)
		}
		if took := time.Since(began); took > 16*delay {
			s.Errorf("ana is told of ben after %v", took)
		}
		time.Sleep(time.Second)
		if a, b := ana.knows(), ben.knows(); !slices.Equal(a, []string{"ben"}) || !slices.Equal(b, []string{"ana"}) {
			s.Errorf("ana knows %v, ben %v", a, b)
		}
		if ana.told(ben) != 1 || ben.told(ana) != 1 || ana.told(ana) != 0 {
			s.Errorf("told %d, %d times", ana.told(ben), ben.told(ana))
		}
		p, err := ana.Look(s.Context(), ben.own.UUID())
		if err != nil || p.Inside.Groups[0] != "room" || len(p.Dialable(ana.State().Observed)) != 1 || p.Seen[0] != ben.State().Observed {
			s.Errorf("%+v, %v", p, err)
		}
		if err := ana.FetchKey(s.Context(), p.Card); err != nil || !bytes.Equal(p.Card.Sealing.Key(), ben.own.Card().Sealing.Key()) {
			s.Errorf("a key %x, %v", p.Card.Sealing.Key(), err)
		}

		began = time.Now()
		m, err := ana.Introduce(s.Context(), ben.own.UUID())
		if err != nil || m.Card.ID != ben.own.UUID() || len(m.Dial) != 1 || m.Dial[0].Bare() != "tcp://10.0.0.3:4711" || time.Since(began) > 4*delay+time.Millisecond {
			s.Fatalf("after %v: %+v, %v", time.Since(began), m, err)
		}
		if met := ben.meetings(); len(met) != 1 || met[0].ID != ana.own.UUID() {
			s.Errorf("who was asked to meet is told of %+v", met)
		}

		ahead := []byte("sealed")
		near, err := ana.Circuit(s.Context(), ben.own.UUID(), nil, ahead)
		if err != nil {
			s.Fatal(err)
		}
		time.Sleep(delay)
		far := ben.circuits()[0]
		if far.Peer != ana.own.UUID() || string(far.Ahead) != "sealed" || len(far.Passed) != 16 {
			s.Errorf("%+v", far)
		}
		one, err1 := near.Dial(s.Context())
		two, err2 := far.Dial(s.Context())
		if err := errors.Join(err1, err2); err != nil {
			s.Fatal(err)
		}
		go func() { _, _ = one.Write([]byte("hello")) }()
		if got := make([]byte, 5); must(io.ReadFull(two, got)) != 5 || string(got) != "hello" {
			s.Errorf("%q", got)
		}
		_ = one.Close()
		_ = two.Close()

		leave(ben)
		time.Sleep(time.Second)
		if got := ana.knows(); len(got) != 0 {
			s.Errorf("ben has gone, and ana knows %v", got)
		}
		leave(ana)
		if status := s.server.Status(); status.Peers != 0 || status.Watchers != 0 || status.Connections != 0 {
			s.Errorf("%+v", status)
		}
	})
}

// TestLease: a connection that is lost ends nothing; a lease that ends does.
func TestLease(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone())
		ben := s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Second)
		s.net.Cut("10.0.0.3")
		time.Sleep(20 * time.Second)
		if got := ana.knows(); len(got) != 1 || ana.told(ben) != 1 {
			s.Errorf("ben is back, and ana knows %v, and was told %d times", got, ana.told(ben))
		}
		s.net.Crash("10.0.0.3")
		time.Sleep(50 * time.Second)
		if got := ana.knows(); len(got) != 1 {
			s.Errorf("within the lease ana knows %v", got)
		}
		time.Sleep(60 * time.Second)
		if got := ana.knows(); len(got) != 0 {
			s.Errorf("after the lease ana knows %v", got)
		}
		s.net.Restore("10.0.0.3")
		time.Sleep(2 * time.Minute)
		if got := ana.knows(); len(got) != 1 {
			s.Errorf("ben is back, and ana knows %v", got)
		}
		// For hours nothing happens, and nobody is told of anything: cards are renewed quietly.
		told := ana.told(ben)
		for range 60 {
			time.Sleep(time.Minute)
			must(0, ben.own.Renew(time.Now()))
		}
		if now := ana.told(ben); now > told+2 || len(ana.knows()) != 1 {
			s.Errorf("in an hour ana is told %d times of ben", now-told)
		}
		leave(ana, ben)
	})
}

// TestChange: what is new of a node is told, with what it was before forgotten.
func TestChange(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone(), func(c *client.Config) { c.Watched = func() []string { return []string{"room"} } })
		ben := s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Second)
		if got := ana.knows(); len(got) != 1 {
			s.Fatalf("ana knows %v", got)
		}
		ben.mu.Lock()
		ben.what.Name = "benny"
		ben.mu.Unlock()
		ben.Renew()
		time.Sleep(time.Second)
		if got := ana.knows(); !slices.Equal(got, []string{"benny"}) {
			s.Errorf("ben has another name, and ana knows %v", got)
		}
		ben.mu.Lock()
		ben.what.Groups = nil
		ben.mu.Unlock()
		ben.Renew()
		time.Sleep(time.Second)
		if got := ana.knows(); len(got) != 0 {
			s.Errorf("ben has left the room, and ana knows %v", got)
		}
		leave(ana, ben)
	})
}

// TestRestart: a server that is killed and comes back knows nobody; nobody is lost to
// anybody, and all are back.
func TestRestart(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		var nodes []*node
		for i := range 20 {
			nodes = append(nodes, s.node(hostFor(i), "n", someone()))
		}
		time.Sleep(5 * time.Second)
		s.net.Crash(hostOfServer)
		s.server.Close()
		time.Sleep(30 * time.Second)
		s.net.Restore(hostOfServer)
		s.run()
		for range 90 {
			time.Sleep(time.Second)
			for _, n := range nodes {
				if got := len(n.knows()); got != len(nodes)-1 {
					s.Fatalf("one knows %d", got)
				}
			}
		}
		if got := s.server.Status().Peers; got != len(nodes) {
			s.Errorf("%d are back", got)
		}
		leave(nodes[0])
		time.Sleep(time.Second)
		if got := len(nodes[1].knows()); got != len(nodes)-2 {
			s.Errorf("one has gone, and others know %d", got)
		}
		// Of those who have gone while it was away only the lease tells.
		s.server.Close()
		leave(nodes[1])
		s.run()
		time.Sleep(4 * time.Minute)
		if got := len(nodes[2].knows()); got != len(nodes)-3 {
			s.Errorf("one has gone meanwhile, and others know %d", got)
		}
		leave(nodes[2:]...)
	})
}

// TestDrain: a server that ends tells when to come back.
func TestDrain(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		s.server.Drain(ctx, 20*time.Second, "")
		if took := time.Since(began); took > time.Second || s.server.Status().Connections != 0 {
			s.Errorf("it is drained after %v", took)
		}
		s.server.Close()
		s.run()
		time.Sleep(30 * time.Second)
		if ana.State().Trouble != "" {
			s.Errorf("ana is not back: %s", ana.State().Trouble)
		}
		leave(ana)
	})
}

// TestTwoConnections of one identity: both stay, and the newest gets what is for it.
func TestTwoConnections(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		own := someone()
		first := s.node("10.0.0.2", "ana", own)
		time.Sleep(time.Second)
		second := s.node("10.0.0.4", "ana", own)
		ben := s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Minute)
		if status := s.server.Status(); status.Connections != 3 || status.Peers != 2 {
			s.Errorf("%+v", status)
		}
		if _, err := ben.Introduce(s.Context(), own.UUID()); err != nil || len(second.meetings()) != 1 || len(first.meetings()) != 0 {
			s.Errorf("%v: %d, %d", err, len(first.meetings()), len(second.meetings()))
		}
		leave(second)
		time.Sleep(time.Second)
		if got := ben.knows(); len(got) != 1 {
			s.Errorf("one connection has ended, and ben knows %v", got)
		}
		if _, err := ben.Introduce(s.Context(), own.UUID()); err != nil || len(first.meetings()) != 1 {
			s.Errorf("%v: %d", err, len(first.meetings()))
		}
		leave(first, ben)
	})
}

// TestUnwilling: who would not meet, is not there, or does not answer.
func TestUnwilling(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana, ben := s.node("10.0.0.2", "ana", someone()), s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Second)
		ben.mu.Lock()
		ben.willing = false
		ben.mu.Unlock()
		reason := func(err error) serving.Reason {
			var refused *client.RefusedError
			if !errors.As(err, &refused) {
				s.Errorf("%v is no refusal", err)
				return 0
			}
			return refused.Reason
		}
		_, err := ana.Introduce(s.Context(), ben.own.UUID())
		if got := reason(err); got != serving.ReasonUnwilling {
			s.Errorf("%v: %v", got, err)
		}
		if _, err := ana.Introduce(s.Context(), someone().UUID()); !errors.Is(err, client.ErrUnknown) {
			s.Error(err)
		}
		s.net.Crash("10.0.0.3")
		_, err = ana.Introduce(s.Context(), ben.own.UUID())
		if got := reason(err); got != serving.ReasonUnanswered {
			s.Errorf("%v: %v", got, err)
		}
		leave(ana)
		s.net.Restore("10.0.0.3")
		leave(ben)
	})
}

// TestCloseIsQuick: whoever has connected and says nothing does not hold up the end.
func TestCloseIsQuick(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		conn := must(s.net.Host("10.0.0.2").Dial(s.Context(), "tcp://"+s.address().Hosts[0]))
		ana, _ := s.raw("10.0.0.3", someone())
		time.Sleep(time.Millisecond)
		began := time.Now()
		s.server.Close()
		if took := time.Since(began); took > time.Second || !ana.ended() {
			s.Errorf("it takes %v", took)
		}
		_ = conn.Close()
	})
}

// TestTwoFamilies: a node with two connections, as of IPv4 and IPv6, is seen at both
// addresses. Each publishes what it has, the latest counts, and neither is turned away.
func TestTwoFamilies(t *testing.T) {
	inScene(t, 10*time.Millisecond, open(), func(s *scene) {
		own, ben := someone(), s.node("10.0.0.9", "ben", someone())
		var mu sync.Mutex
		var seen []string
		observed := func(c *client.Config) {
			c.Observed = func(_ net.Addr, at string) { mu.Lock(); defer mu.Unlock(); seen = append(seen, at) }
		}
		four, six := s.node("10.0.0.2", "ana", own, observed), s.node("10.0.0.3", "ana", own)
		for n := range 5 {
			time.Sleep(time.Second)
			for _, c := range []*node{four, six} {
				c.mu.Lock()
				c.what.Groups = []string{"room", fmt.Sprint(n)}
				c.mu.Unlock()
				c.Renew()
			}
		}
		time.Sleep(time.Second)
		four.Renew() // with a record that is older than that of the other connection
		time.Sleep(time.Second)
		p, err := ben.Look(s.Context(), own.UUID())
		if err != nil || len(p.Seen) != 2 || !slices.Contains(p.Inside.Groups, "4") {
			s.Errorf("ben knows %+v, %v", p, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if four.State().Trouble != "" || six.State().Trouble != "" || len(seen) == 0 || !strings.HasPrefix(seen[0], "10.0.0.2:") {
			s.Errorf("%+v, %+v, seen at %v", four.State(), six.State(), seen)
		}
		if list := four.Challenges(); len(list) != 2 || bytes.Equal(list[0], list[1]) {
			s.Errorf("challenges %x", list)
		}
		if n := s.server.Status().Counts["nodes turned away: stale"]; n != 0 {
			s.Errorf("%d are turned away", n)
		}
		leave(four, six, ben)
	})
}
