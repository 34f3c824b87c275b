package server

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/oncerecord"
	serving "github.com/sjohnr/at-once/generated/go/rendezvousserver"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
	"github.com/sjohnr/at-once/src/rendezvous/relay"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestProofs: nobody comes in as another, with the proof of another connection, or into a
// network whose part it does not know.
func TestProofs(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		_, old := s.raw("10.0.0.9", someone())
		for what, spoil := range map[string]func(r *raw, m *oncemsg.Authenticate){
			"another's card": func(r *raw, m *oncemsg.Authenticate) {
				o := someone()
				must(o.Issue(7, time.Now()))
				m.Card = o.Card().Octets()
			},
			"no card":            func(r *raw, m *oncemsg.Authenticate) { m.Card = nil },
			"an old proof":       func(r *raw, m *oncemsg.Authenticate) { m.Proof = r.proof(old).Proof },
			"another network":    func(r *raw, m *oncemsg.Authenticate) { m.Part = make([]byte, 32) },
			"a proof of zeros":   func(r *raw, m *oncemsg.Authenticate) { m.Proof = make([]byte, 64) },
			"a part of 31":       func(r *raw, m *oncemsg.Authenticate) { m.Part = m.Part[1:] },
			"another version":    func(r *raw, m *oncemsg.Authenticate) { m.Speaks = 2 },
			"members of a lobby": func(r *raw, m *oncemsg.Authenticate) { m.Part, m.Members = nil, make([]byte, 32) },
		} {
			r, challenge := s.raw("10.0.0.2", someone())
			m := r.proof(challenge)
			spoil(r, m)
			if nope, ok := r.ask(m).(*oncemsg.Nope); !ok || nope.Code == 0 {
				s.Errorf("%s: let in", what)
			}
			if !r.ended() {
				s.Errorf("%s: the connection stays", what)
			}
		}
		if got := s.server.Status(); got.Peers != 0 {
			s.Errorf("%+v", got)
		}
	})
}

// TestOutOfTurn: nothing is answered before it is known who asks, nor what only a server says.
func TestOutOfTurn(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		for id := oncemsg.ID(1); oncemsg.New(id) != nil; id++ {
			m := oncemsg.New(id)
			if id == oncemsg.IDAuthenticate || fixed(m) != nil {
				continue
			}
			r, _ := s.raw("10.0.0.2", someone())
			r.send(1, m)
			if h, open := <-r.in; open || !r.ended() {
				s.Errorf("%v before AUTHENTICATE is answered with %T", id, h.m)
			}
		}
		r := s.present("10.0.0.2", someone())
		r.refused(serving.ReasonUnsupported, r.ask(&oncemsg.RemoteShout{}))
		for _, m := range []oncemsg.Message{&oncemsg.OK{}, &oncemsg.ListPeers{}, &oncemsg.Delta{}, &oncemsg.Key{}} {
			r := s.present("10.0.0.2", someone())
			if r.send(1, m); !r.ended() {
				s.Errorf("%T by a node is taken", m)
			}
		}
		lurker, challenge := s.raw("10.0.0.3", someone())
		lurker.ask(lurker.proof(challenge))
		tag := lurker.keys.Whole()
		for _, m := range []oncemsg.Message{&oncemsg.Watch{Tags: tag[:]}, &oncemsg.Introduce{Peer: r.own.UUID()}, &oncemsg.Circuit{Peer: r.own.UUID()}, &oncemsg.DialBack{Port: 1}, &oncemsg.Renew{}} {
			lurker.refused(serving.ReasonTurn, lurker.ask(m))
		}
		time.Sleep(3 * time.Minute) // who is silent is hung up
		if !lurker.ended() {
			s.Error("who says nothing stays")
		}
	})
}

// fixed returns an error for messages that cannot be written empty.
func fixed(m oncemsg.Message) error { _, err := m.AppendTo(nil); return err }

