package guard

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// TestNames keeps no more names than there may be, and waits for one no longer than it may.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, ana := newNames(), uuid.New()
		for i := range 3 * maxNames {
			names.Note(uuid.New(), strconv.Itoa(i))
		}
		if len(names.of) > maxNames {
			t.Errorf("%d names are kept", len(names.of))
		}
		names.Note(ana, "")
		start := time.Now()
		if name := names.Wait(t.Context(), ana, time.Second); name != "" || time.Since(start) != time.Second {
			t.Errorf("%q after %v", name, time.Since(start))
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if name := names.Wait(ended, ana, time.Hour); name != "" {
			t.Errorf("%q after the end", name)
		}
		time.AfterFunc(time.Second, func() { names.Note(uuid.New(), "ben") })
		time.AfterFunc(2*time.Second, func() { names.Note(ana, "ana") })
		start = time.Now()
		if name := names.Wait(t.Context(), ana, time.Hour); name != "ana" || time.Since(start) != 2*time.Second {
			t.Errorf("%q after %v", name, time.Since(start))
		}
	})
}
