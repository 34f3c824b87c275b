package node

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestSmallOutbox says a thousand messages out of a queue that has room for a few of them, and
// for which the receiver would wait to acknowledge: it does not wait for long.
func TestSmallOutbox(t *testing.T) {
	for _, outbox := range []int{4 << 10, 32 << 10, 200 << 10} {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.node("ana", func(n *Node) { n.settings.Outbox = outbox }), l.node("ben")
			defer ana.Stop()
			defer ben.Stop()
			ana.wants("enter ben")
			began := time.Now()
			for range 1000 {
				ana.must(ana.Whisper(t.Context(), ben.UUID(), [][]byte{make([]byte, 1000)}))
			}
			ana.must(ana.Flush(t.Context()))
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("through a queue of %d octets they take %v", outbox, took)
			}
		})
	}
}
