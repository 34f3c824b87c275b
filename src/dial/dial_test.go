package dial

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/peermachine"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// TestRace tries endpoints beside each other: the next when one has had its time, or has
// failed. The first that accepts wins, and of the others nothing is left.
func TestRace(t *testing.T) {
	for name, c := range map[string]struct {
		fates []fate
		won   int
		tries []string
	}{
		"the first accepts":      {[]fate{accepts, accepts}, 1, []string{"10.0.0.1 at 0s"}},
		"refusals cost no time":  {[]fate{refuses, refuses, accepts}, 3, []string{"10.0.0.1 at 0s", "10.0.0.2 at 0s", "10.0.0.3 at 0s"}},
		"nor do other failures":  {[]fate{broken, impostor, accepts}, 3, []string{"10.0.0.1 at 0s", "10.0.0.2 at 0s", "10.0.0.3 at 0s"}},
		"who is silent holds up": {[]fate{silent, mute, accepts}, 3, []string{"10.0.0.1 at 0s", "10.0.0.2 at 250ms", "10.0.0.3 at 500ms"}},
		"the quick overtake":     {[]fate{slow, accepts, accepts}, 2, []string{"10.0.0.1 at 0s", "10.0.0.2 at 250ms"}},
		"the slow may win":       {[]fate{slow, silent, slow}, 1, []string{"10.0.0.1 at 0s", "10.0.0.2 at 250ms", "10.0.0.3 at 500ms"}},
		"a late refusal helps":   {[]fate{tardy, accepts}, 2, []string{"10.0.0.1 at 0s", "10.0.0.2 at 100ms"}},
		"each is tried but once": {[]fate{slow}, 1, []string{"10.0.0.1 at 0s"}},
		"late refusals add up":   {[]fate{tardy, tardy, accepts}, 3, []string{"10.0.0.1 at 0s", "10.0.0.2 at 100ms", "10.0.0.3 at 200ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.fates...)
				numbers := make([]int, len(c.fates))
				for i := range numbers {
					numbers[i] = 1 + i
				}
				done := s.run(s.attempt(false, numbers...))
				time.Sleep(5 * time.Second)
				s.reached(done, c.won)
				if tried := s.tried(); !slices.Equal(tried, c.tries) {
					t.Errorf("tried %q, want %q", tried, c.tries)
				}
			})
		})
	}
}

// TestLosers has endpoints accept after another has won: their links are closed, and their
// lines are free before the attempt returns.
func TestLosers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, slow, slow, slow, accepts)
		s.late = true
		done := s.run(s.attempt(false, 1, 2, 3, 4))
		time.Sleep(5 * time.Second)
		s.reached(done, 4)
		if tried := s.tried(); len(tried) != 4 {
			t.Errorf("tried %q", tried)
		}
	})
}

// TestEndpointsMeanwhile has endpoints become known while others are tried: they are tried
// in the same round, and those that are known no longer are tried no more.
func TestEndpointsMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		first fate
		then  []int
		tries []string
	}{
		"beside a silent one": {silent, []int{1, 2}, []string{"10.0.0.1 at 0s", "10.0.0.2 at 250ms"}},
		"after a refusal":     {tardy, []int{1, 2}, []string{"10.0.0.1 at 0s", "10.0.0.2 at 100ms"}},
		"in place of it":      {tardy, []int{2}, []string{"10.0.0.1 at 0s", "10.0.0.2 at 100ms"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.first, accepts, accepts)
				a := s.attempt(false, 1, 3)
				a.Try(endpoints(1), false)
				done := s.run(a)
				time.Sleep(50 * time.Millisecond)
				a.Try(endpoints(c.then...), false)
				time.Sleep(5 * time.Second)
				s.reached(done, 2)
				if tried, refused := s.tried(), s.refused(); !slices.Equal(tried, c.tries) || len(refused) > 0 {
					t.Errorf("tried %q, want %q; refused at %v", tried, c.tries, refused)
				}
			})
		})
	}
}