// TestJunk: whatever octets come, the server goes on.
func TestJunk(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		rng := rand.New(rand.NewPCG(1, 2))
		good := must((&oncemsg.Introduce{Peer: uuid.New(), Meeting: make([]byte, 40)}).AppendTo(nil))
		for range 60 {
			r := s.present("10.0.0.2", someone())
			frame := bytes.Clone(good[:1+rng.IntN(len(good))])
			for range 1 + rng.IntN(3) {
				frame[rng.IntN(len(frame))] ^= byte(1 + rng.IntN(255))
			}
			b := append(zmtp.AppendHeader(nil, len(frame), false), frame...)
			room := must(r.link.ReserveControl(len(b)))
			copy(room, b)
			r.link.Commit()
			time.Sleep(time.Second)
			r.close()
		}
		conn := must(s.net.Host("10.0.0.2").Dial(s.Context(), fmt.Sprintf("tcp://%s:%d", hostOfServer, rendezvous.Port)))
		_, _ = conn.Write(append([]byte{relay.Mark}, make([]byte, relay.TicketSize-1)...))
		if n, err := conn.Read(make([]byte, 1)); err == nil {
			s.Errorf("a ticket of zeros is answered with %d octets", n)
		}
		silent := must(s.net.Host("10.0.0.2").Dial(s.Context(), fmt.Sprintf("tcp://%s:%d", hostOfServer, rendezvous.Port)))
		if _, err := silent.Read(make([]byte, 1)); err == nil {
			s.Error("who says nothing is answered")
		}
		time.Sleep(2 * time.Minute)
		if got := s.server.Status(); got.Connections != 0 || got.Peers != 0 {
			s.Errorf("%+v", got)
		}
		r := s.present("10.0.0.2", someone())
		r.close()
	})
}

// TestRecordsOfOthers: nobody publishes what is not its own, older, or of another network.
func TestRecordsOfOthers(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana, ben := s.present("10.0.0.2", someone()), s.present("10.0.0.3", someone())
		ben.refused(serving.ReasonForged, ben.ask(ana.record(9)))
		stolen := ben.record(9)
		stolen.Record, stolen.Sealed = ana.record(9).Record, ana.record(9).Sealed
		ben.refused(serving.ReasonStale, ben.ask(stolen))
		swapped := ben.record(9)
		swapped.Sealed = ana.record(9).Sealed
		ben.refused(serving.ReasonStale, ben.ask(swapped))
		if _, ok := ben.ask(ben.record(5)).(*oncemsg.OK); !ok {
			s.Error("a newer record is refused")
		}
		ben.refused(serving.ReasonStale, ben.ask(ben.record(4)))
		elsewhere := *ben
		elsewhere.keys = rendezvous.KeysOf(rendezvous.Secret{9}, s.own.Card().Identity, nil)
		ben.refused(serving.ReasonStale, ben.ask(elsewhere.record(9)))
		ben.refused(serving.ReasonForged, ben.ask(&oncemsg.Renew{Card: ana.own.Card().Octets()}))
		// The lobby keeps no tags and nothing that is sealed.
		visitor, challenge := s.raw("10.0.0.4", someone())
		inside := visitor.record(1)
		visitor.keys = rendezvous.KeysOf(rendezvous.Secret{}, s.own.Card().Identity, nil)
		visitor.ask(visitor.proof(challenge))
		visitor.refused(serving.ReasonStale, visitor.ask(inside))
		ana.close()
		ben.close()
		visitor.close()
	})
}

// keeper keeps rolls in memory.
type keeper map[string][]byte

func (k keeper) Load(network ed25519.PublicKey) ([]byte, error) { return k[string(network)], nil }
func (k keeper) Save(network ed25519.PublicKey, roll []byte) error {
	k[string(network)] = roll
	return nil
}

