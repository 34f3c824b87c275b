package ladder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	machine "github.com/sjohnr/at-once/generated/go/laddermachine"
	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/sight"
)

// settle is the time in which all links are counted out.
const settle = 2 * link.DialTime

// TestDirect: what is sent ahead arrives with the request for a circuit, and in the end both
// use one direct link, whoever looks, or both at once.
func TestDirect(t *testing.T) {
	for name, both := range map[string]bool{"one looks": false, "both look": true} {
		t.Run(name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20")
				time.Sleep(time.Second)
				ana.reach(ben, "first")
				if both {
					ben.reach(ana, "second")
				}
				time.Sleep(90 * time.Millisecond)
				if ben.mu.Lock(); len(ben.ahead) != 1 || ben.ahead[0] != "first" {
					s.Errorf("ahead comes %q", ben.ahead)
				}
				ben.mu.Unlock()
				time.Sleep(settle)
				if !agree(ana, ben) || ana.best(ben).Rung != Direct || ana.spare(ben)+ben.spare(ana) != 0 {
					s.Errorf("ana has %+v, ben %+v, beside %d and %d", ana.best(ben), ben.best(ana), ana.spare(ben), ben.spare(ana))
				}
			})
		})
	}
}

// TestLost: a link that breaks is replaced, as often as it does.
func TestLost(t *testing.T) {
	inScene(t, func(s *scene) {
		ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20")
		time.Sleep(time.Second)
		ana.reach(ben, "")
		for range 5 {
			time.Sleep(settle)
			if !agree(ana, ben) || ben.best(ana).Rung != Direct {
				s.Fatalf("ana has %+v, ben %+v", ana.best(ben), ben.best(ana))
			}
			_ = ana.best(ben).Link.Close()
		}
	})
}

// TestRelayed: where nothing comes through a circuit is used, and a direct way is looked for
// again, ever more rarely, and at once where the network has changed.
func TestRelayed(t *testing.T) {
	inScene(t, func(s *scene) {
		ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20")
		ana.set(true)
		ben.set(true)
		time.Sleep(time.Second)
		ana.reach(ben, "")
		time.Sleep(time.Second)
		if ana.best(ben).Rung != Relayed || ana.best(ben).Link == nil || ben.best(ana).Link == nil {
			s.Fatalf("ana has %+v, ben %+v", ana.best(ben), ben.best(ana))
		}
		time.Sleep(time.Hour)
		at := fmt.Sprintf("tcp://%s:%d", ben.host, port)
		if n := ana.dialled(at); n < 8*5 || n > 9*oncemsg.MaxPunch { // of nine times
			s.Errorf("in an hour ben is dialled with %d packets", n)
		}
		ana.set(false)
		ben.set(false)
		ana.Moved()
		time.Sleep(settle)
		if !agree(ana, ben) || ana.best(ben).Rung != Direct {
			s.Errorf("after a change ana has %+v, ben %+v", ana.best(ben), ben.best(ana))
		}
	})
}

// TestStale: where a peer is doubted over whose circuit nothing has come for a while that is
// closed, and there is another; while something comes it stays.
func TestStale(t *testing.T) {
	inScene(t, func(s *scene) {
		ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20")
		ana.set(true)
		ben.set(true)
		time.Sleep(time.Second)
		circuits := func() (n int) {
			ana.Doubt(ben.own.UUID())
			ana.reach(ben, "")
			time.Sleep(time.Second)
			ana.mu.Lock()
			defer ana.mu.Unlock()
			for _, trial := range ana.trials {
				if trial.Rung == Relayed && trial.Err == nil {
					n++
				}
			}
			return n
		}
		first, fresh := circuits(), circuits()
		time.Sleep(2 * oncemsg.MaxQuiet * time.Millisecond)
		if late := circuits(); first != 1 || fresh != 1 || late != 2 {
			s.Errorf("there is %d circuit, then %d, and when nothing has come %d", first, fresh, late)
		}
	})
}

// TestLetGo: who is wanted no more is dialled no more, and not remembered.
func TestLetGo(t *testing.T) {
	inScene(t, func(s *scene) {
		ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20")
		ana.set(true)
		time.Sleep(time.Second)
		ana.reach(ben, "")
		time.Sleep(time.Second)
		ana.LetGo(ben.own.UUID())
		at := fmt.Sprintf("tcp://%s:%d", ben.host, port)
		n := ana.dialled(at)
		time.Sleep(time.Hour)
		if ana.dialled(at) != n || ana.known() != 0 {
			s.Errorf("%d packets more, %d ways", ana.dialled(at)-n, ana.known())
		}
	})
}

// TestNobody: who is not there is asked for again and again, and a server that does not
// know it is not asked often.
func TestNobody(t *testing.T) {
	inScene(t, func(s *scene) {
		ana := s.node("203.0.113.10")
		time.Sleep(time.Second)
		ana.Reach(uuid.UUID{1}, ana.client, nil)
		time.Sleep(time.Hour)
		ana.Ladder.mu.Lock()
		defer ana.Ladder.mu.Unlock()
		if w := ana.ways[uuid.UUID{1}]; w == nil || w.rests < 6 || w.rests > 12 || w.climb != nil {
			s.Errorf("%+v", w)
		}
	})
}

