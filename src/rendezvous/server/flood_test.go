package server

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
)

// TestSybils: however many ask for introductions to a victim, and circuits, it gets no more
// messages than they have sent; what is dialled back is who asks; and others are served.
func TestSybils(t *testing.T) {
	policy := open()
	policy.PerAddress = 8
	inScene(t, time.Millisecond, policy, func(s *scene) {
		victim, other := s.present("10.0.0.2", someone()), s.present("10.0.0.3", someone())
		victim.hold = make(chan struct{}) // it reads late
		sent, answered := 0, 0
		var sybils []*raw
		for n := range 40 {
			sybil := s.present(hostFor(n/4), someone())
			sybils = append(sybils, sybil)
			for range 40 {
				sybil.send(uint32(1000+sent), &oncemsg.Introduce{Peer: victim.own.UUID(), Meeting: make([]byte, 100)})
				sybil.send(uint32(2000+sent), &oncemsg.Circuit{Peer: victim.own.UUID(), Ahead: make([]byte, 4096)})
				sybil.send(uint32(3000+sent), &oncemsg.DialBack{Port: 4711})
				sent += 2
			}
			time.Sleep(100 * time.Millisecond)
		}
		if _, ok := other.ask(&oncemsg.Renew{}).(*oncemsg.OK); !ok {
			s.Error("another is not answered")
		}
		close(victim.hold)
		time.Sleep(time.Minute)
		got := 0
		for range len(victim.in) {
			switch (<-victim.in).m.(type) {
			case *oncemsg.Introduction, *oncemsg.Ticket:
				got++
			}
		}
		for _, sybil := range sybils {
			for range len(sybil.in) {
				if h := <-sybil.in; h.number != 0 {
					answered++
				}
			}
			sybil.close()
		}
		if got == 0 || got > sent {
			s.Errorf("for %d requests the victim gets %d messages", sent, got)
		}
		if answered < sent {
			s.Errorf("%d of %d requests are answered", answered, sent)
		}
		victim.close()
		other.close()
	})
}

// TestManyNetworks: whoever draws ever more identities and networks fills no more than its
// address may have, and leaves nothing behind.
func TestManyNetworks(t *testing.T) {
	policy := open()
	policy.PerAddress = 4
	inScene(t, time.Millisecond, policy, func(s *scene) {
		other := s.present("10.0.0.3", someone())
		for range 50 {
			r := s.present("10.0.0.2", someone())
			tag := r.keys.Whole()
			r.send(50, &oncemsg.Watch{Tags: tag[:]})
			for range 20 { // of nobody
				id := uuid.New()
				r.send(60, &oncemsg.GetEndpoints{Ids: id[:]})
			}
			r.send(0, &oncemsg.Stop{})
			if !r.ended() {
				s.Error("who has said goodbye stays")
			}
		}
		time.Sleep(2 * time.Minute / 4)
		if got := s.server.Status(); got.Peers > 1 || got.Connections > 1 || got.Watchers != 0 {
			s.Errorf("%+v", got)
		}
		if _, ok := other.ask(&oncemsg.Renew{}).(*oncemsg.OK); !ok {
			s.Error("another is not answered")
		}
		other.close()
	})
}