// TestRefused tells each time that all have refused, and not when something else came of
// one of them. The waits between the rounds get longer.
func TestRefused(t *testing.T) {
	rounds := []time.Duration{0, 50, 150, 350, 750, 1550, 3150, 5150, 7150, 9150}
	for i := range rounds {
		rounds[i] *= time.Millisecond
	}
	for name, c := range map[string]struct {
		fates []fate
		want  []time.Duration
	}{
		"one":                    {[]fate{refuses}, rounds},
		"all":                    {[]fate{refuses, refuses, refuses}, rounds},
		"somebody else is there": {[]fate{impostor, refuses}, rounds},
		"one is silent":          {[]fate{refuses, silent}, nil},
		"one fails":              {[]fate{broken, refuses}, nil},
		"one says nothing":       {[]fate{mute, refuses}, nil},
		"all are silent":         {[]fate{silent, silent}, nil},
		"one has a connection":   {[]fate{refuses, occupied}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.fates...)
				a := s.attempt(false, []int{1, 2, 3}[:len(c.fates)]...)
				done := s.run(a)
				time.Sleep(10 * time.Second)
				a.Cancel()
				if refused := s.refused(); !slices.Equal(refused, c.want) {
					t.Errorf("refused at %v, want %v", refused, c.want)
				}
				if r, ended := s.now(done); !ended || r.Link != nil {
					t.Errorf("the attempt has ended: %v, at %v", ended, r.endpoint)
				}
			})
		})
	}
}

// TestWait waits before the first try as long as it is told, and longer before the next.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, refuses)
		a := s.attempt(false, 1)
		a.Wait = 300 * time.Millisecond
		done := s.run(a)
		time.Sleep(time.Second)
		if want := []string{"10.0.0.1 at 300ms", "10.0.0.1 at 900ms"}; !slices.Equal(s.tried(), want) {
			t.Errorf("tried %q, want %q", s.tried(), want)
		}
		a.Cancel()
		<-done
	})
}

// TestStuck gives up a connection that comes to no end, and tries again.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, stuck)
		a := s.attempt(false, 1)
		done := s.run(a)
		time.Sleep(link.DialTime + time.Second)
		if want := []string{"10.0.0.1 at 0s", fmt.Sprintf("10.0.0.1 at %v", link.DialTime+link.FirstWait)}; !slices.Equal(s.tried(), want) {
			t.Errorf("tried %q, want %q", s.tried(), want)
		}
		a.Cancel()
		<-done
	})
}

// TestMost tries to reach more peers than may be tried at a time that are but sighted. The
// others wait until it is their turn, but for those who are more than that.
func TestMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fates := slices.Repeat([]fate{silent}, 2*Most)
		s := newScene(t, append(fates, accepts, accepts)...)
		var sighted []*Attempt
		for i := range 2 * Most {
			a := s.attempt(false, 1+i)
			s.run(a)
			sighted = append(sighted, a)
		}
		tried := func(want int) {
			t.Helper()
			if got := len(s.tried()); got != want || len(s.slots) != Most {
				t.Fatalf("%d are tried with %d at a time, want %d", got, len(s.slots), want)
			}
		}
		tried(Most)
		urgent := s.run(s.attempt(true, 2*Most+1))
		if r, ended := s.now(urgent); !ended || r.Link == nil || r.after > 0 {
			t.Errorf("who is more than sighted waits: %v, %v", ended, r.after)
		}
		patient := s.attempt(false, 2*Most+2)
		done := s.run(patient)
		tried(Most + 1)
		patient.Try(endpoints(2*Most+2), true)
		if r, ended := s.now(done); !ended || r.Link == nil || r.after > 0 {
			t.Errorf("who is more than sighted now waits: %v, %v", ended, r.after)
		}
		patient.Try(endpoints(2*Most+2), true) // again, which changes nothing
		tried(Most + 2)
		for range 2 { // each time those who wait get their turn
			time.Sleep(3 * time.Second)
		}
		tries := s.tried()
		for i := range sighted {
			if !slices.ContainsFunc(tries, func(try string) bool { return strings.HasPrefix(try, host(1+i)+" ") }) {
				t.Errorf("%s is never tried", host(1+i))
			}
		}
		if len(s.slots) > Most {
			t.Errorf("%d at a time", len(s.slots))
		}
		for _, a := range sighted {
			a.Cancel()
		}
	})
}