// TestThirdParty: candidates that name others have nobody dial them, even where the server
// tells that it has seen the node there but for a few times a minute.
func TestThirdParty(t *testing.T) {
	inScene(t, func(s *scene) {
		const victim = "tcp://198.51.100.7:80"
		ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20", victim, "tcp://198.51.100.8:80", "tcp://10.0.0.1:22", "tcp://127.0.0.1:22")
		time.Sleep(time.Second)
		ana.reach(ben, "")
		time.Sleep(time.Minute)
		for _, e := range []string{victim, "tcp://198.51.100.8:80", "tcp://10.0.0.1:22", "tcp://127.0.0.1:22"} {
			if n := ana.dialled(e); n > 0 {
				s.Errorf("%s is dialled %d times", e, n)
			}
		}
		if !agree(ana, ben) {
			s.Error("ana and ben do not meet")
		}
	})
}

// liar introduces whom it wants, to whom it wants.
type liar struct {
	meeting *client.Meeting
	card    *identity.Card
}

func (l *liar) Known(uuid.UUID) *client.Meeting { return l.meeting }
func (l *liar) Look(context.Context, uuid.UUID) (*client.Peer, error) {
	return &client.Peer{Card: l.card}, nil
}
func (l *liar) Introduce(context.Context, uuid.UUID) (*client.Meeting, error) { return l.meeting, nil }
func (l *liar) Circuit(context.Context, uuid.UUID, []byte, []byte) (*client.Circuit, error) {
	return nil, &client.RefusedError{Text: "no"}
}

// meeting returns one with somebody new, who is said to be at some endpoints.
func meeting(endpoints ...string) *client.Meeting {
	own := must(identity.New())
	card := must(own.Issue(1, time.Now()))
	m := &client.Meeting{Proposal: client.Proposal{ID: card.ID, Card: card}}
	for _, e := range endpoints {
		m.Dial = append(m.Dial, must(sight.Parse(e)))
	}
	return m
}

// TestVictims: a server and a thousand nodes that all say that they are at a victim's
// address have it dialled eight times a minute, with so many packets each, whatever the
// ports; who wants to be met beyond so many at a time is refused.
func TestVictims(t *testing.T) {
	inScene(t, func(s *scene) {
		ana := s.node("203.0.113.10")
		ana.set(true)
		time.Sleep(time.Second)
		willing := 0
		for n := range 1000 {
			m := meeting(fmt.Sprintf("tcp://198.51.100.7:%d", 1+n), fmt.Sprintf("tcp://198.51.100.7:%d", 2001+n))
			if ana.Willing(m.Proposal) {
				willing++
				ana.Met(m)
			}
		}
		time.Sleep(machine.DefaultClimb + time.Second)
		packets := 0
		ana.mu.Lock()
		for endpoint, n := range ana.dials {
			if strings.Contains(endpoint, "198.51.100.7") {
				packets += n
			}
		}
		ana.mu.Unlock()
		if most := oncemsg.MaxDialsAddress * oncemsg.MaxPunch; packets == 0 || packets > most {
			s.Errorf("%d packets, want at most %d", packets, most)
		}
		if ana.known() != 0 || ana.counted("addresses that were dialled too often") == 0 {
			s.Errorf("%d ways are left, %v", ana.known(), ana.counts)
		}
		if willing < oncemsg.MaxClimbs {
			s.Errorf("%d are met", willing)
		}
	})
}

// TestFlood: of many who want to be met, each at an address of its own, so many are dialled
// at a time, and in a minute no more than that.
func TestFlood(t *testing.T) {
	inScene(t, func(s *scene) {
		ana := s.node("203.0.113.10")
		ana.set(true)
		time.Sleep(time.Second)
		for n := range 500 {
			m := meeting(fmt.Sprintf("tcp://198.51.%d.%d:1", n>>8, n&0xff))
			if ana.Willing(m.Proposal) {
				ana.Met(m)
			}
			if n := ana.known(); n > oncemsg.MaxClimbs {
				s.Fatalf("%d ways", n)
			}
		}
		time.Sleep(machine.DefaultClimb + time.Second)
		if ana.known() != 0 || ana.counted("introductions to more than are dialled at a time") == 0 {
			s.Errorf("%d ways are left, %v", ana.known(), ana.counts)
		}
	})
}

// TestPretender: who answers where a peer is said to be, and is not the peer, is not taken
// for it, however often it is introduced.
func TestPretender(t *testing.T) {
	inScene(t, func(s *scene) {
		ana, eve := s.node("203.0.113.10"), s.node("203.0.113.66")
		time.Sleep(time.Second)
		m := meeting(fmt.Sprintf("tcp://%s:%d", eve.host, port))
		ana.Reach(m.ID, &liar{m, m.Card}, nil)
		time.Sleep(time.Minute)
		ana.mu.Lock()
		defer ana.mu.Unlock()
		if len(ana.found) > 0 || len(ana.trials) == 0 {
			s.Errorf("%+v is taken for the peer", ana.found)
		}
	})
}