// member returns an identity that a network has invited.
func member(t *testing.T, n *identity.Network, name string) *identity.Identity {
	t.Helper()
	joined, err := identity.JoinAt(t.TempDir(), must(n.Invite(name, "", uuid.UUID{}, 30)))
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

// TestMembers: who has SECRET but no token stays out; who is revoked is sent away by the
// roll that any member brings, also after a restart, and no older roll takes that back.
func TestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := must(identity.OpenNetwork(t.TempDir()))
		ana, ben := member(t, n, "ana"), member(t, n, "ben")
		member(t, n, "cid")
		must(0, n.Revoke("cid"))
		before := must(identity.RollIn(must(n.Roll())))
		must(0, n.Revoke("ben"))
		after := must(identity.RollIn(must(n.Roll())))
		policy := open()
		policy.Members = []ed25519.PublicKey{after.Network}
		s := &scene{T: t, policy: policy, net: link.NewMemory(nil), log: quiet(), own: someone(), keeper: keeper{}}
		s.run()
		enter := func(host string, own *identity.Identity, token []byte) (*raw, oncemsg.Message) {
			r, challenge := s.raw(host, own)
			r.keys = rendezvous.KeysOf(secret, s.own.Card().Identity, after.Network)
			m := r.proof(challenge)
			m.Token = token
			return r, r.ask(m)
		}
		r, answer := enter("10.0.0.4", someone(), ana.Token().Bare())
		r.refused(serving.ReasonStranger, answer)
		r, answer = enter("10.0.0.4", someone(), nil)
		r.refused(serving.ReasonStranger, answer)
		open, challenged := s.raw("10.0.0.6", someone())
		open.refused(serving.ReasonStranger, open.ask(open.proof(challenged))) // an open network

		b, answer := enter("10.0.0.3", ben, ben.Token().Bare())
		if _, ok := answer.(*oncemsg.OK); !ok {
			s.Fatalf("ben is not let in: %+v", answer)
		}
		b.ask(b.record(1))
		a, answer := enter("10.0.0.2", ana, ana.Token().Bare())
		if ok, is := answer.(*oncemsg.OK); !is || ok.Rolls != 0 {
			s.Fatalf("ana is not let in: %+v", answer)
		}
		if ok, is := a.ask(&oncemsg.Roll{Roll: after.Bare()}).(*oncemsg.OK); !is || ok.Rolls != after.Number {
			s.Errorf("the roll is not taken: %+v", ok)
		}
		b.refused(serving.ReasonRevoked, b.next().m)
		if !b.ended() || s.server.Status().Peers != 0 {
			s.Error("ben is still there")
		}
		answer = a.ask(&oncemsg.Roll{Roll: before.Bare()})
		if ok, is := answer.(*oncemsg.OK); !is || ok.Rolls != after.Number {
			s.Errorf("an older roll is taken: %+v", answer)
		}
		a.refused(serving.ReasonForged, a.ask(&oncemsg.Roll{Roll: []byte("junk")}))
		a.close()
		s.server.Close()
		s.run()
		b, answer = enter("10.0.0.3", ben, ben.Token().Bare())
		b.refused(serving.ReasonRevoked, answer)
		// A policy that changes sends away who is let in no more.
		a, _ = enter("10.0.0.2", ana, ana.Token().Bare())
		policy.Allow = map[uuid.UUID]bool{ben.UUID(): true}
		if err := s.server.SetPolicy(policy); err != nil {
			s.Error(err)
		}
		a.refused(serving.ReasonStranger, a.next().m)
		s.finish()
	})
}

