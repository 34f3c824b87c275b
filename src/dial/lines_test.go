package dial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestLine has many wait for the line to one endpoint: one has it at a time, the next when
// it is left. Who has waited for a while goes away. Another endpoint has another line.
func TestLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := &NewDialer(even).lines, time.Now()
		if err := errors.Join(l.enter(t.Context(), "a"), l.enter(t.Context(), "b")); err != nil || time.Since(start) > 0 {
			t.Fatalf("%v, after %v", err, time.Since(start))
		}
		results := make(chan string)
		for range 3 {
			go func() {
				err := l.enter(t.Context(), "a")
				results <- fmt.Sprintf("%v at %v", err, time.Since(start))
			}()
		}
		var came []string
		for range 2 { // each time one of those who wait has it
			time.Sleep(100 * time.Millisecond)
			l.leave("a")
			came = append(came, <-results)
		}
		came = append(came, <-results)
		if want := []string{"<nil> at 100ms", "<nil> at 200ms", errOccupied.Error() + " at 250ms"}; !slices.Equal(came, want) {
			t.Errorf("%q, want %q", came, want)
		}
		l.leave("a")
		l.leave("b")
		if len(l.at) > 0 {
			t.Errorf("lines %v", l.at)
		}
	})
}

// TestLineGivenUp has somebody give up who waits for a line: it is told why, and others
// who wait are not affected.
func TestLineGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, why := &NewDialer(even).lines, errors.New("over")
		if err := l.enter(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone, stays := make(chan error, 1), make(chan error, 1)
		go func() { gone <- l.enter(ctx, "a") }()
		go func() { stays <- l.enter(t.Context(), "a") }()
		synctest.Wait()
		start := time.Now()
		cancel(why)
		if err := <-gone; !errors.Is(err, why) || time.Since(start) > 0 {
			t.Errorf("who gives up is told: %v, after %v", err, time.Since(start))
		}
		l.leave("a")
		if err := <-stays; err != nil || time.Since(start) > 0 {
			t.Errorf("who stays: %v, after %v", err, time.Since(start))
		}
		l.leave("a")
	})
}

// TestSameEndpoint has two attempts reach the same endpoint: the second waits until the
// link of the first has ended, and takes another endpoint if that lasts.
func TestSameEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, accepts, accepts)
		first := <-s.run(s.attempt(false, 1))
		second := s.run(s.attempt(false, 1))
		time.Sleep(100 * time.Millisecond)
		if _, ended := s.now(second); ended {
			t.Error("it does not wait")
		}
		_ = first.Close()
		s.Leave(first.endpoint)
		r, ended := s.now(second)
		if !ended || r.Link == nil || r.after != 100*time.Millisecond {
			t.Fatalf("it has the line: %v, after %v", ended, r.after)
		}
		third := <-s.run(s.attempt(false, 1, 2))
		if third.endpoint != at(2) || third.after != 350*time.Millisecond || len(s.refused()) > 0 {
			t.Errorf("%s after %v, refused at %v", third.endpoint, third.after, s.refused())
		}
		s.lies(1, 2)
	})
}
