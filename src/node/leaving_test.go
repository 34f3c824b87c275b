package node

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/link"
)

// TestStopWhileTheLinkChanges has a node say something and stop just after both sides have made
// a link in place of a lost one, of which one is to be left: that the peer has got it is known.
func TestStopWhileTheLinkChanges(t *testing.T) {
	for i := range 100 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				l.memory = link.NewMemory(func(string, string) time.Duration { return 20 * time.Millisecond })
				ana, ben := l.couple(0)
				l.memory.Cut(ben.host)
				ana.must(ana.Whisper(t.Context(), ben.UUID(), text("the last")))
				ben.wants(`whisper ana "the last"`)
				ana.must(ana.Stop())
				ben.wants("exit ana left")
			})
		})
	}
}
