package node

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestReturned has a peer vanish to which much was said: what it had not confirmed comes
// back, in order and before its exit, as it was said, and nothing else does.
func TestReturned(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana, ben := l.couple(0, with(security))
				ana.talk(ben)
				ana.shouts("room", "early", 1)
				ben.wants(`shout ana room "early"`)
				ana.must(ana.Flush(t.Context()))
				l.memory.Partition(ana.host, ben.host, true)
				var want []string
				for n := range 300 {
					words := fmt.Sprint(n)
					if n%3 == 0 {
						ana.shouts("room", words, 1)
						want = append(want, fmt.Sprintf("undelivered ben room %q", words))
						continue
					}
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text(words, strings.Repeat("x", n))))
					want = append(want, fmt.Sprintf("undelivered ben %q %q", words, strings.Repeat("x", n)))
				}
				ben.vanishes()
				if got := ana.next(time.Minute); got != "suspect ben" {
					t.Fatalf("ana is told %q", got)
				}
				ana.wants(want...)
				if got := ana.next(time.Minute); !strings.HasPrefix(got, "exit ben ") {
					t.Errorf("ana is told %q", got)
				}
				if err := ana.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "300 messages") {
					t.Errorf("Flush: %v", err)
				}
			})
		})
	}
}
