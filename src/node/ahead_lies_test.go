package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/wire"
	"github.com/sjohnr/at-once/src/zre"
)

// withheld has ana whisper to ben ahead of a link, and a server withhold that: it returns what
// was sealed, and what becomes of the call.
func (s *strangers) withheld(word string) (sealed []byte, said <-chan error) {
	s.t.Helper()
	n, peer := s.ana.Node, s.ben.UUID()
	who := n.ears.wan.Ahead(s.t.Context(), peer)
	a, err := n.openAhead(s.t.Context(), who)
	s.ana.must(err)
	to := channel.New(zre.Described(zre.Description{
		ID: peer, Name: who.Inside.Name, Endpoint: sight.Met(peer), Badge: &zre.Badge{Card: who.Card, Challenge: who.Inside.Challenge},
	}), nil)
	begun := false
	s.ana.must(n.while(func(l *loop) { begun = a.begin(l, to) }))
	if !begun {
		s.t.Fatal("nothing is begun")
	}
	s.ana.must(n.sender.Load().Whisper(s.t.Context(), to, text(word)))
	sealed = n.sealAhead(s.t.Context(), a, to.Path())
	n.ears.wan.SayAhead(peer, nil)
	met := make(chan error, 1)
	go func() {
		_, err := n.meet(s.t.Context(), peer)
		met <- err
	}()
	return sealed, met
}

// delivers has a server deliver to ben what ana has sealed.
func (s *strangers) delivers(sealed []byte) {
	ana := s.ana.UUID()
	acceptor{s.ben.loop}.ahead(&net.TCPAddr{IP: net.IPv4(10, 9, 9, 9)}, ana, func() (*rendezvous.Ahead, error) { return s.ben.ears.wan.OpenAhead(ana, sealed) })
}

// TestAheadComesLate has a server deliver what was sent ahead when the first link stands.
func TestAheadComesLate(t *testing.T) {
	for run := range 8 {
		t.Run(fmt.Sprint(run), func(t *testing.T) {
			inStrangers(t, func(s *strangers) {
				sealed, said := s.withheld("hi")
				s.ana.must(<-said)
				s.ben.gets("enter ana", `whisper ana "hi"`)
				s.ana.gets("enter ben")
				time.Sleep(2 * time.Second)
				s.delivers(sealed)
				time.Sleep(trip / 4)
				began := time.Now()
				s.ana.must(s.ben.Whisper(s.t.Context(), s.ana.UUID(), text("welcome")))
				s.ana.gets(`whisper ben "welcome"`)
				s.ana.must(s.ana.Whisper(s.t.Context(), s.ben.UUID(), text("again")))
				s.ben.gets(`whisper ana "again"`)
				s.ana.must(s.ana.Flush(s.t.Context()))
				s.ana.must(s.ben.Flush(s.t.Context()))
				if took := time.Since(began); took > 4*trip {
					s.t.Errorf("it takes %v", took)
				}
			})
		})
	}
}

// TestAheadComesTooLate has a server deliver it when the sender has gone.
func TestAheadComesTooLate(t *testing.T) {
	inStrangers(t, func(s *strangers) {
		sealed, said := s.withheld("hi")
		s.ana.must(<-said)
		s.ben.gets("enter ana", `whisper ana "hi"`)
		s.ana.must(s.ana.Stop())
		s.ben.gets("exit ana left")
		s.delivers(sealed)
		if got := s.ben.after(time.Minute); got != "context deadline exceeded" {
			s.t.Errorf("ben gets %q", got)
		}
	})
}

