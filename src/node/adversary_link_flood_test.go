package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
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
		s.leaves()
		s.unharmed()
	})
}
