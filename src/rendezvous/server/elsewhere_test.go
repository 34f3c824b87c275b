package server

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
)

// another starts a second server in a scene, and returns it and its address.
func (s *scene) another(host string) (*Server, rendezvous.Address) {
	own := must(identity.New())
	other := must(New(Config{Identity: own, Transport: s.net.Host(host), Log: s.log}, s.policy))
	other.Serve(must(s.net.Host(host).Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port))))
	return other, rendezvous.Address{Hosts: []string{fmt.Sprintf("%s:%d", host, rendezvous.Port)}, Key: [32]byte(own.Transport().PublicKey().Bytes())}
}

// TestElsewhere: those whose server ends are with the one that it names meanwhile, and back
// once it is there again.
func TestElsewhere(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		other, address := s.another("10.0.0.9")
		defer other.Close()
		ana, ben := s.node("10.0.0.2", "ana", someone()), s.node("10.0.0.3", "ben", someone())
		time.Sleep(time.Second)
		if err := s.server.Drain(s.Context(), time.Second, address.Public()); err != nil {
			s.Error(err)
		}
		s.server.Close()
		time.Sleep(10 * time.Second)
		if got := other.Status(); got.Peers != 2 || ana.State().Trouble != "" {
			s.Errorf("%d nodes are there meanwhile: %s", got.Peers, ana.State().Trouble)
		}
		if m, err := ana.Introduce(s.Context(), ben.own.UUID()); err != nil || m.ID != ben.own.UUID() {
			s.Errorf("they do not meet there: %v", err)
		}
		time.Sleep(5 * time.Minute) // their own server is away for long
		cid := s.node("10.0.0.4", "cid", someone())
		s.run()
		time.Sleep(4 * time.Minute)
		if there, here := other.Status().Peers, s.server.Status().Peers; there != 0 || here != 3 {
			s.Errorf("%d are still there, %d back", there, here)
		}
		if got := cid.knows(); !slices.Contains(got, "ana") || !slices.Contains(got, "ben") {
			s.Errorf("cid knows %v", got)
		}
		leave(ana, ben, cid)
	})
}

// TestElsewhereOnce: from where one was sent, one is sent no further.
func TestElsewhereOnce(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		second, to := s.another("10.0.0.9")
		third, further := s.another("10.0.0.10")
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(time.Second)
		must(0, s.server.Drain(s.Context(), 0, to.Public()))
		s.server.Close()
		time.Sleep(10 * time.Second)
		must(0, second.Drain(s.Context(), 0, further.Public()))
		second.Close()
		for range 300 {
			if time.Sleep(time.Second); third.Status().Connections > 0 {
				s.Fatal("she is there")
			}
		}
		third.Close()
		leave(ana)
	})
}

// TestElsewhereIsNoWeapon: whoever is sent to a victim again and again connects there no more
// often than a client that fails tries again; and nowhere if it is no address.
func TestElsewhereIsNoWeapon(t *testing.T) {
	victim := someone()
	sent := 0
	lie := func(s *scene, r *raw, h heard) {
		if _, ok := h.m.(*oncemsg.Watch); !ok {
			return
		}
		where := "once://nobody"
		if sent++; sent > 1 {
			where = rendezvous.Address{Hosts: []string{"10.0.0.9:80"}, Key: [32]byte(victim.Transport().PublicKey().Bytes())}.Public()
		}
		r.send(0, &oncemsg.Stop{Elsewhere: where, Text: "go away"})
	}
	beforeLiar(t, lie, func(s *scene) {
		hits := make(chan struct{}, 1000)
		ctx, cancel := context.WithCancel(s.Context())
		go link.Accept(ctx, must(s.net.Host("10.0.0.9").Listen(ctx, "tcp://*:80")), 10, func(conn net.Conn, over func()) {
			hits <- struct{}{}
			_ = conn.Close()
			over()
		}, func(error) {})
		ana := s.node("10.0.0.2", "ana", someone())
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := len(hits); n == 0 || n > 40 || sent < 2 {
			s.Errorf("sent away %d times, and %d times at the victim in ten minutes", sent, n)
		}
		if ana.counted("servers that send elsewhere, and not where one could go") != 1 {
			s.Error("what is no address is not counted")
		}
		leave(ana)
		cancel()
	})
}
