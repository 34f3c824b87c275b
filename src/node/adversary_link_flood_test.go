package node

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/seal"
)

// opens opens a session of eve's with ana, and returns the whisper that does so.
func (s *scene) opens() (*seal.Sender, []byte) {
	session, open, err := seal.Open(s.eve.Identity, s.eve.Identity.Card(), s.ana.guard.Identity.Card(),
		s.ana.challenge(s.eve.Identity.UUID()), s.eve.Serial())
	s.ana.must(err)
	return session, frame(&zremsg.Whisper{Sequence: 9}, open)
}

// leaves expects that eve, whose links have ended and who accepts no more, is told to be gone.
func (s *scene) leaves() {
	s.t.Helper()
	got := s.ana.next(time.Minute)
	if got == "suspect eve" {
		got = s.ana.next(time.Minute)
	}
	if got != "exit eve network" {
		s.t.Errorf("ana is told %q", got)
	}
}

// TestFloodOfSessionsInChannel is TestFloodOfSessions for a channel. What a peer may do is
// the channel's: over another link it may do no more.
func TestFloodOfSessionsInChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		f, theirs := s.meets(7)
		s.memory.Refuse(outside, true)
		opens := func(times int, pause time.Duration) (stands bool) {
			for range times {
				_, open := s.opens()
				f.say(open)
				time.Sleep(pause)
			}
			return f.stands()
		}
		if !opens(2*channel.MaxSessions, time.Second/channel.SessionsRate) || !opens(channel.MaxSessions, 0) {
			t.Fatal("the link has ended")
		}
		if opens(3, 0) { // one of which is made good
			t.Fatal("the link has not ended")
		}
		f = s.again(7, theirs)
		if opens(3, 0) {
			t.Fatal("the next link has not ended")
		}
		s.leaves()
		s.unharmed()
	})
}

// TestFloodOfKeysInChannel is TestFloodOfKeys for a channel.
func TestFloodOfKeysInChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		f, _ := s.meets(7)
		s.memory.Refuse(outside, true)
		session, open := s.opens()
		f.say(open)
		keyFlood{
			scene: s, from: s.eve.Identity.UUID(), session: func(do func(*seal.Sender)) { do(session) },
			say:   f.say,
			seals: func(key *onceseal.Key, number uint64) func([]byte) []byte { return ratchet(key, number, "late") },
			stands: func() bool {
				f.forget()
				for s.ana.content() > 0 { // to groups that she is not in
				}
				return f.stands()
			},
		}.run()
		if s.rest(); s.ana.table.find(s.eve.Identity.UUID()) != nil { // told while all was read
			t.Error("eve is present")
		}
		s.unharmed()
	})
}

// TestManyLinksOfOneChannel has eve, who is present, carry her channel on over ever more
// links, and end none: few stand, and the channel goes on over the latest.
func TestManyLinksOfOneChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		first, theirs := s.meets(7)
		links := []*fork{first}
		for range 50 {
			f := s.fork(s.eve.Identity.UUID())
			f.number, f.theirs = 7, theirs
			f.says(&oncelink.Resume{Own: 7, Other: theirs, Edge: channel.FirstWindow, Mac: unproved[:]})
			f.says(&oncelink.Begin{Own: 7, Other: theirs, Position: f.resumed().Expected, Mac: unproved[:]})
			links = append(links, f)
			f.say(f.word(f.resumed().Expected, &zremsg.Ping{Sequence: 2}))
		}
		s.rest()
		standing := 0
		for _, f := range links {
			if len(f.done) == 0 {
				standing++
			}
		}
		if of := s.conversation(s.eve.Identity.UUID()); standing > maxLanes || of.lanes > maxLanes || !links[len(links)-1].stands() {
			t.Errorf("%d links stand, the channel is %+v", standing, of)
		}
	})
}

// size says how much a node has of others.
func (a *actor) size() (size string) {
	a.loop.do(func() {
		size = fmt.Sprintf("%d peers, %d connections of theirs and %d of ours", len(a.loop.peers), len(a.loop.theirs), len(a.loop.ours))
	})
	return size
}

// another gives eve another identity.
func (s *scene) another() {
	who, err := identity.New()
	s.ana.must(err)
	s.eve = &guard.Guard{ID: who.UUID(), Identity: who}
	s.issue(1, time.Now())
}

// TestChannelsOpenedAndLeft has eve begin channels under a thousand ids, and one as ben a
// thousand times, and leave each: as far as she greets, or as if they were known. Nothing of
// them is left.
func TestChannelsOpenedAndLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		id   func(s *scene) uuid.UUID
		says func(f *fork)
	}{
		{"at once", func(*scene) uuid.UUID { return uuid.New() }, func(*fork) {}},
		{"after RESUME", func(*scene) uuid.UUID { return uuid.New() }, func(f *fork) { f.say(resume()) }},
		{"after a RESUME of what is not known", func(*scene) uuid.UUID { return uuid.New() }, func(f *fork) {
			f.says(&oncelink.Resume{Own: 1, Other: 2, Mac: unproved[:]})
		}},
		{"after a greeting", func(s *scene) uuid.UUID {
			s.another()
			return s.eve.Identity.UUID()
		}, func(f *fork) {
			f.say(resume())
			f.say(f.hello(1))
		}},
		{"as ben", func(s *scene) uuid.UUID { return s.ben.UUID() }, func(f *fork) {
			f.says(&oncelink.Resume{Own: 1, Other: 2, Mac: unproved[:]})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, api.NodeSecurityAuto)
				s.memory.Refuse(outside, true)
				before := s.ana.size()
				for i := range 1000 {
					f := s.forkFrom(fmt.Sprintf("10.1.%d.%d", i>>8, i&255), c.id(s))
					c.says(f)
					f.close()
				}
				time.Sleep(2 * s.ana.settings.Greeting)
				s.rest()
				if after := s.ana.size(); after != before {
					t.Errorf("%s is left, %s there was", after, before)
				}
				s.ana.content() // who could not be reached
				s.unharmed()
			})
		})
	}
}
