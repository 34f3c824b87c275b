package node

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestFlushAfterReconnect cuts the connections between two and says something over the next
// one: the answer to who asks whether it has come may be lost with the connection of the other
// direction, and is asked for again.
func TestFlushAfterReconnect(t *testing.T) {
	for i := range 100 {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.couple(0)
			ana.must(ana.Whisper(t.Context(), ben.UUID(), text("before")))
			ana.must(ana.Flush(t.Context()))
			l.memory.Cut(ben.host)
			for range i % 3 {
				synctest.Wait()
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ana.must(ana.Whisper(ctx, ben.UUID(), text("after")))
			if err := ana.Flush(ctx); errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("round %d: %v", i, err)
			}
		})
	}
}
