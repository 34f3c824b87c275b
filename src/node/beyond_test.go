package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/registry"
	lend "github.com/sjohnr/at-once/src/rendezvous/relay"
	"github.com/sjohnr/at-once/src/rendezvous/server"
)

const hostOfServer = "10.0.9.9"

// rendezvousScene is a rendezvous server in a network in memory. Nodes there have no
// beacons, and cannot dial each other but by circuits.
type rendezvousScene struct {
	*lan
	own      *identity.Identity
	at       string // the host of the server
	server   *server.Server
	registry *registry.Memory // what the server knows
}

func newRendezvous(t *testing.T) *rendezvousScene {
	own, err := identity.New()
	if err != nil {
		t.Fatal(err)
	}
	s := &rendezvousScene{lan: newLAN(t), own: own}
	s.run()

	return s
}

// run starts the server, again if it has run.
func (s *rendezvousScene) run() { s.serve(hostOfServer, true) }

// serve starts the server on a host, which lends circuits or not.
func (s *rendezvousScene) serve(host string, lends bool) {
	s.t.Helper()
	s.at, s.registry = host, registry.NewMemory()
	at := s.memory.Host(host)
	one, err := server.New(server.Config{Identity: s.own, Transport: at, Registry: s.registry, Log: slog.New(slog.DiscardHandler)}, server.Policy{
		MaxPeers: 100, AcceptRate: 100, Burst: 100, PerAddress: 100, Requests: 100, Relays: lends,
		Circuits: lend.Limits{Circuits: 100, PerID: 100, PerAddress: 100, Rate: 1 << 30, TotalRate: 1 << 30},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := at.Listen(context.Background(), fmt.Sprintf("tcp://*:%d", rendezvous.Port))
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = one
	one.Serve(listener)
}

// address returns where the server is, and a network there.
func (s *rendezvousScene) address() rendezvous.Address {
	return rendezvous.Address{
		Hosts: []string{fmt.Sprintf("%s:%d", s.at, rendezvous.Port)},
		Key:   [32]byte(s.own.Transport().PublicKey().Bytes()), Secret: rendezvous.Secret{1, 31: 2},
	}
}

// found has a node be found by the server.
func (s *rendezvousScene) found(n *Node) {
	if err := n.SetServer(s.address().String()); err != nil {
		s.t.Fatal(err)
	}
}

// alone has a node not be found on the LAN.
func alone(n *Node) { n.settings.BeaconPort = 0 }

// TestRendezvous has two meet over a server's circuit, who talk, and go on over others when
// that is cut; one leaves.
func TestRendezvous(t *testing.T) {
	auto, secure := api.NodeSecurityAuto, api.NodeSecuritySecure
	for _, pair := range [][2]api.NodeSecurity{{auto, auto}, {secure, secure}, {auto, secure}, {secure, auto}} {
		t.Run(fmt.Sprint(pair), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRendezvous(t)
				defer s.server.Close()
				ana := s.node("ana", s.found, alone, in("room"), with(pair[0]))
				ben := s.node("ben", s.found, alone, in("room"), with(pair[1]))
				ana.wants("enter ben", "join ben room")
				ben.wants("enter ana", "join ana room")
				for i := range 5 {
					word := fmt.Sprint("word ", i)
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text(word)))
					ben.wants(fmt.Sprintf("whisper ana %q", word))
					if _, err := ben.Shout(t.Context(), "room", text(word)); err != nil {
						t.Fatal(err)
					}
					ana.wants(fmt.Sprintf("shout ben room %q", word))
					s.memory.Cut(hostOfServer)
					time.Sleep(2 * time.Minute) // what is lost at once again is tried more seldom
				}
				if p := ana.loop.find(ben.UUID()).Peer(); p.Protection() != api.PeerProtectionSealed || p.Way() != api.PeerWayRelayed {
					t.Errorf("it is %v, %v", p.Protection(), p.Way())
				}
				ana.must(ana.Flush(t.Context()))
				ana.must(ana.Stop())
				ben.wants("exit ana left")
				ben.must(ben.Stop())
			})
		})
	}
}

