package guard

import (
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/sight"
)

// TestRefusalOf tells nobody more than the model has.
func TestRefusalOf(t *testing.T) {
	for _, c := range []struct {
		why  error
		want api.EventRefusal
	}{
		{fmt.Errorf("%w: %w", identity.ErrMember, identity.ErrExpired), api.EventRefusalMember},
		{fmt.Errorf("%w: ben", identity.ErrPinned), api.EventRefusalName},
		{fmt.Errorf("card: %w", identity.ErrExpired), api.EventRefusalExpired},
		{fmt.Errorf("X-ONCE-CARD: %w", identity.ErrMalformed), api.EventRefusalProof},
		{ErrProof, api.EventRefusalProof},
		{fmt.Errorf("names on first use: %w", identity.ErrFull), api.EventRefusalFault},
		{&net.OpError{Op: "write"}, api.EventRefusalFault},
	} {
		got := Refusal(c.why)
		if said, _ := Said(got.String()); got != c.want || said != got {
			t.Errorf("%v: %v", c.why, got)
		}
	}
}

// TestShuns keeps so many that are not called, and lets the old go for the new.
func TestShuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Shuns
		mallory := uuid.New()
		where := func(i int) (uuid.UUID, sight.Endpoint) { return mallory, sight.At("10.0.0.1", uint16(i)) }
		add := func(i int, theirs bool) {
			peer, at := where(i)
			s.Add(peer, at, theirs)
		}
		for i := range 2 * maxShunned {
			add(i, true)
		}
		add(0, false)
		for i, want := range map[int][2]bool{0: {true, false}, 1: {true, true}, maxShunned: {false, false}} {
			if known, theirs := s.Of(where(i)); [2]bool{known, theirs} != want {
				t.Errorf("%d: %v, %v", i, known, theirs)
			}
		}
		time.Sleep(TurnedAwayLife + 1)
		add(maxShunned, true)
		if known, _ := s.Of(where(maxShunned)); !known || len(s.known) != 2 {
			t.Errorf("%v, of %d", known, len(s.known))
		}
		s.Remove(where(0))
		if known, _ := s.Of(where(0)); known {
			t.Error("it was removed")
		}
	})
}
