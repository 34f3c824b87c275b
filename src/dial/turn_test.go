package dial

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestUrgentTakesNoTurn leaves the turns to those who are only sighted.
func TestUrgentTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, slices.Repeat([]fate{silent}, 20)...)
		for i := range 20 {
			a := s.attempt(true, 1+i)
			defer a.Cancel()
			s.run(a)
		}
		synctest.Wait()
		if len(s.slots) > 0 {
			t.Errorf("%d turns are taken", len(s.slots))
		}
	})
}

// TestTimeForEach gives each endpoint its time before the next is tried beside it, also
// one that was tried because another has failed.
func TestTimeForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, tardy, slow, accepts) // tardy refuses after 100 ms
		done := s.run(s.attempt(false, 1, 2, 3))
		time.Sleep(5 * time.Second)
		s.reached(done, 3)
		if want := []string{"10.0.0.1 at 0s", "10.0.0.2 at 100ms", "10.0.0.3 at 350ms"}; !slices.Equal(s.tried(), want) {
			t.Errorf("tried %q, want %q", s.tried(), want)
		}
	})
}
