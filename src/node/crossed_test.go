package node

import (
	"testing"
	"testing/synctest"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/zre"
)

// TestCrossed has eve make a second link to ana before either knows of the other what she
// says there, so that neither has it carry their channel. When the first one breaks, the one
// who chooses has them go on over that link, and nobody has to make another.
func TestCrossed(t *testing.T) {
	chosen := map[bool]bool{}
	for seed := 0; len(chosen) < 2 && seed < 64; seed++ {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, api.NodeSecurityAuto)
			f, theirs := s.meets(7)
			anaChooses := false
			s.ana.loop.do(func() { anaChooses = s.ana.loop.of(s.eve.Identity.UUID()).talk.chooses() })
			if chosen[anaChooses] {
				f.close()
				return
			}
			chosen[anaChooses] = true
			later := s.fork(s.eve.Identity.UUID())
			later.number = 7
			later.says(&oncelink.Resume{Own: 7, Edge: channel.FirstWindow, Mac: unproved[:]})
			s.rest()
			if !later.stands() {
				t.Fatal("the second link does not stand")
			}
			later.forget()
			f.close()
			s.rest()
			if anaChooses {
				if uses := later.told(oncelink.IDUse); len(uses) != 1 {
					t.Fatalf("ana does not choose the link that there is: %v", uses)
				}
				later.says(&oncelink.Begin{Own: 7, Other: theirs, Mac: unproved[:]})
			} else {
				later.says(&oncelink.Use{Own: 7, Turn: 9, Mac: unproved[:]})
				later.says(&oncelink.Begin{Own: 7, Other: theirs, Mac: unproved[:]})
			}
			s.rest()
			if len(later.told(oncelink.IDBegin)) != 1 {
				t.Fatal("ana does not go on over the link")
			}
			session, open := s.opens()
			later.say(open)
			later.say(frame(&zremsg.Whisper{Sequence: 3}, session.Append(nil, text("hello"))))
			s.ana.wants(`whisper eve "hello"`)
			later.close()
		})
	}
	if len(chosen) < 2 {
		t.Fatal("one and the same always has the lower id")
	}
}

// TestShownOfAnother has eve say over a link that she knows a channel in which she has not greeted
// ana, and greet her over it when ana has given that channel up: what she has shown is of no other.
func TestShownOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		one, id := s.fork(s.eve.Identity.UUID()), s.eve.Identity.UUID()
		one.says(&oncelink.Resume{Own: 7, Other: 7, Edge: channel.FirstWindow, Mac: unproved[:]})
		s.rest()
		mine := one.greeted()
		if mine == 0 {
			t.Fatal("ana does not greet eve")
		}
		other := s.fork(id)
		other.says(&oncelink.Resume{Own: 7, Other: mine, Edge: channel.FirstWindow, Mac: unproved[:]})
		s.rest()
		s.ana.loop.do(func() { s.ana.loop.step(zre.Expelled{Peer: id}) })
		other.say(other.hello(7))
		s.rest()
		s.unharmed()
	})
}