// TestAheadAgain has the first link come when the receiver still waits for it, or has given up: what it
// has heard it does not hear again, and the sender is told that this is not known to be delivered.
func TestAheadAgain(t *testing.T) {
	for _, away := range []int{5, 15, 30, 55} {
		t.Run(fmt.Sprint(away), func(t *testing.T) {
			inStrangersWith(t, func(n *Node) { n.Greeting = 2 * time.Minute }, func(s *strangers) {
				said := s.says(s.ana, s.ben, "hi")
				s.ben.gets("enter ana", `whisper ana "hi"`)
				s.memory.Divide([]string{s.ana.host}, []string{s.ben.host, hostOfServer})
				time.Sleep(time.Duration(away) * time.Second)
				s.memory.Divide()
				s.ana.must(<-said)
				ana, ben := s.ana.all(), s.ben.all()
				if given := slices.Contains(ben, "exit ana network"); slices.Contains(ben, `whisper ana "hi"`) || given != slices.Contains(ana, `undelivered ben "hi"`) {
					s.t.Errorf("ben hears %q, and ana %q", ben, ana)
				}
				s.ana.must(s.ana.Whisper(s.t.Context(), s.ben.UUID(), text("again")))
				s.ben.gets(`whisper ana "again"`)
			})
		})
	}
}

// all returns all that a node is told until nothing has come for two minutes.
func (a *actor) all() (told []string) {
	a.lan.t.Helper()
	for {
		got := a.after(2 * time.Minute)
		if got == context.DeadlineExceeded.Error() || got == api.ErrStopped.Error() {
			return told
		}
		told = append(told, got)
	}
}