// TestCancel ends an attempt in each state: it returns at once, and leaves nothing.
func TestCancel(t *testing.T) {
	for name, c := range map[string]struct {
		fates []fate
		after time.Duration
		begin func(*scene, *Attempt)
	}{
		"before the first try":    {[]fate{accepts}, 0, func(_ *scene, a *Attempt) { a.Wait = time.Minute }},
		"before it is its turn":   {[]fate{accepts}, 0, func(s *scene, _ *Attempt) { fill(s.slots) }},
		"before the line is free": {[]fate{occupied}, 100 * time.Millisecond, nil},
		"while it connects":       {[]fate{silent, silent, silent}, 400 * time.Millisecond, nil},
		"while hands are shaken":  {[]fate{mute, mute, mute}, 600 * time.Millisecond, nil},
		"between two rounds":      {[]fate{refuses, refuses, refuses}, 2 * time.Second, nil},
		"before it is run":        {[]fate{accepts}, 0, func(_ *scene, a *Attempt) { a.Cancel() }},
	} {
		for _, by := range []string{"Cancel", "the context"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newScene(t, c.fates...)
					ctx, end := context.WithCancel(t.Context())
					defer end()
					a := NewAttempt(ctx, "ben")
					a.Try(endpoints([]int{1, 2, 3}[:len(c.fates)]...), false)
					if c.begin != nil {
						c.begin(s, a)
					}
					done := s.run(a)
					if time.Sleep(c.after); name != "before it is run" {
						if _, ended := s.now(done); ended {
							t.Fatal("it has ended")
						}
						if by == "Cancel" {
							a.Cancel()
						} else {
							end()
						}
					}
					if r, ended := s.now(done); !ended || r.Link != nil || r.endpoint != (sight.Endpoint{}) || r.after != c.after {
						t.Errorf("it has ended: %v, at %v, after %v", ended, r.endpoint, r.after)
					}
					for full := len(s.slots) == Most; full && len(s.slots) > 0; {
						<-s.slots
					}
					if c.fates[0] == occupied {
						s.Leave(at(1))
					}
					s.lies()
				})
			})
		}
	}
}

// fill takes all turns.
func fill(slots chan struct{}) {
	for range cap(slots) {
		slots <- struct{}{}
	}
}

// TestManyAttempts has many attempts meet at few endpoints that are moody, be cancelled,
// become urgent and hear of other endpoints, all at once. No endpoint ever has two
// connections, and in the end all lines and turns are free.
func TestManyAttempts(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			fates := make([]fate, 8)
			for i := range fates {
				fates[i] = fate(random.IntN(int(occupied)))
			}
			fates[0] = accepts
			s := newScene(t, fates...)
			s.late = random.IntN(2) == 0 && !slices.ContainsFunc(fates, func(f fate) bool { return f == silent || f == mute || f == stuck })
			var mu sync.Mutex
			trying, last := map[sight.Endpoint]bool{}, map[sight.Endpoint]*link.Link{}
			open := func(ctx context.Context, e sight.Endpoint) (*link.Link, error) {
				mu.Lock()
				if trying[e] || last[e] != nil && stands(last[e]) {
					t.Errorf("seed %d: a second connection to %s", seed, e)
				}
				trying[e] = true
				mu.Unlock()
				k, err := s.open(ctx, e)
				mu.Lock()
				defer mu.Unlock()
				trying[e] = false
				if err == nil {
					last[e] = k
				}
				return k, err
			}
			reached := 0
			var all sync.WaitGroup
			for range 100 {
				some := func() (list []sight.Endpoint) {
					for range 1 + random.IntN(3) {
						list = append(list, at(1+random.IntN(len(fates))))
					}
					return list
				}
				a := NewAttempt(t.Context(), "ben")
				a.Try(some(), random.IntN(2) == 0)
				a.Wait = time.Duration(random.IntN(3)) * 100 * time.Millisecond
				again, urgent, pause, stay := some(), random.IntN(2) == 0, time.Duration(random.IntN(2000))*time.Millisecond, time.Duration(random.IntN(300))*time.Millisecond
				all.Go(func() {
					k, e := a.Run(s.Dialer, open, func() {})
					if k == nil {
						return
					}
					mu.Lock()
					reached++
					mu.Unlock()
					time.Sleep(stay)
					_ = k.Close()
					s.Leave(e)
				})
				all.Go(func() {
					time.Sleep(pause)
					a.Try(again, urgent)
					time.Sleep(20 * time.Second)
					a.Cancel()
				})
			}
			all.Wait()
			if reached == 0 {
				t.Errorf("seed %d: none has reached anybody", seed)
			}
			s.lies()
		})
	}
}

