package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/ladder"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zre"
)

// over has eve make a link to ana that leads over a way, and say on it which of ana's channels she
// knows, 0 for none.
func (s *scene) over(way ladder.Rung, theirs uint64) *fork {
	f := s.claims(way, theirs)
	s.rest()
	return f
}

// greets has eve greet ana over a first link, and returns the number of ana's channel.
func (s *scene) greets(way ladder.Rung) (f *fork, theirs uint64) {
	f = s.over(way, 0)
	f.say(f.hello(7))
	s.rest()
	return f, f.greeted()
}

// claims is over without a rest.
func (s *scene) claims(way ladder.Rung, theirs uint64) *fork {
	f := s.fork(s.eve.Identity.UUID())
	f.number = 7
	s.ana.loop.do(func() {
		for _, r := range s.ana.loop.theirs {
			if r.link.RemoteAddr().String() == f.LocalAddr().String() {
				r.beyond, r.rung = way != ladder.LAN, way
			}
		}
	})
	f.says(&oncelink.Resume{Own: 7, Other: theirs, Edge: channel.FirstWindow, Mac: unproved[:]})
	return f
}

// begins has eve begin over a link where ana's channel begins.
func (f *fork) begins(theirs uint64) {
	f.says(&oncelink.Begin{Own: 7, Other: theirs, Mac: unproved[:]})
}

// choosing runs a test with an ana who chooses which links are used, as she has the lower id.
func choosing(t *testing.T, run func(*scene)) { lower(t, true, run) }

// lower runs a test with an ana whose id is lower than eve's, or higher.
func lower(t *testing.T, ana bool, run func(*scene)) {
	for ran := false; !ran; {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, api.NodeSecurityAuto)
			id, eve := s.ana.UUID(), s.eve.Identity.UUID()
			if ran = (string(id[:]) < string(eve[:])) == ana; ran {
				run(s)
			}
		})
	}
}

// goesOn expects that ana goes on over a link when eve has begun there, and leaves another.
func (f *fork) goesOn(theirs uint64, other *fork) {
	s := f.s
	s.t.Helper()
	f.begins(theirs)
	s.rest()
	if begun := f.told(oncelink.IDBegin); len(begun) != 1 {
		s.t.Errorf("ana goes on over the better link with %v", begun)
	}
	if other.stands() {
		s.t.Error("a link stands that neither side uses")
	}
}

// TestGreetsAgainWhereItIs has ana greet eve over a link beyond the LAN, and again over one within it:
// there she says where she is, as eve may hear that first, and takes no greeting without it.
func TestGreetsAgainWhereItIs(t *testing.T) {
	choosing(t, func(s *scene) {
		slow := s.over(ladder.Relayed, 7)
		slow.say(slow.hello(7))
		s.rest()
		near := s.over(ladder.LAN, 0)
		far, again := slow.greeting(), near.greeting()
		if far == nil || far.Endpoint != sight.Met(s.ana.UUID()).String() {
			s.t.Error("ana does not say beyond the LAN that she is met there")
		}
		if again == nil || again.Endpoint != s.ana.Endpoint() {
			s.t.Error("ana does not say in the LAN where she is")
		}
	})
}

// TestBestLaneIsChosen has two links carry a channel before either side knows that the other has
// its greeting: the better one stays, also if it is not the one that is used.
func TestBestLaneIsChosen(t *testing.T) {
	choosing(t, func(s *scene) {
		slow, theirs := s.greets(ladder.Relayed)
		fast := s.over(ladder.Direct, 0)
		slow.enters(false)
		s.rest()
		if len(fast.told(oncelink.IDUse)) != 1 {
			s.t.Fatal("ana does not choose the better link")
		}
		fast.goesOn(theirs, slow)
	})
}

// TestBestSpareIsOffered has the first words of several links cross with the greetings that pass
// over another, so that none of them carries the channel: the better one is used, also if it is
// not the latest.
func TestBestSpareIsOffered(t *testing.T) {
	choosing(t, func(s *scene) {
		slow := s.over(ladder.Relayed, 7)
		theirs := slow.greeted()
		fast, last := s.over(ladder.Direct, 0), s.over(ladder.Relayed, 0)
		slow.say(slow.hello(7))
		slow.enters(false)
		s.rest()
		if len(fast.told(oncelink.IDUse)) != 1 || len(last.told(oncelink.IDUse)) != 0 {
			s.t.Fatal("ana does not choose the better link")
		}
		fast.goesOn(theirs, slow)
	})
}

