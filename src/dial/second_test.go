package dial

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// comesSecond returns an attempt to reach a host whose own connection is the one that stays.
func (s *scene) comesSecond(number int) *Attempt {
	a := s.attempt(false, number)
	a.Second = true
	s.Cleanup(a.Cancel)
	return a
}

// TestSecondAlone waits for nothing where nobody else is tried.
func TestSecondAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, accepts)
		if r, ended := s.now(s.run(s.comesSecond(1))); !ended || r.Link == nil || r.after > 0 {
			t.Errorf("it has ended: %v, after %v", ended, r.after)
		}
	})
}

// TestSecondInTurn tries one after the other, as soon as the one before has ended or has
// taken long, and none of them keeps others from being tried at once.
func TestSecondInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, silent, tardy, silent, silent, silent)
		for i := range 4 {
			s.run(s.comesSecond(1 + i))
			synctest.Wait()
		}
		first := s.attempt(false, 5)
		defer first.Cancel()
		s.run(first)
		time.Sleep(time.Second)
		want := []string{
			"10.0.0.1 at 0s", "10.0.0.5 at 0s", "10.0.0.2 at 50ms", // 1 and 5 do not answer
			"10.0.0.3 at 100ms", "10.0.0.4 at 150ms", "10.0.0.2 at 200ms", // 2 has refused
		}
		if tried := s.tried(); len(tried) < len(want) || !slices.Equal(tried[:len(want)], want) {
			t.Errorf("tried %q, want %q", tried, want)
		}
	})
}

// TestSecondInCrowd lets those come in before who are at the door, as long as some do, but not
// for ever.
func TestSecondInCrowd(t *testing.T) {
	for name, c := range map[string]struct {
		after []time.Duration // how long the one before was at the door when the next comes
		in    bool            // that one comes in then
		want  time.Duration
	}{
		"of one who comes in":           {[]time.Duration{30 * time.Millisecond}, true, 30 * time.Millisecond},
		"of one who does not":           {[]time.Duration{30 * time.Millisecond}, false, 30 * time.Millisecond},
		"of one who does nothing":       {nil, false, crowded},
		"of some":                       {slices.Repeat([]time.Duration{crowded - 1}, 4), true, 4 * (crowded - 1)},
		"of some, and the last is slow": {[]time.Duration{20, 30, 40 + crowded}, true, 50 + crowded},
		"that goes on":                  {slices.Repeat([]time.Duration{crowded / 2}, 100), true, patience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, accepts)
				last := s.Knock()
				done := s.run(s.comesSecond(1))
				for i, after := range c.after {
					time.Sleep(after)
					next := func(bool) {}
					if i < len(c.after)-1 {
						next = s.Knock()
					}
					last(c.in)
					last = next
				}
				time.Sleep(crowded)
				if r, ended := s.now(done); !ended || r.Link == nil || r.after != c.want {
					t.Errorf("it has ended: %v, after %v, want %v", ended, r.after, c.want)
				}
			})
		})
	}
}

// TestSecondUrgent waits no longer for who is more than sighted.
func TestSecondUrgent(t *testing.T) {
	for name, before := range map[string]func(s *scene){
		"behind another":            func(s *scene) { fill(s.second) },
		"with some at the door":     func(s *scene) { s.Knock() },
		"where all turns are taken": func(s *scene) { fill(s.slots) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, accepts)
				before(s)
				a := s.comesSecond(1)
				done := s.run(a)
				time.Sleep(time.Millisecond)
				if _, ended := s.now(done); ended {
					t.Fatal("it does not wait")
				}
				a.Try(endpoints(1), true)
				if r, ended := s.now(done); !ended || r.Link == nil || r.after > time.Millisecond {
					t.Errorf("it has ended: %v, after %v", ended, r.after)
				}
			})
		})
	}
}

// TestSpare ends an attempt where it waits, and lets a try that is under way go on.
func TestSpare(t *testing.T) {
	for name, c := range map[string]struct {
		fate  fate
		begin func(s *scene, a *Attempt)
		after time.Duration // of the end
		meets bool
	}{
		"behind another":     {accepts, func(s *scene, _ *Attempt) { fill(s.second) }, 0, false},
		"in a crowd":         {accepts, func(s *scene, _ *Attempt) { s.Knock() }, 0, false},
		"before its turn":    {accepts, func(s *scene, _ *Attempt) { fill(s.slots) }, 0, false},
		"while it connects":  {slow, nil, time.Second, true},
		"before it fails":    {tardy, nil, 100 * time.Millisecond, false},
		"while it is waited": {accepts, func(_ *scene, a *Attempt) { a.Wait = time.Second }, time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.fate)
				a := s.attempt(false, 1)
				a.Second = true
				if c.begin != nil {
					c.begin(s, a)
				}
				done := s.run(a)
				synctest.Wait()
				a.Spare()
				time.Sleep(c.after)
				if r, ended := s.now(done); !ended || r.after != c.after || (r.Link != nil) != c.meets {
					t.Errorf("it has ended: %v, after %v, with a link: %v", ended, r.after, r.Link != nil)
				}
				for len(s.slots) > 0 {
					<-s.slots
				}
			})
		})
	}
}