// TestShareAGroup has only those meet who share a group, as soon as they do.
func TestShareAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		ana, ben := s.node("ana", s.found, alone, in("room")), s.node("ben", s.found, alone, in("hall"))
		time.Sleep(time.Minute)
		if len(ana.Peers()) > 0 || len(ana.ears.wan.Known()) != 1 {
			t.Fatalf("ana meets %v, and knows of %d", ana.Peers(), len(ana.ears.wan.Known()))
		}
		ana.must(ben.Join("room"))
		ana.wants("enter ben", "join ben hall", "join ben room")
		ana.must(ana.Stop())
		ben.must(ben.Stop())
	})
}

// TestBothWays has two who are on one LAN, and have one server, meet once.
func TestBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		ana, ben := s.node("ana", s.found, in("room")), s.node("ben", s.found, in("room"))
		ana.wants("enter ben", "join ben room")
		time.Sleep(10 * time.Minute)
		if way := ana.loop.find(ben.UUID()).Peer().Way(); way != api.PeerWayLan {
			t.Errorf("they talk %v", way)
		}
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("hi")))
		ben.wants("enter ana", "join ana room", `whisper ana "hi"`)
		ana.must(ana.Stop())
		ben.wants("exit ana left")
		ben.must(ben.Stop())
	})
}

// TestKnown has a node meet one that it shares no group with when something is said to it, and
// nobody whom no server tells of, or who has gone.
func TestKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		ana, ben, cyd := s.node("ana", s.found, alone), s.node("ben", s.found, alone), s.node("cyd", alone)
		time.Sleep(time.Second)
		if known := ana.Known(); len(known) != 1 || known[ben.UUID().String()] != "ben" {
			t.Fatalf("ana knows %v", known)
		}
		if err := ana.Whisper(t.Context(), cyd.UUID(), text("hi")); !errors.Is(err, api.ErrNoPeer) {
			t.Errorf("to one whom no server tells of: %v", err)
		}
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("hi")))
		ana.must(ana.Flush(t.Context()))
		ben.wants("enter ana", `whisper ana "hi"`)
		if len(ana.Known()) > 0 {
			t.Errorf("who is present is among those who are only known")
		}
		s.memory.Crash(ben.host)
		began := time.Now()
		ana.wants("enter ben", "suspect ben", "exit ben network")
		if err := ana.Whisper(t.Context(), ben.UUID(), text("hi")); !errors.Is(err, api.ErrNoPeer) || time.Since(began) > 2*time.Minute {
			t.Errorf("to one who has gone: %v after %v", err, time.Since(began))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ana.Whisper(gone, ben.UUID(), text("hi")); !errors.Is(err, context.Canceled) {
			t.Errorf("for a call that is over: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if len(ana.Known()) > 0 {
			t.Errorf("who is gone for longer than a lease is known")
		}
		ana.must(ana.Stop())
		ben.Stop()
		cyd.must(cyd.Stop())
	})
}

// TestNoServer tells of settings that cannot be.
func TestNoServer(t *testing.T) {
	n := newNode(t)
	for _, wrong := range []string{"once://", "tcp://10.0.0.1:7#x", "once://10.0.0.1/?key=" + strings.Repeat("A", 43)} {
		if err := n.SetServer(wrong); !errors.Is(err, api.ErrRendezvous) || strings.Contains(err.Error(), "#x") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		n := newNode(t)
		s.found(n)
		n.settings.Security, n.settings.BeaconPort = api.NodeSecurityPlain, 0
		n.world.Transport = s.memory.Host("10.0.0.1")
		if err := n.Start(t.Context()); !errors.Is(err, api.ErrNoIdentity) {
			t.Errorf("a plain node: %v", err)
		}
	})
}

// gets holds the next events against lines of text, but for what is told of servers.
func (a *actor) gets(lines ...string) {
	a.lan.t.Helper()
	for _, want := range lines {
		got := a.next(time.Minute)
		for strings.HasPrefix(got, "network ") {
			got = a.next(time.Minute)
		}
		if got != want {
			a.lan.t.Fatalf("%s got %q, want %q", a.Name(), got, want)
		}
	}
}

