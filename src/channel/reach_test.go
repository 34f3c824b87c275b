package channel

import (
	"errors"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncelink"
)

// TestReach takes messages at places where they may come, and where they may not.
func TestReach(t *testing.T) {
	r := NewReach()
	r.Took(1000)
	for _, c := range []struct {
		at     uint64
		octets int
		fresh  bool
		want   error
	}{
		{1000, 10, true, nil},
		{1000, 1 << 30, true, nil}, // which begins where it may
		{0, 1000, false, nil},
		{990, 10, false, nil},
		{999, 2, false, ErrGap},
		{1001, 10, false, ErrGap},
	} {
		if fresh, err := r.Passes(c.at, r.Next(), c.octets); fresh != c.fresh || !errors.Is(err, c.want) {
			t.Errorf("%d octets at %d: %v, %v", c.octets, c.at, fresh, err)
		}
	}
	for at, want := range map[uint64]error{FirstWindow + oncelink.MaxBeyondEdge - 1: nil, FirstWindow + oncelink.MaxBeyondEdge: ErrWindow} {
		r.Took(at)
		if _, err := r.Passes(at, at, 1); !errors.Is(err, want) {
			t.Errorf("at %d: %v", at, err)
		}
	}
}

// TestEdgeGrows has a peer told how far it may go: that never shrinks, and grows no more
// while there is no room, nor over what all channels may have.
func TestEdgeGrows(t *testing.T) {
	r, b := NewReach(), NewBudget(FirstWindow)
	now := time.Now()
	told := func(position uint64, more bool, want uint64) {
		t.Helper()
		r.Took(position)
		if at, edge := r.Told(now, more, b, 1<<30); at != position || edge != want {
			t.Errorf("at %d: told %d, %d, want %d", position, at, edge, want)
		}
	}
	told(100, true, FirstWindow+100)
	told(200, false, FirstWindow+100)
	told(300, true, FirstWindow+300)
	told(300+FirstWindow, true, 300+3*FirstWindow)   // used up at once: doubled
	told(300+3*FirstWindow, true, 300+5*FirstWindow) // no budget to double it again
	r.End(b)
	if used := b.used.Load(); used != 0 {
		t.Errorf("%d of the budget are used", used)
	}
}