// silent knows where a peer is, and has nobody answer.
type silent struct{ liar }

func (*silent) Introduce(ctx context.Context, _ uuid.UUID) (*client.Meeting, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestSetOut: where a peer is known to be it is dialled before it has been asked.
func TestSetOut(t *testing.T) {
	inScene(t, func(s *scene) {
		ana, ben := s.node("203.0.113.10"), s.node("203.0.113.20")
		time.Sleep(time.Second)
		known := ana.client.Known(ben.own.UUID())
		if known == nil || len(known.Dial) == 0 {
			s.Fatalf("ana knows %+v", known)
		}
		ana.Reach(ben.own.UUID(), &silent{liar{known, known.Card}}, nil)
		time.Sleep(time.Second)
		if !agree(ana, ben) || ana.best(ben).Rung != Direct {
			s.Errorf("ana has %+v, ben %+v", ana.best(ben), ben.best(ana))
		}
	})
}

// scripted answers dials as a script says, and counts them.
type scripted struct {
	link.Transport
	answers []error
	at      []time.Time
}

func (s *scripted) Dial(context.Context, string) (net.Conn, error) {
	s.at = append(s.at, time.Now())
	if len(s.answers) == 0 {
		return nil, syscall.ECONNREFUSED
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return nil, err
}

// TestPunch: what is refused is dialled again, at once the first time, with so many packets
// in all; where the far side's packet was first nothing is counted; nobody is no route.
func TestPunch(t *testing.T) {
	inScene(t, func(s *scene) {
		ana := s.node("203.0.113.10")
		punch := func(answers ...error) ([]time.Time, error) {
			far := &scripted{answers: answers}
			l := &Ladder{Config: ana.Config}
			l.Far = far
			ctx, cancel := context.WithTimeout(s.Context(), machine.DefaultClimb)
			defer cancel()
			_, err := l.punch(ctx, sight.At("198.51.100.7", 1), nil)
			return far.at, err
		}
		at, err := punch()
		if len(at) != oncemsg.MaxPunch || !errors.Is(err, syscall.ECONNREFUSED) || at[1] != at[0] || at[len(at)-1].Sub(at[0]) < 2*time.Second {
			s.Errorf("%d packets in %v, %v", len(at), at[len(at)-1].Sub(at[0]), err)
		}
		if at, _ = punch(syscall.EADDRNOTAVAIL, syscall.EADDRNOTAVAIL); len(at) != oncemsg.MaxPunch+2 || at[1].Sub(at[0]) < synTime/8 {
			s.Errorf("with two that count for nothing %d", len(at))
		}
		if at, err = punch(syscall.ENETUNREACH); len(at) != 1 || !errors.Is(err, syscall.ENETUNREACH) {
			s.Errorf("without a route %d, %v", len(at), err)
		}
	})
}

// TestSelf: a node that has dialled itself has not found anybody.
func TestSelf(t *testing.T) {
	l := must(link.TCP{}.Listen(t.Context(), "tcp://127.0.0.1:*"))
	defer l.Close()
	if err := link.Share(l); errors.Is(err, link.ErrShared) {
		t.Skip(err)
	}
	at := sight.Of(l.Addr())
	ladder := &Ladder{Config: Config{Far: link.Port{At: l.Addr()}, Random: func(string) float64 { return 0 }}}
	if _, err := ladder.punch(t.Context(), at, nil); !errors.Is(err, ErrSelf) {
		t.Error(err)
	}
}

func TestRungs(t *testing.T) {
	for text, want := range map[string]Rung{
		"10.0.0.1": LAN, "fe80::1": LAN, "fd00::1": LAN, "127.0.0.1": LAN, "::ffff:192.168.0.1": LAN,
		"2001:db8::1": IPv6, "203.0.113.7": Direct, "100.64.0.1": Direct,
	} {
		if got := rungOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

// TestCandidates: each finder has one, all keep the time since when they are known, and what
// was not seen from where the node listens is none.
func TestCandidates(t *testing.T) {
	c := Candidates{Port: port}
	own := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port}
	if !c.Observed(1, own, "203.0.113.7:9") || c.Observed(1, own, "203.0.113.7:9") || !c.Put(2, "tcp://203.0.113.7:10") {
		t.Error("what is new is not told from what is not")
	}
	first := must(c.List())
	if len(first) < 2 || first[0].Endpoint != "tcp://203.0.113.7:9" || first[1].Endpoint != "tcp://203.0.113.7:10" {
		t.Errorf("%v", first)
	}
	if again := must(c.List()); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("%v, and then %v", first, again)
	}
	if !c.Observed(1, &net.TCPAddr{Port: 5}, "203.0.113.7:11") || !c.Put(2, "") || len(must(c.List())) != len(first)-2 {
		t.Errorf("at last %v", must(c.List()))
	}
}