// TestRates: who asks too much is told to wait, and at last hung up; others go on.
func TestRates(t *testing.T) {
	policy := open()
	policy.Requests = 10
	inScene(t, time.Millisecond, policy, func(s *scene) {
		flood, other := s.present("10.0.0.2", someone()), s.present("10.0.0.3", someone())
		id := other.own.UUID()
		for n := range patience + 100 {
			flood.send(uint32(n+10), &oncemsg.GetEndpoints{Ids: id[:]})
			if n%100 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		answered, busy := 0, 0
		for h := range flood.in {
			switch m := h.m.(type) {
			case *oncemsg.ListEndpoints:
				answered++
			case *oncemsg.Nope:
				if busy++; m.Code != uint8(serving.ReasonBusy) || m.Retry == 0 {
					s.Errorf("%+v", m)
				}
			}
		}
		if answered > 10*requestsBurst+2 || busy == 0 {
			s.Errorf("%d answers, %d times busy", answered, busy)
		}
		if _, ok := other.ask(&oncemsg.Renew{}).(*oncemsg.OK); !ok {
			s.Error("another is not answered")
		}
		other.close()
	})
}

// TestIntroductionsAreOneForOne: a victim gets no more than what was asked for, and each
// answer reaches but who has asked.
func TestIntroductionsAreOneForOne(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		ana, ben, victim := s.present("10.0.0.2", someone()), s.present("10.0.0.3", someone()), s.present("10.0.0.4", someone())
		for n := range 3 * introduceBurst {
			ana.send(uint32(n+10), &oncemsg.Introduce{Peer: victim.own.UUID(), Meeting: []byte("x")})
		}
		time.Sleep(time.Second)
		if got := len(victim.in); got != introduceAtOnce {
			s.Errorf("%d introductions", got)
		}
		h := victim.next()
		asked := h.m.(*oncemsg.Introduction)
		if asked.Peer != ana.own.UUID() || len(asked.Seen) != 1 || !strings.HasPrefix(asked.Seen[0], "10.0.0.2:") {
			s.Errorf("%+v", asked)
		}
		before := len(ana.in)
		ben.send(h.number, &oncemsg.Answer{Meeting: []byte("by ben")}) // in the place of the victim
		time.Sleep(100 * time.Millisecond)
		if got := len(ana.in); got != before {
			s.Error("a third one's answer reaches ana")
		}
		victim.send(h.number, &oncemsg.Answer{Meeting: []byte("yes")})
		victim.send(h.number, &oncemsg.Answer{Meeting: []byte("twice")})
		time.Sleep(100 * time.Millisecond)
		answered := 0
		for range len(ana.in) {
			if m, ok := (<-ana.in).m.(*oncemsg.Answered); ok && string(m.Meeting) == "yes" {
				answered++
			}
		}
		if answered != 1 {
			s.Errorf("%d answers", answered)
		}
		// Nobody is introduced to another network's nodes.
		away, challenge := s.raw("10.0.0.5", someone())
		away.keys = rendezvous.KeysOf(rendezvous.Secret{9}, s.own.Card().Identity, nil)
		away.ask(away.proof(challenge))
		away.ask(away.record(1))
		away.refused(serving.ReasonUnknown, away.ask(&oncemsg.Introduce{Peer: victim.own.UUID()}))
		away.refused(serving.ReasonUnknown, away.ask(&oncemsg.Circuit{Peer: victim.own.UUID()}))
		away.refused(serving.ReasonUnknown, away.ask(&oncemsg.GetKey{Peer: victim.own.UUID()}))
		id := victim.own.UUID()
		if list := away.ask(&oncemsg.GetEndpoints{Ids: id[:]}).(*oncemsg.ListEndpoints); len(list.Entries) != 0 {
			s.Error("one network is told of another")
		}
		for _, r := range []*raw{ana, ben, victim, away} {
			r.close()
		}
	})
}

// TestDialBack goes to the host that asks only, and proves who listens there.
func TestDialBack(t *testing.T) {
	inScene(t, time.Millisecond, open(), func(s *scene) {
		dialled := map[string]int{}
		listen := func(host string, own *identity.Identity) func() {
			l := must(s.net.Host(host).Listen(context.Background(), "tcp://*:4711"))
			ctx, cancel := context.WithCancel(context.Background())
			go link.Accept(ctx, l, 10, func(conn net.Conn, over func()) {
				defer over()
				dialled[host]++
				anyone := func([32]byte, net.Addr, *zmtp.Metadata) error { return nil }
				if l, err := link.Open(ctx, conn, link.Config{Type: zmtp.Router, Curve: &zmtp.Curve{Key: own.Transport(), Admit: anyone}}); err == nil {
					_ = l.Close()
				}
			}, func(error) {})
			return cancel
		}
		ana := s.present("10.0.0.2", someone())
		ask := func() *oncemsg.Dialled { return ana.ask(&oncemsg.DialBack{Port: 4711}).(*oncemsg.Dialled) }
		if d := ask(); d.Reached != 0 || d.Text == "" || d.Observed != "10.0.0.2:4711" {
			s.Errorf("nobody listens: %+v", d)
		}
		end := listen("10.0.0.2", someone())
		if d := ask(); d.Reached != 0 {
			s.Errorf("another listens: %+v", d)
		}
		end()
		time.Sleep(time.Second)
		end = listen("10.0.0.2", ana.own)
		if d := ask(); d.Reached != 1 {
			s.Errorf("ana listens: %+v", d)
		}
		seen := func() []string {
			var e oncerecord.Entry
			if err := e.Decode(s.server.Registry.Get(ana.keys.Number, ana.own.UUID()).Octets, nil); err != nil {
				s.Error(err)
			}
			return e.Seen
		}
		if got := seen(); len(got) != 2 || got[0] != "10.0.0.2:4711" {
			s.Errorf("seen at %v", got)
		}
		end()
		time.Sleep(time.Second)
		if d := ask(); d.Reached != 0 {
			s.Errorf("nobody listens any more: %+v", d)
		}
		if got := seen(); len(got) != 1 {
			s.Errorf("seen at %v", got)
		}
		if len(dialled) != 1 {
			s.Errorf("dialled %v", dialled)
		}
		ana.close()
	})
}

