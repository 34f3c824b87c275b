package channel

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// outcome is what a Shout returns.
type outcome struct {
	sent uint32
	err  error
}

// shoutSoon says something to the room.
func (s *speaker) shoutSoon(ctx context.Context, text string) <-chan outcome {
	said := make(chan outcome, 1)
	go func() {
		sent, err := s.Shout(ctx, "room", frames(text))
		said <- outcome{sent, err}
	}()
	return said
}

// lasts makes sure that a shout has not ended.
func (s *speaker) lasts(said <-chan outcome) {
	s.Helper()
	synctest.Wait()
	select {
	case o := <-said:
		s.Fatalf("the shout has ended: %v", o)
	default:
	}
}

// crowd is three in a room to whom something was said already. The first two have no room
// for more, and nobody who reads.
func crowd(t *testing.T, k kind) (s *speaker, ben, cat, dan *listener) {
	s = newSpeaker(t)
	ben, cat, dan = s.listener("ben", k), s.listener("cat", k), s.listener("dan", k)
	s.gather("room", ben, cat, dan)
	for _, l := range []*listener{ben, cat, dan} {
		l.connect()
	}
	s.shouts("room", "before", 3)
	ben.fill()
	cat.fill()
	dan.listens()
	dan.told()
	return s, ben, cat, dan
}

// eachCrowd runs a test for each kind of peers.
func eachCrowd(t *testing.T, test func(t *testing.T, s *speaker, ben, cat, dan *listener)) {
	for name, k := range map[string]kind{"plain": plain, "sealed": sealed, "encrypted": encrypted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, ben, cat, dan := crowd(t, k)
				test(t, s, ben, cat, dan)
			})
		})
	}
}

// last returns what a listener was told last.
func (l *listener) last() string {
	told := l.told()
	if len(told) == 0 {
		return ""
	}
	return told[len(told)-1]
}

// shoutAs is a shout as a listener of a kind is told it, with a number.
func shoutAs(k kind, number, text string) string {
	if k == sealed {
		return number + " sealed shout room " + text
	}
	return number + " shout room " + text
}

// TestShoutLate gives a shout to those first who have room, and to the others when they
// have.
func TestShoutLate(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s *speaker, ben, cat, dan *listener) {
		said := s.shoutSoon(t.Context(), "now")
		s.lasts(said)
		number := map[kind]string{plain: "3", encrypted: "3", sealed: "5"}[dan.kind] // after HELLO, OPEN, KEY and a shout
		dan.wants(shoutAs(dan.kind, number, "now"))
		cat.listens()
		s.lasts(said) // for it waits for ben
		ben.listens()
		if o := <-said; o != (outcome{3, nil}) {
			t.Errorf("%v", o)
		}
		number = map[kind]string{plain: "4", encrypted: "4", sealed: "6"}[dan.kind] // after the ballast as well
		for _, l := range []*listener{ben, cat} {
			if got := l.last(); got != shoutAs(l.kind, number, "now") {
				t.Errorf("%s is told %q", l.guard.Name(), got)
			}
		}
		for _, l := range []*listener{ben, cat, dan} {
			if skipped, withheld := l.to.Missed(); skipped != (Amount{}) || withheld != (Amount{}) {
				t.Errorf("%s missed %v and %v", l.guard.Name(), skipped, withheld)
			}
		}
	})
}

// TestShoutEnds ends with its context: those who had room have got it, and nobody gets it
// later.
func TestShoutEnds(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s *speaker, ben, cat, dan *listener) {
		start := time.Now()
		sent, err := s.Shout(patience(t), "room", frames("now"))
		if sent != 1 || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%d, %v, after %v", sent, err, time.Since(start))
		}
		before := ben.path.Said()
		ben.listens()
		cat.listens()
		ben.told()
		if ben.path.Said() != before {
			t.Error("it is said later")
		}
		s.shouts("room", "next", 3)
		if skipped, _ := ben.to.Missed(); skipped != (Amount{}) {
			t.Errorf("skipped %v", skipped)
		}
	})
}