// TestAway has one who is met by a server be away for some minutes, without an exit, and then
// for too long. Who has come a moment ago is not waited for as long.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer s.server.Close()
		ana, ben := s.node("ana", s.found, alone, in("room")), s.node("ben", s.found, alone, in("room"))
		ana.wants("enter ben", "join ben room")
		time.Sleep(10 * time.Minute)
		away := func(d time.Duration) {
			s.memory.Divide([]string{ben.host}, []string{ana.host, hostOfServer})
			time.Sleep(d)
			s.memory.Divide()
		}
		away(3 * time.Minute) // and then until it tries again, which it does at least once a minute
		ana.must(ana.Whisper(t.Context(), ben.UUID(), text("welcome back")))
		ana.wants("suspect ben", "recover ben")
		ben.gets("enter ana", "join ana room", "suspect ana", "recover ana", `whisper ana "welcome back"`)
		ana.must(ana.Flush(t.Context()))
		for _, d := range []time.Duration{6 * time.Minute, time.Minute} {
			away(d)
			ana.wants("suspect ben", "exit ben network")
			got := ana.after(time.Minute)
			for strings.HasPrefix(got, "unreachable a server tells of it") {
				got = ana.after(time.Minute)
			}
			if got != "enter ben" {
				t.Errorf("got %q", got)
			}
			ana.wants("join ben room")
		}
		ana.must(ana.Stop())
		ben.Stop()
	})
}

// TestOnceBeyond has two count to each other over circuits that are cut, parted and lost with
// their server: each number comes once, and in order.
func TestOnceBeyond(t *testing.T) {
	const words = 200
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			s, random := newRendezvous(t), rand.New(rand.NewPCG(seed, 1))
			defer func() { s.server.Close() }()
			ana := s.node("ana", s.found, alone, in("room"), with(api.NodeSecurityAuto))
			ben := s.node("ben", s.found, alone, in("room"), with(api.NodeSecurityAuto))
			ana.wants("enter ben", "join ben room")
			ben.wants("enter ana", "join ana room")
			time.Sleep(10 * time.Minute) // so that each may be away for a while
			var work sync.WaitGroup
			count := func(from, to *actor) {
				work.Go(func() {
					for i := range words {
						from.must(from.Whisper(t.Context(), to.UUID(), text(fmt.Sprint(i))))
						time.Sleep(time.Second)
					}
				})
				work.Go(func() {
					for i := 0; i < words; {
						switch got := to.next(5 * time.Minute); {
						case got == fmt.Sprintf("whisper %s %q", from.Name(), fmt.Sprint(i)):
							i++
						case got != "suspect "+from.Name() && got != "recover "+from.Name() && !strings.HasPrefix(got, "network "):
							t.Errorf("seed %d: %s got %q, want %d", seed, to.Name(), got, i)
							return
						}
					}
				})
			}
			count(ana, ben)
			count(ben, ana)
			for range 12 {
				time.Sleep(time.Duration(random.IntN(15000)) * time.Millisecond)
				switch host := []string{ana.host, ben.host, hostOfServer}[random.IntN(3)]; random.IntN(3) {
				case 0:
					s.memory.Cut(host)
				case 1:
					s.memory.Partition(ana.host, hostOfServer, true)
					time.Sleep(time.Duration(random.IntN(30)) * time.Second)
					s.memory.Partition(ana.host, hostOfServer, false)
				case 2:
					s.memory.Cut(hostOfServer)
					s.server.Close()
					time.Sleep(time.Duration(random.IntN(20)) * time.Second)
					s.run()
				}
			}
			work.Wait()
			ana.must(ana.Stop())
			ben.Stop()
		})
	}
}

