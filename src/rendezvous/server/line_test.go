package server

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/zmtp"
)

// stalling is a connection that says so much, and then nothing more.
type stalling struct {
	net.Conn
	writes int
}

func (s *stalling) Write(b []byte) (int, error) {
	if s.writes--; s.writes < 0 {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

// stall has so many connections of a host begin the handshake and not go on with it. What it
// returns ends them.
func (s *scene) stall(host string, n int) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	own := someone()
	var work sync.WaitGroup
	for range n {
		work.Go(func() {
			conn := must(s.net.Host(host).Dial(ctx, fmt.Sprintf("tcp://%s:%d", hostOfServer, rendezvous.Port)))
			curve := &zmtp.Curve{Key: own.Transport(), Server: s.own.Transport().PublicKey()}
			l, err := link.Open(ctx, &stalling{conn, 2}, link.Config{Type: zmtp.Dealer, Handshake: time.Hour, Curve: curve})
			if err == nil {
				s.Error("a handshake ends well in which INITIATE was not said")
				l.Close()
			}
		})
	}
	time.Sleep(100 * time.Millisecond) // of virtual time
	return func() { cancel(); work.Wait() }
}

// counting counts how often a node dials.
type counting struct {
	link.Transport
	n *atomic.Int32
}

func (d counting) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	d.n.Add(1)
	return d.Transport.Dial(ctx, endpoint)
}

// TestLanes: those who have their turn and stall hold up no others than those in their lane;
// these wait for longer than a server may be silent that has not greeted, and come in without
// another attempt.
func TestLanes(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		end := s.stall("10.9.0.1", 100)
		defer end()
		var dialled atomic.Int32
		counted := func(c *client.Config) {
			c.Transport = counting{c.Transport, &dialled}
			c.Watched = func() []string { return nil }
		}
		behind := s.node("10.9.0.1", "behind", someone(), counted)
		nodes := []*node{behind}
		for n := range 64 {
			nodes = append(nodes, s.node(hostFor(n), "n", someone(), counted))
		}
		time.Sleep(time.Second)
		if got := s.server.Status().Peers; got < 32 {
			s.Errorf("%d of 64 at once", got)
		}
		if behind.State().Trouble == "" {
			s.Error("who comes after many that stall does not wait")
		}
		time.Sleep(20 * time.Second)
		if got := s.server.Status().Peers; got != len(nodes) || int(dialled.Load()) != len(nodes) {
			s.Errorf("%d of %d in the end, with %d attempts", got, len(nodes), dialled.Load())
		}
		leave(nodes...)
	})
}

// TestLateTurn: whose turn it is not in time is turned away, and comes back.
func TestLateTurn(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		end := s.stall("10.9.0.1", abreast*int(maxTurn/turnTime)+50)
		defer end()
		var dialled atomic.Int32
		late := s.node("10.9.0.1", "late", someone(), func(c *client.Config) { c.Transport = counting{c.Transport, &dialled} })
		time.Sleep(maxTurn - time.Second)
		if late.State().Trouble == "" || dialled.Load() != 1 {
			s.Errorf("%+v after %d attempts", late.State(), dialled.Load())
		}
		time.Sleep(time.Minute)
		if counts := s.server.Status().Counts; late.State().Trouble != "" || dialled.Load() != 2 || counts["connections turned away: not their turn in time"] < 10 {
			s.Errorf("%+v after %d attempts, %+v", late.State(), dialled.Load(), counts)
		}
		leave(late)
	})
}

// TestNoGreeting: at a host where nobody greets a node stays no longer than for an answer.
func TestNoGreeting(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		silent := must(s.net.Host("10.9.0.2").Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port)))
		defer silent.Close()
		n := s.node("10.0.0.2", "n", someone(), func(c *client.Config) {
			c.Address.Hosts = append([]string{fmt.Sprintf("10.9.0.2:%d", rendezvous.Port)}, c.Address.Hosts...)
		})
		time.Sleep(15 * time.Second)
		if trouble := n.State().Trouble; trouble != "" {
			s.Error(trouble)
		}
		leave(n)
	})
}
