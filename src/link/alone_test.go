package link

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAlone: a message that comes soon after the last is part of a burst, and so is now and then
// one of a long run. What follows a pause, or something that the far side has said, is not.
func TestAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{carrier: &carrier{opened: time.Now()}}
		bursts := func(messages int, gap time.Duration, answered bool) (bursts int) {
			for range messages {
				time.Sleep(gap)
				if answered {
					w.heard.Store(int64(time.Since(w.opened)))
				}
				if !w.alone() {
					bursts++
				}
				w.wrote = time.Since(w.opened)
			}
			return bursts
		}
		for _, c := range []struct {
			gap      time.Duration
			answered bool
			want     int
		}{
			{burstGap / 2, false, 640},
			{2 * burstGap, false, 640 / runLength},
			{2 * burstGap, true, 0},
			{burstGap / 2, true, 0},
			{2 * runGap, false, 0},
		} {
			time.Sleep(time.Second)
			w.alone()
			w.wrote = time.Since(w.opened)
			if got := bursts(640, c.gap, c.answered); got != c.want {
				t.Errorf("of 640 messages %v apart, answered %v, %d are part of a burst, want %d", c.gap, c.answered, got, c.want)
			}
		}
	})
}
