package node

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
)

// FuzzLink says anything at all over a link that carries both directions: before the
// greeting, or in a channel that has begun. Who is good notices nothing.
func FuzzLink(f *testing.F) {
	f.Add(false, resume())
	f.Add(false, append(resume(), frame(&zremsg.Ping{Sequence: 2})...))
	f.Add(false, linkFrame(&oncelink.Resume{Own: 7, Other: math.MaxUint64, Expected: 1, Edge: 1, Mac: unproved[:]}))
	f.Add(true, linkFrame(&oncelink.Begin{Own: 7, Position: 0, Mac: unproved[:]}))
	f.Add(true, linkFrame(&oncelink.Ack{Other: 7, Position: 1, Edge: channel.FirstWindow, Mac: unproved[:]}))
	f.Add(true, linkFrame(&oncelink.Use{Own: 7, Turn: 1, Mac: unproved[:]}))
	f.Add(true, frame(&zremsg.Leave{Sequence: 2, Group: "room", Status: 200}))
	f.Add(true, frame(&zremsg.Shout{Sequence: 2, Group: "room"}, []byte("x"), nil))
	f.Fuzz(func(t *testing.T, meets bool, octets []byte) {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, api.NodeSecurityAuto)
			s.memory.Refuse(outside, true)
			f := s.fork(s.eve.Identity.UUID())
			if meets {
				f.say(resume())
				f.say(f.hello(7))
				f.enters(false)
			}
			f.say(octets)
			time.Sleep(time.Minute)
			f.close()
			time.Sleep(time.Minute)
			s.ana.content()
			s.unharmed()
			if of := s.conversation(s.eve.Identity.UUID()); of.talk != nil {
				t.Errorf("eve's channel is left: %+v", of)
			}
		})
	})
}