// TestQuotas: an address, an identity and the server have no more than they may.
func TestQuotas(t *testing.T) {
	policy := open()
	policy.PerAddress, policy.MaxPeers = 6, 8
	inScene(t, 0, policy, func(s *scene) {
		own := someone()
		var stay []*raw
		for range maxOfIdentity + 1 {
			stay = append(stay, s.present("10.0.0.2", own))
		}
		if !stay[0].ended() {
			s.Error("the oldest of five connections stays")
		}
		synctest.Wait() // the server has counted its end
		for range 2 {
			stay = append(stay, s.present("10.0.0.2", someone()))
		}
		dial := func(host string) error {
			conn, err := s.net.Host(host).Dial(s.Context(), fmt.Sprintf("tcp://%s:%d", hostOfServer, rendezvous.Port))
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			return err
		}
		began := time.Now()
		if err := dial("10.0.0.2"); err == nil || time.Since(began) > time.Second {
			s.Errorf("a seventh connection of one address: %v after %v", err, time.Since(began))
		}
		for n := range 5 {
			stay = append(stay, s.present(hostFor(n), someone()))
		}
		r, challenge := s.raw("10.0.0.7", someone())
		r.refused(serving.ReasonFull, r.ask(r.proof(challenge)))
		for _, r := range stay {
			r.close()
		}
	})
	var q = newQuotas()
	in := func(addr string) bool { return q.enter(prefixesOf(netip.MustParseAddr(addr)), 2) }
	for n := range 2 * wideFactor {
		if !in(fmt.Sprintf("2001:db8:0:%x::1", n)) {
			t.Errorf("the %dth /64", n)
		}
	}
	if in("2001:db8:0:ffff::1") || !in("2001:db8:1::1") || !in("192.0.2.1") || !in("::ffff:192.0.2.1") || in("192.0.2.1") {
		t.Error("a /48 has sixteen times as much as a /64, and an IPv4 address as much as that")
	}
}

// TestAcceptRate: a crowd is let in as fast as is said, and none waits for long.
func TestAcceptRate(t *testing.T) {
	policy := open()
	policy.AcceptRate, policy.Burst = 10, 20
	inScene(t, 0, policy, func(s *scene) {
		var nodes []*node
		for n := range 200 {
			nodes = append(nodes, s.node(hostFor(n), "n", someone(), func(c *client.Config) { c.Watched = func() []string { return nil } }))
		}
		time.Sleep(2 * time.Second)
		if got := s.server.Status().Peers; got < 20 || got > 45 {
			s.Errorf("%d after two seconds", got)
		}
		time.Sleep(3 * time.Minute)
		if got := s.server.Status().Peers; got != 200 {
			s.Errorf("%d in the end", got)
		}
		leave(nodes...)
	})
}

