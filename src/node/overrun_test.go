package node

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/oncelink"
	"github.com/sjohnr/at-once/generated/go/zremsg"
)

// fits says words if there is room for them soon, and tells whether there was.
func (f *fork) fits(words []byte) bool {
	ctx, cancel := context.WithTimeout(f.s.t.Context(), time.Second)
	defer cancel()
	b, err := f.Reserve(ctx, len(words))
	if err != nil {
		return false
	}
	copy(b, words)
	f.Commit()
	synctest.Wait()
	return true
}

// intake returns what ana takes in of eve's channel.
func (s *scene) intake() (in *intake) {
	s.ana.loop.do(func() { in = s.ana.loop.of(s.eve.Identity.UUID()).talk.in })
	return in
}

// fills has eve whisper what ana's application does not take, until she is not read any more.
func (f *fork) fills() {
	f.s.t.Helper()
	session, open := f.s.opens()
	f.say(open)
	for range 4096 { // 64 MB
		words := frame(&zremsg.Whisper{Sequence: 9}, session.Append(nil, text(string(make([]byte, 16<<10)))))
		if !f.fits(words) {
			return
		}
	}
	f.s.t.Fatal("ana takes all")
}

// drained has ana's application take what there is until eve has gone.
func (s *scene) drained() {
	s.t.Helper()
	for range 4096 {
		switch got := s.ana.next(time.Minute); {
		case strings.HasPrefix(got, "exit eve"):
			return
		case !strings.HasPrefix(got, "whisper eve") && got != "suspect eve":
			s.t.Fatalf("ana is told %q", got)
		}
	}
	s.t.Fatal("eve does not go")
}

// TestContentOverrun has eve whisper on, whatever credit she has. She is read no more before
// she has overrun it, and what waits for the application is bounded.
func TestContentOverrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		f, _ := s.meets(7)
		s.memory.Refuse(outside, true)
		before := settled()
		f.fills()
		in := s.intake()
		if next, edge := in.reach.Next(), in.reach.Edge(); next >= edge+oncelink.MaxBeyondEdge {
			t.Errorf("%d octets are taken in, and %d were let", next, edge)
		}
		if took, most := settled()-before, 2*s.ana.settings.Inbox; int(took) > most {
			t.Errorf("%d octets of memory are taken, %d may be", took, most)
		}
		f.close()
		s.drained()
		s.unharmed()
	})
}
