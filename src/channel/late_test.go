package channel

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// TestShoutsWaitForPath has two shouts wait for a path: both open, whichever goes first.
func TestShoutsWaitForPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", sealed)
		s.gather("room", ben)
		one := s.shoutSoon(t.Context(), "one")
		s.lasts(one)
		two := s.shoutSoon(t.Context(), "two")
		s.lasts(two)
		ben.connect()
		ben.listens()
		if a, b := <-one, <-two; a != (outcome{1, nil}) || b != (outcome{1, nil}) {
			t.Errorf("%v, %v", a, b)
		}
		for _, said := range ben.told() {
			if strings.Contains(said, "open message") {
				t.Errorf("it is told %q", said)
			}
		}
	})
}

// TestLateShoutsOfMany has many shout at once while members come and go, who are slow and
// are given the key again: all that comes opens.
func TestLateShoutsOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := room(t, "ben", "cat", "dan")
		var work sync.WaitGroup
		for range 4 {
			work.Go(func() {
				for i := range 200 {
					if _, err := s.Shout(t.Context(), "room", frames(fmt.Sprint(i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		work.Go(func() {
			for i := range 200 {
				s.gather("room", all[i%3], all[(i+1)%3])
				all[(i+2)%3].to.Left("room")
			}
		})
		work.Wait()
		for _, l := range all {
			for _, said := range l.told() {
				if strings.Contains(said, "open message") {
					t.Fatalf("%s is told %q", l.guard.Name(), said)
				}
			}
		}
	})
}