// TestSlowWatcher: who reads nothing costs little and holds up nobody; what it is told then
// is the latest.
func TestSlowWatcher(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		slow := s.present("10.0.0.2", someone())
		slow.hold = make(chan struct{})
		tag := slow.keys.Whole()
		slow.send(100, &oncemsg.Watch{Tags: tag[:]})
		quick := s.node("10.0.0.3", "quick", someone())
		time.Sleep(time.Second)
		big := bytes.Repeat([]byte("x"), 2000)
		for round := range 20 {
			for n := range 30 {
				e := &registry.Entry{ID: uuid.NewSHA1(uuid.Nil, []byte{byte(n)}), Tags: []rendezvous.Tag{tag}, Octets: append([]byte(fmt.Sprintf("%03d", round)), big...)}
				must(0, s.server.Registry.Put(slow.keys.Number, e, false))
			}
			time.Sleep(time.Second)
		}
		s.server.mu.Lock()
		queued := 0
		for _, c := range s.server.sessions {
			queued = max(queued, c.link.Queued())
		}
		s.server.mu.Unlock()
		if queued > outbox+oncemsg.MaxPage {
			s.Errorf("%d octets wait for one", queued)
		}
		if quick.counted("what a server tells of peers that is not right") < 500 { // it is junk
			s.Errorf("the other is told %d times", quick.counted("what a server tells of peers that is not right"))
		}
		close(slow.hold)
		time.Sleep(time.Second)
		last := map[string]bool{}
		total := 0
		for range len(slow.in) {
			for _, frame := range (<-slow.in).frames[1:] {
				total++
				last[string(frame[:3])] = true
			}
		}
		if !last["019"] || total > 300 {
			s.Errorf("told %d times, of rounds %v", total, last)
		}
		slow.close()
		leave(quick)
	})
}

// TestLarge: a tag that too many have is listed, not watched.
func TestLarge(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		r := s.present("10.0.0.2", someone())
		tag := r.keys.Whole()
		for n := range oncemsg.MaxWatchersTag {
			e := &registry.Entry{ID: uuid.NewSHA1(uuid.Nil, binary.BigEndian.AppendUint32(nil, uint32(n))), Tags: []rendezvous.Tag{tag}, Octets: make([]byte, 100)}
			must(0, s.server.Registry.Put(r.keys.Number, e, false))
		}
		r.refused(serving.ReasonLarge, r.ask(&oncemsg.Watch{Tags: tag[:]}))
		all, cursor := 0, uint64(0)
		for more := true; more; {
			page := r.ask(&oncemsg.GetPeers{Tag: tag[:], Cursor: cursor}).(*oncemsg.ListPeers)
			all, cursor, more = all+len(page.Entries), page.Cursor, page.More == 1
			time.Sleep(100 * time.Millisecond)
		}
		if all != oncemsg.MaxWatchersTag+1 {
			s.Errorf("%d are listed", all)
		}
		r.close()
	})
}

// TestCircuitsInCircles: a request that has been here, or through too many, is refused; and
// so is one more than a node may have.
func TestCircuitsInCircles(t *testing.T) {
	policy := open()
	policy.Circuits = relay.Limits{PerID: 2}
	inScene(t, 0, policy, func(s *scene) {
		ana, ben := s.present("10.0.0.2", someone()), s.present("10.0.0.3", someone())
		own := s.own.UUID()
		ana.refused(serving.ReasonLoop, ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID(), Passed: append(make([]byte, 16), own[:]...)}))
		ana.refused(serving.ReasonLoop, ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID(), Passed: make([]byte, 128)}))
		ana.refused(serving.ReasonMalformed, ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID(), Passed: make([]byte, 15)}))
		ana.refused(serving.ReasonUnknown, ana.ask(&oncemsg.Circuit{Peer: ana.own.UUID()}))
		for range 2 {
			if _, ok := ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID(), Ahead: make([]byte, 65536)}).(*oncemsg.Ticket); !ok {
				s.Error("no ticket")
			}
		}
		ana.refused(serving.ReasonQuota, ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID()}))
		for range 4 {
			ben.ask(&oncemsg.Circuit{Peer: ana.own.UUID(), Ahead: make([]byte, 65536)})
		}
		policy.Relays = false
		must(0, s.server.SetPolicy(policy))
		ana.refused(serving.ReasonNoRelay, ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID()}))
		ana.close()
		ben.close()
	})
}

// TestAheadIsBounded: what is sent ahead costs who sends it.
func TestAheadIsBounded(t *testing.T) {
	inScene(t, 0, open(), func(s *scene) {
		ana, ben := s.present("10.0.0.2", someone()), s.present("10.0.0.3", someone())
		passed := 0
		for range 20 {
			if _, ok := ana.ask(&oncemsg.Circuit{Peer: ben.own.UUID(), Ahead: make([]byte, 65536)}).(*oncemsg.Ticket); ok {
				passed += 65536
			}
		}
		if passed > aheadBurst+aheadRate {
			s.Errorf("%d octets pass at once", passed)
		}
		ana.close()
		ben.close()
	})
}