// TestShoutSkips leaves out those who are suspect and have no room, whether they were so
// before or become so while it waits, and tells of it. Who is suspect and has room gets
// it, and who is so no longer is waited for.
func TestShoutSkips(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s *speaker, ben, cat, dan *listener) {
		missed := func(l *listener, messages uint64) {
			t.Helper()
			skipped, withheld := l.to.Missed()
			if skipped.Messages != messages || withheld != (Amount{}) || (skipped.Octets > 0) != (messages > 0) {
				t.Errorf("%s missed %v and %v", l.guard.Name(), skipped, withheld)
			}
		}
		ben.to.Suspected()
		dan.to.Suspected()
		said := s.shoutSoon(t.Context(), "now")
		s.lasts(said) // for it waits for cat
		cat.to.Suspected()
		if o := <-said; o != (outcome{1, nil}) {
			t.Errorf("%v", o)
		}
		for l, messages := range map[*listener]uint64{ben: 1, cat: 1, dan: 0} {
			missed(l, messages)
		}
		s.shouts("room", "again", 1)
		s.shouts("room", "and again", 1)
		missed(ben, 2)
		ben.to.Recovered()
		said = s.shoutSoon(t.Context(), "better")
		s.lasts(said)
		ben.listens()
		if o := <-said; o != (outcome{2, nil}) {
			t.Errorf("%v", o)
		}
		missed(ben, 0)
		missed(cat, 3)
	})
}

// TestShoutSkipsWithoutPath leaves out a suspect peer that has no path, and waits for
// others until they have one.
func TestShoutSkipsWithoutPath(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s *speaker, ben, cat, dan *listener) {
		_ = ben.path.Link().Close()
		_ = cat.path.Link().Close()
		ben.to.Suspected()
		said := s.shoutSoon(t.Context(), "now")
		s.lasts(said)
		cat.connect()
		cat.listens()
		if o := <-said; o != (outcome{2, nil}) {
			t.Errorf("%v", o)
		}
		number := map[kind]string{plain: "2", encrypted: "2", sealed: "4"}[cat.kind]
		if got := cat.last(); got != shoutAs(cat.kind, number, "now") {
			t.Errorf("cat is told %q", got)
		}
	})
}

// TestShoutWithoutTheGone does not count who goes, before or while it waits.
func TestShoutWithoutTheGone(t *testing.T) {
	eachCrowd(t, func(t *testing.T, s *speaker, ben, cat, dan *listener) {
		ben.to.End()
		said := s.shoutSoon(t.Context(), "now")
		s.lasts(said) // for it waits for cat
		cat.to.End()
		_ = cat.path.Link().Close()
		if o := <-said; o != (outcome{1, nil}) {
			t.Errorf("%v", o)
		}
		for _, l := range []*listener{ben, cat} {
			if skipped, withheld := l.to.Missed(); skipped != (Amount{}) || withheld != (Amount{}) {
				t.Errorf("%s missed %v and %v", l.guard.Name(), skipped, withheld)
			}
		}
	})
}

// TestShoutToOthers goes to those in the group only, and to nobody if there is nobody.
func TestShoutToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		all := []*listener{s.listener("ben", plain), s.listener("cat", sealed), s.listener("dan", encrypted), s.listener("eve", sealed)}
		for _, l := range all {
			l.connect()
			l.listens()
		}
		s.shouts("room", "nobody", 0)
		s.gather("room", all[:3]...)
		s.shouts("room", "three", 3)
		s.gather("room")
		s.shouts("room", "nobody", 0)
		all[0].wants("1 HELLO", "2 shout room three")
		all[1].wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room three")
		all[2].wants("1 HELLO", "2 shout room three")
		all[3].wants("1 HELLO")
	})
}

// TestWithheld says nothing plain in a group of those where all is sealed: who has neither
// card nor encrypted connection gets nothing there, which is told, and all elsewhere.
func TestWithheld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t, "room")
		ben, cat, dan := s.listener("ben", plain), s.listener("cat", sealed), s.listener("dan", encrypted)
		for _, l := range []*listener{ben, cat, dan} {
			l.connect()
			l.listens()
		}
		s.gather("room", ben)
		s.shouts("room", "ben alone", 0)
		s.gather("room", ben, cat, dan)
		s.gather("other", ben, cat, dan)
		s.shouts("room", "all", 2)
		s.shouts("other", "x", 3)
		s.whispers(ben, "y")
		ben.wants("1 HELLO", "2 shout other x", "3 whisper y")
		cat.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room all", "5 KEY", "6 sealed shout other x")
		dan.wants("1 HELLO", "2 shout room all", "3 shout other x")
		for l, want := range map[*listener]uint64{ben: 2, cat: 0, dan: 0} {
			if skipped, withheld := l.to.Missed(); skipped != (Amount{}) || withheld != (Amount{want, 0}) {
				t.Errorf("%s missed %v and %v", l.guard.Name(), skipped, withheld)
			}
		}
	})
}