// TestBestIsLeft has the best of a channel's links end: it goes on over the next best, not over
// the latest.
func TestBestIsLeft(t *testing.T) {
	choosing(t, func(s *scene) {
		best, theirs := s.meets(7)
		next, last := s.over(ladder.Direct, theirs), s.over(ladder.Relayed, theirs)
		best.forget()
		best.close()
		s.rest()
		if len(next.told(oncelink.IDBegin)) != 1 || len(last.told(oncelink.IDBegin)) != 0 {
			s.t.Fatal("ana does not go on over the next best link")
		}
		next.goesOn(theirs, last)
	})
}

// TestBestIsGreetedOver has eve greet ana over a better link than the one that ana uses, where she
// has greeted too or not, before she has shown that she has ana's greeting: ana goes on over it at
// once then, as eve need not begin where she has greeted.
func TestBestIsGreetedOver(t *testing.T) {
	for _, both := range []bool{false, true} {
		choosing(t, func(s *scene) {
			slow := s.over(ladder.Relayed, 7) // so that ana greets first
			if both {
				slow.say(slow.hello(7))
				s.rest()
			}
			fast := s.over(ladder.Direct, 0)
			fast.say(fast.hello(7))
			slow.enters(false)
			s.rest()
			if len(fast.told(oncelink.IDUse)) == 0 || len(fast.told(oncelink.IDBegin)) != 1 {
				s.t.Error("ana waits for eve to begin where she has greeted")
			}
		})
	}
}

// TestBestIsOfferedAgain has several links be better than the one that is used, and eve begin
// over the worst of them first: the best stays, is offered again, as the latest turn counts, and
// used.
func TestBestIsOfferedAgain(t *testing.T) {
	choosing(t, func(s *scene) {
		slow, theirs := s.greets(ladder.Relayed)
		fast, best := s.claims(ladder.Direct, 0), s.claims(ladder.IPv6, 0)
		slow.enters(false)
		fast.begins(theirs)
		s.rest()
		turn := func(f *fork) (latest uint64) {
			for _, m := range f.told(oncelink.IDUse) {
				latest = max(latest, m.(*oncelink.Use).Turn)
			}
			return latest
		}
		if turn(best) < turn(fast) {
			s.t.Error("what ana chose last is not the best link")
		}
		best.goesOn(theirs, fast)
	})
}

// TestBestSpareOfMany has eve begin over a better link than all that her channel may have: it is
// none of those that are closed.
func TestBestSpareOfMany(t *testing.T) {
	choosing(t, func(s *scene) {
		slow := s.over(ladder.Relayed, 0)
		slow.say(slow.hello(7))
		slow.enters(false)
		theirs := slow.greeted()
		for range maxLanes - 1 {
			s.claims(ladder.Relayed, theirs)
		}
		fast := s.over(ladder.Direct, 0)
		fast.goesOn(theirs, slow)
		if !fast.stands() {
			s.t.Error("ana closes the best link")
		}
	})
}

// TestBeginsElsewhere has eve begin over another link than the one that is used, which is no
// better: she is told which one that is, so that both use the same.
func TestBeginsElsewhere(t *testing.T) {
	choosing(t, func(s *scene) {
		best, theirs := s.meets(7)
		other := s.over(ladder.Direct, theirs)
		best.forget()
		other.begins(theirs)
		s.rest()
		if len(best.told(oncelink.IDUse)) != 1 {
			s.t.Error("ana does not say which link is used")
		}
	})
}

// TestChosenAlready has eve choose the link that ana uses, so that ana need not begin there: she
// closes those that lead over no better way.
func TestChosenAlready(t *testing.T) {
	lower(t, false, func(s *scene) {
		used, theirs := s.greets(ladder.Direct)
		worse, better := s.claims(ladder.Relayed, 0), s.claims(ladder.IPv6, 0)
		worse.say(worse.hello(7))
		better.say(better.hello(7))
		used.enters(false)
		used.says(&oncelink.Use{Own: 7, Turn: 1, Mac: unproved[:]})
		s.rest()
		if worse.stands() || !better.stands() || len(used.told(oncelink.IDBegin)) != 0 {
			s.t.Error("ana does not close the worse link alone")
		}
		better.says(&oncelink.Use{Own: 7, Turn: 2, Mac: unproved[:]})
		better.begins(theirs)
		s.rest()
		if len(better.told(oncelink.IDBegin)) != 1 {
			s.t.Error("ana does not use what eve chooses")
		}
	})
}

// TestChosenAsItIsLeft has eve choose another link while ana, who has just been told to use the
// first, closes that other: ana does not go on over it, which would have her close the first too.
func TestChosenAsItIsLeft(t *testing.T) {
	lower(t, false, func(s *scene) {
		used, _ := s.greets(ladder.Direct)
		other := s.over(ladder.Direct, 0)
		other.say(other.hello(7))
		used.enters(false)
		s.rest()
		used.says(&oncelink.Use{Own: 7, Turn: 1, Mac: unproved[:]})
		time.Sleep(time.Millisecond / 2) // so that it comes before what follows, and that before the link has ended
		other.says(&oncelink.Use{Own: 7, Turn: 2, Mac: unproved[:]})
		other.says(&oncelink.Use{Own: 7, Turn: 3, Mac: unproved[:]})
		s.rest()
		if !used.stands() || other.stands() {
			s.t.Error("ana does not keep the link that she uses alone")
		}
	})
}

