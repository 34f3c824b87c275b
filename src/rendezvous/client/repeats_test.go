package client

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
)

// TestRepeatsWhileARecordChanges: while the node says something new of itself, nothing that was
// sent ahead is taken twice, neither in answer to the record that has ceased to count meanwhile
// nor to the new one.
func TestRepeatsWhileARecordChanges(t *testing.T) {
	var r repeats
	challenge := func(octet byte) []byte { return bytes.Repeat([]byte{octet}, oncerecord.MaxInsideChallenge) }
	current := [][]byte{challenge(2), challenge(1)}
	counting := func() [][]byte {
		if r.mu.TryLock() {
			r.mu.Unlock()
			t.Error("what counts may be other than it is said to be when something is noted")
		}
		return current
	}
	first := func(octet byte, number uint64, want error) {
		t.Helper()
		if err := r.first(counting, uuid.UUID{1}, challenge(octet), number); !errors.Is(err, want) {
			t.Errorf("the %dth in answer to %d: %v; want %v", number, octet, err, want)
		}
	}
	first(1, 5, nil)
	first(2, 5, nil)
	current = [][]byte{challenge(3), challenge(2)}
	first(3, 1, nil)
	first(1, 5, ErrRepeated)
	first(1, 6, ErrRepeated)
	first(2, 5, ErrRepeated)
	first(3, 1, ErrRepeated)
	first(3, 2, nil)
}