// stands tells whether a link is open.
func stands(k *link.Link) bool {
	_, err := k.ReserveControl(math.MaxInt32)
	return errors.Is(err, link.ErrOverflow)
}

// TestAgain waits longer each time for who does not let a connection stand, below half the
// time in which a greeting is answered, and shortly for who is present or did.
func TestAgain(t *testing.T) {
	const ms, greeting = time.Millisecond, peermachine.DefaultGreeting
	for _, c := range []struct {
		last, stood time.Duration
		present     bool
		greeting    time.Duration
		want        time.Duration
	}{
		{0, 0, false, greeting, link.FirstWait},
		{link.FirstWait, 0, false, greeting, 2 * link.FirstWait},
		{time.Second, greeting/2 - 1, false, greeting, 2 * time.Second},
		{time.Hour, 0, false, greeting, greeting / 2},
		{time.Hour, 0, false, 100 * greeting, greeting / 2},
		{time.Hour, 0, false, time.Second, 500 * ms},
		{time.Hour, greeting / 2, false, greeting, link.FirstWait},
		{time.Hour, 500 * ms, false, time.Second, link.FirstWait},
		{0, 0, true, greeting, link.FirstWait},
		{time.Second, 0, true, greeting, 2 * time.Second},
		{time.Hour, 0, true, greeting, link.Longer(time.Hour)},
	} {
		if got := Again(c.last, c.stood, c.present, c.greeting); got != c.want {
			t.Errorf("after %v, and %v, present %v, within %v: %v, want %v", c.last, c.stood, c.present, c.greeting, got, c.want)
		}
	}
	for _, present := range []bool{false, true} {
		last := time.Duration(0)
		for i := range 20 {
			wait := Again(last, 0, present, greeting)
			if wait < last || wait > greeting/2 || i < 5 && wait == last {
				t.Errorf("present %v: %v after %v", present, wait, last)
			}
			last = wait
		}
	}
}

// TestHost returns the host that all endpoints are on, if it is one.
func TestHost(t *testing.T) {
	for want, list := range map[string][]sight.Endpoint{
		"10.0.0.1": {sight.At("10.0.0.1", 1), sight.At("10.0.0.1", 2)},
		"::1":      {sight.At("::1", 1)},
		"":         {sight.At("10.0.0.1", 1), sight.At("10.0.0.1", 2), sight.At("10.0.0.2", 1)},
	} {
		a := NewAttempt(t.Context(), "ben")
		a.Try(endpoints(1, 2), false)
		a.Try(list, false)
		if got := a.Host(); got != want {
			t.Errorf("%s: %q, want %q", fmt.Sprint(list), got, want)
		}
		a.Try(nil, false)
		if got := a.Host(); got != "" {
			t.Errorf("none: %q", got)
		}
	}
}
