package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// even is chance that varies no wait.
func even(string) float64 { return 0.5 }

// us is the host that dials.
const us = "10.0.0.100"

// host returns the address of the host of a number.
func host(number int) string { return fmt.Sprintf("10.0.%d.%d", number>>8, number&255) }

// at returns where the host of a number is to be reached.
func at(number int) sight.Endpoint { return sight.At(host(number), 5670) }

func endpoints(numbers ...int) (list []sight.Endpoint) {
	for _, number := range numbers {
		list = append(list, at(number))
	}
	return list
}

// What becomes of a connection.
type fate int

const (
	refuses  fate = iota
	accepts       // at once
	slow          // accepts after a second
	tardy         // refuses after 100 ms
	silent        // does not answer
	mute          // takes connections, and says nothing
	impostor      // accepts, and is somebody else
	stuck         // comes to no end
	broken        // fails at once
	occupied      // would accept, but there is a connection already
)

// wait is how long it takes until something becomes of a connection.
var wait = map[fate]time.Duration{slow: time.Second, tardy: 100 * time.Millisecond, stuck: time.Hour}

// errBroken says that something other than a refusal has failed.
var errBroken = errors.New("there is no route")

// scene is a dialer, and hosts on a network in memory.
type scene struct {
	*testing.T
	*Dialer
	net   *link.Memory
	fates map[sight.Endpoint]fate
	start time.Time
	late  bool // a connection that has begun is made, whatever has won meanwhile

	mu       sync.Mutex
	tries    []string               // each endpoint with the time when it was tried
	standing map[sight.Endpoint]int // links at the far side
	refusals []time.Duration        // when all had refused
}

// newScene returns one in which hosts 1, 2 and so on do as they are told. It ends with the
// test.
func newScene(t *testing.T, fates ...fate) *scene {
	s := &scene{
		T: t, Dialer: NewDialer(even), net: link.NewMemory(nil), start: time.Now(),
		fates: map[sight.Endpoint]fate{}, standing: map[sight.Endpoint]int{},
	}
	for i, f := range fates {
		e := at(1 + i)
		switch s.fates[e] = f; f {
		case silent:
			s.net.Partition(us, e.Host(), true)
		case occupied:
			_ = s.lines.enter(t.Context(), e.Address) // of many that are free
		case accepts, slow, mute, impostor:
			s.listen(e, f)
		}
	}
	return s
}

// listen has a host take connections until the test ends.
func (s *scene) listen(e sight.Endpoint, f fate) {
	listener, err := s.net.Host(e.Host()).Listen(s.Context(), e.Bare())
	if err != nil {
		s.Fatal(err)
	}
	var open sync.WaitGroup
	ctx, end := context.WithCancel(context.Background())
	open.Go(func() {
		link.Accept(ctx, listener, 1000, func(conn net.Conn, over func()) {
			open.Go(func() {
				defer over()
				if f == mute {
					<-ctx.Done()
					_ = conn.Close()
					return
				}
				s.serve(ctx, e, conn)
			})
		}, func(err error) { s.Error(err) })
	})
	s.Cleanup(func() { end(); open.Wait() })
}

// serve is the far side of a connection.
func (s *scene) serve(ctx context.Context, e sight.Endpoint, conn net.Conn) {
	k, err := link.Open(ctx, conn, link.Config{Type: zmtp.Router, Identity: []byte(e.Host())})
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = k.Close() })()
	s.stand(e, 1)
	_ = k.Serve(func(b *link.Batch) error { b.Release(); return nil })
	s.stand(e, -1)
}

func (s *scene) stand(e sight.Endpoint, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.standing[e] += more
}

// open is an Open.
func (s *scene) open(ctx context.Context, e sight.Endpoint) (*link.Link, error) {
	s.mu.Lock()
	s.tries = append(s.tries, fmt.Sprintf("%s at %v", e.Host(), time.Since(s.start)))
	s.mu.Unlock()
	if s.late {
		ctx = context.WithoutCancel(ctx)
	}
	f := s.fates[e]
	if !link.Pause(ctx, wait[f]) {
		return nil, context.Cause(ctx)
	}
	if f == broken {
		return nil, errBroken
	}
	conn, err := link.Connect(ctx, s.net.Host(us), e.Bare())
	if err != nil {
		return nil, err
	}
	k, err := link.Open(ctx, conn, link.Config{Type: zmtp.Dealer})
	if err == nil && f == impostor {
		return nil, errors.Join(ErrSomebodyElse, k.Close())
	}
	return k, err
}

// tried returns each endpoint that was tried by now, with the time.
func (s *scene) tried() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.tries)
}

// refused returns when all had refused by now.
func (s *scene) refused() []time.Duration {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refusals)
}

// attempt returns an attempt to reach hosts, of which the peer may be more than sighted.
func (s *scene) attempt(urgent bool, numbers ...int) *Attempt {
	a := NewAttempt(s.Context(), "ben")
	a.Try(endpoints(numbers...), urgent)
	return a
}

// result is what Run returns, and when.
type result struct {
	*link.Link
	endpoint sight.Endpoint
	after    time.Duration
}

// run runs an attempt. What becomes of it comes out once; a link is closed with the test.
func (s *scene) run(a *Attempt) <-chan result {
	done := make(chan result, 1)
	go func() {
		k, endpoint := a.Run(s.Dialer, s.open, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refusals = append(s.refusals, time.Since(s.start))
		})
		if k != nil {
			s.Cleanup(func() { _ = k.Close() })
		}
		if a.ctx.Err() == nil {
			s.Error("the attempt's context lives on")
		}
		done <- result{k, endpoint, time.Since(s.start)}
	}()
	return done
}

// now returns what has become of an attempt by now, if something has.
func (s *scene) now(done <-chan result) (r result, ended bool) {
	s.Helper()
	synctest.Wait()
	select {
	case r = <-done:
		return r, true
	default:
		return r, false
	}
}

// reached makes sure that an attempt has reached a host by now, over a line that is the
// only one, with no connection elsewhere.
func (s *scene) reached(done <-chan result, number int) {
	s.Helper()
	r, ended := s.now(done)
	if !ended || r.Link == nil || r.endpoint != at(number) {
		s.Fatalf("the attempt has ended: %v, at %v", ended, r.endpoint)
	}
	s.lies(number)
	s.Leave(r.endpoint)
}

// lies makes sure that there are lines to these hosts, links at these that accept them, and
// nothing else.
func (s *scene) lies(numbers ...int) {
	s.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines.mu.Lock()
	defer s.lines.mu.Unlock()
	for e, n := range s.standing {
		if n > 1 || n == 1 && !slices.Contains(endpoints(numbers...), e) {
			s.Errorf("%d links stand at %s", n, e)
		}
	}
	for _, number := range numbers {
		if s.standing[at(number)] != 1 {
			s.Errorf("no link stands at %s", at(number))
		}
		if s.lines.at[at(number).Address] == nil {
			s.Errorf("the line to %s is free", at(number))
		}
	}
	if len(s.lines.at) != len(numbers) || len(s.slots) != 0 {
		s.Errorf("lines %v, and %d attempts under way", s.lines.at, len(s.slots))
	}
}