// TestServersAway tells once that no server answers, and once that one does again, however
// often it was tried meanwhile.
func TestServersAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer func() { s.server.Close() }()
		ana := s.node("ana", s.found, alone, with(api.NodeSecurityAuto))
		defer ana.Stop()
		ana.idle(time.Minute)
		for range 2 {
			s.server.Close()
			if got := ana.next(time.Minute); !strings.HasPrefix(got, "network no rendezvous server is of use now") || !strings.Contains(got, hostOfServer) {
				t.Errorf("the server has gone, and ana gets %q", got)
			}
			ana.idle(10 * time.Minute)
			s.run()
			if got := ana.next(2 * time.Minute); !strings.HasPrefix(got, "network a rendezvous server is of use again: "+hostOfServer) {
				t.Errorf("the server is back, and ana gets %q", got)
			}
			ana.idle(time.Minute)
		}
	})
}

// TestTwinsBeyond has a node start with the identity of one that is there: a server tells each
// of the other, and where that is.
func TestTwinsBeyond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer func() { s.server.Close() }()
		one := copies(t)
		ana := s.node("ana", s.found, alone, one)
		defer ana.Stop()
		ana.idle(time.Minute)
		twin := s.node("twin", s.found, alone, one)
		defer twin.Stop()
		time.Sleep(time.Minute)
		for _, a := range []struct{ self, other *actor }{{ana, twin}, {twin, ana}} {
			if got, _ := a.self.twins(); len(got) != 1 || !strings.HasPrefix(got[0], "tcp://"+a.other.host+":") {
				t.Errorf("%s has heard of the twins %q", a.self.Name(), got)
			}
		}
	})
}

// TestTwinComesBack has a node be cut off from its server while another starts with its identity:
// when it is back, each is told of the other.
func TestTwinComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer func() { s.server.Close() }()
		one := copies(t)
		ana := s.node("ana", s.found, alone, one)
		defer ana.Stop()
		ana.idle(time.Minute)
		s.memory.Divide([]string{ana.host}, []string{hostOfServer})
		time.Sleep(5 * time.Minute) // so that it is forgotten
		twin := s.node("twin", s.found, alone, one)
		defer twin.Stop()
		time.Sleep(time.Minute)
		if got, _ := twin.twins(); len(got) > 0 {
			t.Errorf("there is none yet, and %q are told of", got)
		}
		s.memory.Divide()
		time.Sleep(3 * time.Minute)
		for _, a := range []struct{ self, other *actor }{{ana, twin}, {twin, ana}} {
			if got, _ := a.self.twins(); len(got) != 1 || !strings.HasPrefix(got[0], "tcp://"+a.other.host+":") {
				t.Errorf("%s has heard of the twins %q", a.self.Name(), got)
			}
		}
	})
}

// TestRevokedBeyond has a server tell a member why it is let in no more, as members do.
func TestRevokedBeyond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRendezvous(t)
		defer func() { s.server.Close() }()
		o := newOfficeWith(t, func(n *Node) { s.found(n); alone(n) })
		o.lan = s.lan
		for _, name := range []string{"ana", "ben"} {
			invite, err := o.network.Invite(name, "", uuid.Nil, 30)
			if err == nil {
				o.who[name], err = identity.JoinAt(t.TempDir(), invite)
			}
			if err != nil {
				t.Fatal(err)
			}
			o.start(name)
		}
		ana, ben := o.actors["ana"], o.actors["ben"]
		time.Sleep(time.Minute)
		_, err := ana.Spread(t.Context(), revoke(t, o.network, "ben"), 0)
		ana.must(err)
		time.Sleep(time.Minute)
		e, err := ben.Recv(t.Context())
		ben.must(err)
		for e.Type() != api.EventTypeRefused {
			e, err = ben.Recv(t.Context())
			ben.must(err)
		}
		if e.Why() != api.EventWhyRevoked || e.Ours() || e.Reason() != api.EventRefusalRevoked.Text() || e.Peer().UUID() != s.own.UUID() || e.Peer().Endpoint() != "tcp://"+hostOfServer+":5671" {
			t.Errorf("ben is told %v, %v: %q by %v at %s", e.Why(), e.Ours(), e.Reason(), e.Peer().UUID(), e.Peer().Endpoint())
		}
	})
}