// TestBeginsWhenEnded has eve begin over a better link in a channel that ana has ended meanwhile:
// it does not go on.
func TestBeginsWhenEnded(t *testing.T) {
	choosing(t, func(s *scene) {
		slow := s.over(ladder.Relayed, 0)
		slow.say(slow.hello(7))
		s.rest()
		theirs, id := slow.greeted(), s.eve.Identity.UUID()
		fast := s.over(ladder.Direct, 0)
		slow.enters(false)
		s.rest()
		fast.begins(theirs)
		s.ana.loop.do(func() { s.ana.loop.step(zre.Expelled{Peer: id}) })
		time.Sleep(2 * time.Millisecond) // in which that arrives, and the link does not end
		synctest.Wait()
		s.ana.loop.do(func() {
			if s.ana.loop.of(id).theirs != nil {
				s.t.Error("a link of a channel that has ended counts")
			}
		})
		if len(fast.told(oncelink.IDBegin)) != 0 {
			s.t.Error("a channel that has ended goes on")
		}
	})
}

// TestUnprovedIsClosed has somebody who names eve's channel, and proves nothing, make as many links
// as a channel may have before she has shown that she has ana's greeting: hers are not closed for
// them.
func TestUnprovedIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		used := s.over(ladder.Direct, 0)
		used.say(used.hello(7))
		s.rest()
		other := s.over(ladder.Relayed, 0)
		other.say(other.hello(7))
		for range maxLanes {
			s.claims(ladder.LAN, 0)
		}
		if !other.stands() {
			t.Error("ana closes a link over which eve has greeted her")
		}
	})
}

// TestUnprovedIsLast has somebody who names eve's channel, and proves nothing, make a link that
// seems better than hers. When the one that is used ends, the channel goes on over another of hers,
// however she has proved that: those that she has are no strangers'.
func TestUnprovedIsLast(t *testing.T) {
	for name, proves := range map[string]func(f *fork, theirs uint64){
		"HELLO": func(f *fork, _ uint64) { f.say(f.hello(7)) },
		"BEGIN": func(f *fork, theirs uint64) { f.begins(theirs) },
		"ACK": func(f *fork, theirs uint64) {
			f.says(&oncelink.Ack{Own: 7, Other: theirs, Edge: channel.FirstWindow, Mac: unproved[:]})
		},
		"RESUME": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				used := s.over(ladder.Direct, 0)
				used.say(used.hello(7))
				s.rest()
				theirs, other := used.greeted(), (*fork)(nil)
				if proves != nil {
					other = s.claims(ladder.Relayed, 0)
				}
				claimed := s.claims(ladder.LAN, 0)
				used.enters(false)
				if proves == nil {
					other = s.claims(ladder.Relayed, theirs)
				} else {
					proves(other, theirs)
				}
				s.rest()
				if n := s.ana.guard.Throttle.Standing(); n != 1 {
					t.Errorf("%d links are of strangers", n)
				}
				other.forget()
				used.close()
				s.rest()
				if len(claimed.told(oncelink.IDBegin)) != 0 || len(other.told(oncelink.IDBegin)) != 1 {
					t.Error("ana goes on over a link that may lead to somebody else")
				}
			})
		})
	}
}

// TestSparesEnd has somebody who is not eve make many links in her name: a few are kept in mind, and
// forgotten when they have ended, as soon as the greeting time-out is half over. Those that carry
// a channel are not among them.
func TestSparesEnd(t *testing.T) {
	choosing(t, func(s *scene) {
		spares := func(want int) {
			s.t.Helper()
			s.rest()
			s.ana.loop.do(func() {
				if n := len(s.ana.loop.of(s.eve.Identity.UUID()).spares); n != want {
					s.t.Errorf("%d links carry no channel, want %d", n, want)
				}
			})
		}
		slow := s.over(ladder.Relayed, 0)
		slow.say(slow.hello(7))
		slow.enters(false)
		theirs := slow.greeted()
		spares(0)
		for range 40 {
			s.claims(ladder.LAN, 0)
		}
		spares(maxSpares)
		fast := s.over(ladder.Direct, theirs)
		if len(fast.told(oncelink.IDBegin)) != 1 {
			s.t.Error("ana does not use the better link")
		}
		time.Sleep(s.ana.Greeting / 2)
		if spares(0); !fast.stands() {
			s.t.Error("the link that is used does not stand")
		}
	})
}
