package client

import (
	"testing"

	"github.com/sjohnr/at-once/src/rendezvous"
)

// TestSince: what a server has told of some tags says nothing of others, even if the conversation
// in which these were asked for has ended before it told of them.
func TestSince(t *testing.T) {
	k := newKnown()
	since := func(tags string, network byte, want uint64) {
		t.Helper()
		if got := k.since(tags, rendezvous.Number{network}); got != want {
			t.Errorf("of %s it is to tell from %d on, not %d", tags, got, want)
		}
	}
	since("one", 1, 0)
	k.reached(7, false)
	since("one", 1, 7)
	since("two", 1, 0)
	since("two", 1, 0)
	k.reached(9, false)
	since("two", 1, 9)
	since("two", 2, 0)
	since("two", 2, 0)
}
