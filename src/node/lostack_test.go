package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
)

// TestLostAcknowledgement has a link break before ana has acknowledged what came over it: she
// does so over the next, on which nothing else may come, for that may be what eve waits for.
// What comes again she acknowledges again.
func TestLostAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		f, theirs := s.meets(7)
		session, open := s.opens()
		f.say(open)
		whisper := frame(&zremsg.Whisper{Sequence: 3}, session.Append(nil, text("hello")))
		f.say(whisper)
		synctest.Wait() // less than the time after which ana acknowledges
		f.close()
		f = s.again(7, theirs)
		before := f.resumed()
		time.Sleep(2 * channel.AckDelay)
		end := uint64(len(open) + len(whisper))
		f.acknowledged(end, before.Edge+1)
		f.forget()
		f.says(&oncelink.Begin{Own: 7, Other: theirs, Mac: unproved[:]})
		s.rest()
		f.forget()
		f.say(open)
		s.rest()
		f.acknowledged(end, before.Edge+1)
		s.ana.wants(`whisper eve "hello"`)
		f.close()
	})
}

// TestLateOverAnOldLink has something come over a link while another carries the channel too.
// When the old one ends before ana has acknowledged that, she does so over the other.
func TestLateOverAnOldLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		f, theirs := s.meets(7)
		later := s.fork(s.eve.Identity.UUID())
		later.number = 7
		later.says(&oncelink.Resume{Own: 7, Other: theirs, Edge: channel.FirstWindow, Mac: unproved[:]})
		s.rest()
		_, open := s.opens()
		later.forget()
		f.say(open)
		synctest.Wait() // less than the time after which ana acknowledges
		f.close()
		s.rest()
		later.acknowledged(uint64(len(open)), 1)
		later.close()
	})
}

// acknowledged expects that ana has acknowledged all before a position, and lets eve go to an
// edge at least.
func (f *fork) acknowledged(position, edge uint64) {
	f.s.t.Helper()
	told := f.told(oncelink.IDAck)
	if len(told) == 0 {
		f.s.t.Fatal("ana acknowledges nothing")
	}
	if ack := told[len(told)-1].(*oncelink.Ack); ack.Position != position || ack.Edge < edge {
		f.s.t.Errorf("ana acknowledges %d up to %d, want %d and %d", ack.Position, ack.Edge, position, edge)
	}
}