// pinned has a node know somebody else by the name of another.
func pinned(t *testing.T, node, other string) func(*Node) {
	who, err := identity.Open(t.TempDir())
	somebody, err2 := identity.New()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return func(n *Node) {
		if n.Name() != node {
			return
		}
		card, err := somebody.Issue(1, time.Now())
		trust, err2 := identity.NewTrust(api.NodeTrustFirstUse, who)
		if err := errors.Join(err, err2, n.SetIdentity(who), n.SetTrust(api.NodeTrustFirstUse)); err != nil {
			t.Fatal(err)
		}
		if _, err := trust.Check(identity.Claim{ID: somebody.UUID(), Name: other, Card: card}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAheadToNoFriend has one be spoken to whom the other would not let in: it hears nothing.
func TestAheadToNoFriend(t *testing.T) {
	for refusing, refused := range map[string]string{"ana": "ben", "ben": "ana"} {
		t.Run(refusing, func(t *testing.T) {
			inStrangersWith(t, pinned(t, refusing, refused), func(s *strangers) {
				for range 2 {
					if err := <-s.says(s.ana, s.ben, "hi"); !errors.Is(err, api.ErrNoPeer) {
						s.t.Error(err)
					}
				}
				why := map[string]string{refusing: "this node does not let it in", refused: "it does not let this node in"}
				for _, a := range []*actor{s.ana, s.ben} {
					if told := a.all(); len(told) != 1 || !strings.Contains(told[0], why[a.Name()]) {
						s.t.Errorf("%s is told %q", a.Name(), told)
					}
				}
				s.nothing()
			})
		})
	}
}

// nothing expects that nothing is left of what the two have tried.
func (s *strangers) nothing() {
	s.t.Helper()
	time.Sleep(2 * time.Minute)
	for _, a := range []*actor{s.ana, s.ben} {
		a.loop.do(func() {
			if l := a.loop; len(l.peers)+len(l.ours)+len(l.theirs)+len(l.wanted)+len(l.bygones) > 0 {
				s.t.Errorf("%s has %d peers, %d and %d links, waits for %d, and knows of %d channels", a.Name(), len(l.peers), len(l.ours), len(l.theirs), len(l.wanted), len(l.bygones))
			}
		})
		if n := a.guard.Throttle.Standing(); n > 0 {
			s.t.Errorf("%d strangers are with %s", n, a.Name())
		}
	}
}

// TestAheadOfNoRoom has the core have no room for whom something is said to: nothing is left of that.
func TestAheadOfNoRoom(t *testing.T) {
	inStrangersWith(t, func(n *Node) {
		if n.Name() == "ana" {
			n.settings.MaxPeers = 1
		}
	}, func(s *strangers) {
		if err := <-s.says(s.ana, s.ben, "hi"); !errors.Is(err, api.ErrNoPeer) {
			s.t.Error(err)
		}
		s.ben.idle(time.Minute)
		s.nothing()
	})
}

// TestAheadAfterAFailure has the receiver be away for longer than the sender waits, again and again:
// each word comes once at the most, and the next one when it is back.
func TestAheadAfterAFailure(t *testing.T) {
	inStrangers(t, func(s *strangers) {
		s.memory.Divide([]string{s.ben.host}, []string{s.ana.host, hostOfServer})
		for i := range 3 {
			if err := <-s.says(s.ana, s.ben, fmt.Sprint(i)); !errors.Is(err, api.ErrNoPeer) {
				s.t.Error(err)
			}
			time.Sleep(time.Second)
		}
		s.memory.Divide()
		s.ana.must(<-s.says(s.ana, s.ben, "over"))
		heard := map[string]int{}
		for _, word := range s.ben.all() {
			if heard[word]++; heard[word] > 1 && strings.HasPrefix(word, "whisper ") {
				s.t.Errorf("ben hears %q again", word)
			}
		}
		if heard[`whisper ana "over"`] != 1 {
			s.t.Errorf("ben hears %v", heard)
		}
		s.ana.all()
		s.ana.talk(s.ben)
		s.ben.talk(s.ana)
	})
}

// TestAheadInAnotherChannel has what was said be given up before the peer is met in another channel.
func TestAheadInAnotherChannel(t *testing.T) {
	inStrangers(t, func(s *strangers) {
		s.memory.Divide([]string{s.ben.host}, []string{s.ana.host, hostOfServer})
		said := s.says(s.ana, s.ben, "hi")
		time.Sleep(time.Second)
		s.ana.loop.do(func() { s.ana.loop.step(zre.Expelled{Peer: s.ben.UUID()}) })
		s.ana.must(s.ana.Join("room")) // so that they meet
		s.ana.must(s.ben.Join("room"))
		s.memory.Divide()
		if err := <-said; !errors.Is(err, api.ErrNoPeer) {
			s.t.Error(err)
		}
		if told := s.ana.all(); !slices.Equal(told, []string{"enter ben", "join ben room"}) {
			s.t.Errorf("ana is told %q", told)
		}
	})
}

// TestAheadOfJunk has somebody with a card send ahead what she likes. What of it is wrong ends it, and
// nothing of it is left; others are heard as before.
func TestAheadOfJunk(t *testing.T) {
	flood := func(m zremsg.Message, content ...[]byte) (words []byte) {
		for one := frame(m, content...); len(words)+len(one) < oncemsg.MaxCircuitAhead; {
			words = append(words, one...)
		}
		return words
	}
	for _, c := range []struct {
		name   string
		enters bool
		words  func(hello []byte) [][]byte
	}{
		{"nothing", false, func([]byte) [][]byte { return nil }},
		{"noise", false, func([]byte) [][]byte { return [][]byte{bytes.Repeat([]byte{0xaa}, 1000)} }},
		{"half of a RESUME", false, func([]byte) [][]byte { return [][]byte{resume()[:20]} }},
		{"a RESUME", false, func([]byte) [][]byte { return [][]byte{resume()} }},
		{"two RESUMEs", false, func(hello []byte) [][]byte { return [][]byte{resume(), resume(), hello} }},
		{"no RESUME", false, func(hello []byte) [][]byte { return [][]byte{hello} }},
		{"half of a HELLO", false, func(hello []byte) [][]byte { return [][]byte{resume(), hello[:len(hello)/2]} }},
		{"a HELLO", false, func(hello []byte) [][]byte { return [][]byte{resume(), hello} }},
		{"two HELLOs", false, func(hello []byte) [][]byte { return [][]byte{resume(), hello, hello} }},
		{"a changed HELLO", false, func(hello []byte) [][]byte {
			changed := bytes.Clone(hello)
			changed[len(changed)-9] ^= 1
			return [][]byte{resume(), changed}
		}},
		{"a channel that nobody knows", false, func(hello []byte) [][]byte {
			return [][]byte{linkFrame(&oncelink.Resume{Own: math.MaxUint64, Other: math.MaxUint64, Expected: math.MaxUint64, Edge: math.MaxUint64, Mac: unproved[:]}), hello}
		}},
		{"BEGIN", false, func(hello []byte) [][]byte {
			return [][]byte{resume(), hello, linkFrame(&oncelink.Begin{Own: 7, Position: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"ACK", false, func(hello []byte) [][]byte {
			return [][]byte{resume(), linkFrame(&oncelink.Ack{Own: 7, Position: math.MaxUint64, Edge: math.MaxUint64, Mac: unproved[:]}), hello}
		}},
		{"USE", false, func(hello []byte) [][]byte {
			return [][]byte{resume(), hello, linkFrame(&oncelink.Use{Own: 7, Turn: math.MaxUint64, Mac: unproved[:]})}
		}},
		{"JOIN", false, func(hello []byte) [][]byte {
			return [][]byte{resume(), hello, frame(&zremsg.Join{Sequence: 2, Group: "room", Status: 1})}
		}},
		{"GOODBYE", false, func(hello []byte) [][]byte { return [][]byte{resume(), hello, frame(&zremsg.Goodbye{Sequence: 2})} }},
		{"PINGs", true, func(hello []byte) [][]byte { return [][]byte{resume(), hello, flood(&zremsg.Ping{Sequence: 2})} }},
		{"WHISPERs", true, func(hello []byte) [][]byte {
			return [][]byte{resume(), hello, flood(&zremsg.Whisper{Sequence: 2}, []byte("x"))}
		}},
		{"SHOUTs", true, func(hello []byte) [][]byte {
			return [][]byte{resume(), hello, flood(&zremsg.Shout{Sequence: 2, Group: "room"}, []byte("x"))}
		}},
		{"EXCHANGEs", true, func(hello []byte) [][]byte {
			return [][]byte{resume(), hello, flood(&zremsg.Exchange{Sequence: 2}, []byte("x"))}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inStrangers(t, func(s *strangers) {
				who, err := identity.New()
				s.ana.must(err)
				_, err = who.Issue(1, time.Now())
				s.ana.must(err)
				eve, on := &guard.Guard{ID: who.UUID(), Identity: who}, guard.Nonces{}
				challenge := s.ben.ears.wan.Challenges()[0]
				copy(on.Own[:], guard.NewNonce())
				copy(on.Far[:], challenge)
				hello := &zremsg.Hello{Endpoint: "tcp://10.0.0.66:1", Name: "eve", Headers: []wire.Pair{{Key: zre.HeaderIncarnation, Value: "1"}, {Key: zre.ReservedHeader + "CHANNEL", Value: "7"}}}
				eve.Present(hello, s.ben.UUID(), &on, guard.NewChallenge(), nil, true)
				said := bytes.Join(c.words(frame(hello)), nil)
				acceptor{s.ben.loop}.ahead(&net.TCPAddr{IP: net.IPv4(10, 9, 9, 9)}, who.UUID(), func() (*rendezvous.Ahead, error) {
					return &rendezvous.Ahead{From: who.Card(), Challenge: challenge, Nonce: on.Own[:], Said: said}, nil
				})
				told := s.ben.all()
				if c.enters != slices.Contains(told, "enter eve") {
					s.t.Errorf("ben is told %q", told)
				}
				s.nothing()
				s.ana.must(<-s.says(s.ana, s.ben, "hi"))
				s.ben.gets("enter ana", `whisper ana "hi"`)
			})
		})
	}
}

// TestManyAhead has so many send something ahead that a node does not take all of that.
func TestManyAhead(t *testing.T) {
	const most, many = 16, 40
	inStrangersWith(t, func(n *Node) { n.settings.MaxStrangers = most }, func(s *strangers) {
		for range many {
			eve := uuid.New()
			local := &net.TCPAddr{IP: append([]byte{0xfd}, append(eve[:7:7], make([]byte, 8)...)...)} // as each who has an id has one
			acceptor{s.ben.loop}.ahead(local, eve, func() (*rendezvous.Ahead, error) {
				return &rendezvous.Ahead{Challenge: guard.NewNonce(), Nonce: guard.NewNonce(), Said: resume()}, nil
			})
		}
		synctest.Wait()
		if n := s.ben.guard.Throttle.Standing(); n != most*3/4 || s.ben.Counts()["words ahead of a link over the limit"] != many-uint64(n) {
			s.t.Errorf("%d are listened to, and ben counts %v", n, s.ben.Counts())
		}
		s.nothing()
		s.ana.must(<-s.says(s.ana, s.ben, "hi"))
		s.ben.gets("enter ana", `whisper ana "hi"`)
	})
}

// turn is what happens while something is said ahead, and what ends that; nil for nothing.
type turn = func(s *strangers) (ends func())

// restarts has the one or the other be killed, and begin anew.
func restarts(of func(*strangers) **actor) turn {
	return func(s *strangers) func() {
		at := of(s)
		a := *at
		a.kill()
		return func() {
			*at = s.nodeAt(a.host, a.Name(), s.found, alone, func(n *Node) { _ = n.SetIdentity(a.guard.Identity) })
		}
	}
}

// parts has one be parted from all others.
func parts(host func(*strangers) string) turn {
	return func(s *strangers) func() {
		for _, other := range []string{s.ana.host, s.ben.host, hostOfServer} {
			if one := host(s); one != other {
				s.memory.Partition(one, other, true)
			}
		}
		return func() { s.memory.Divide() }
	}
}

// turns of all kinds.
var allTurns = map[string]turn{
	"the sender joins": func(s *strangers) func() { s.ana.must(s.ana.Join("room")); return nil },
	"both join":        func(s *strangers) func() { s.ana.must(errors.Join(s.ana.Join("room"), s.ben.Join("room"))); return nil },
	"both join and leave": func(s *strangers) func() {
		s.ana.must(errors.Join(s.ana.Join("room"), s.ben.Join("room"), s.ana.Leave("room"), s.ben.Leave("room")))
		return nil
	},
	"headers": func(s *strangers) func() {
		s.ana.must(errors.Join(s.ana.SetHeader("X-A", "1"), s.ben.SetHeader("X-B", "2")))
		return nil
	},
	"flushes": func(s *strangers) func() {
		s.ana.must(errors.Join(s.ana.Flush(s.t.Context()), s.ben.Flush(s.t.Context())))
		return nil
	},
	"the server ends":           func(s *strangers) func() { s.server.Close(); return s.run },
	"the receiver is restarted": restarts(func(s *strangers) **actor { return &s.ben }),
	"the sender is restarted":   restarts(func(s *strangers) **actor { return &s.ana }),
	"the receiver parts":        parts(func(s *strangers) string { return s.ben.host }),
	"the sender parts":          parts(func(s *strangers) string { return s.ana.host }),
}

// TestAheadAtEachStep has something happen at each step of what is said ahead: the word comes once, or
// not at all if that is told, and the next one comes.
func TestAheadAtEachStep(t *testing.T) {
	for name, happens := range allTurns {
		for step := range 10 {
			for _, lasts := range []time.Duration{time.Second, 14 * time.Second, 50 * time.Second} {
				t.Run(fmt.Sprint(name, " ", step, " ", lasts), func(t *testing.T) {
					inStrangers(t, func(s *strangers) {
						ana, ben := s.ana, s.ben
						said := s.says(s.ana, s.ben, "one")
						time.Sleep(time.Duration(step) * trip / 4)
						if ends := happens(s); ends != nil {
							time.Sleep(lasts)
							ends()
						}
						err := <-said
						heard := ben.all()
						if s.ben != ben {
							heard = append(heard, s.ben.all()...)
						}
						came := strings.Count(strings.Join(heard, "\n"), `whisper ana "one"`)
						if told := err != nil || slices.Contains(ana.all(), `undelivered ben "one"`); came > 1 || came == 0 && !told {
							s.t.Errorf("it comes %d times, and the call ends with %v", came, err)
						}
						for tries := 0; ; tries++ {
							if err = <-s.says(s.ana, s.ben, "two"); err == nil {
								break
							} else if tries == 3 {
								s.t.Fatalf("they do not meet again: %v", err)
							}
						}
						if heard = s.ben.all(); !slices.Contains(heard, `whisper ana "two"`) {
							s.t.Errorf("ben hears %v", heard)
						}
					})
				})
			}
		}
	}
}
