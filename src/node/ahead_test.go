package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/link"
)

// trip is how long there and back takes between any two hosts of a scene of strangers.
const trip = 80 * time.Millisecond

// strangers is two who are in one network and in no group, and know each other by a server.
type strangers struct {
	*rendezvousScene
	ana, ben *actor
}

func inStrangers(t *testing.T, play func(s *strangers)) { inStrangersWith(t, func(*Node) {}, play) }

// inStrangersWith is inStrangers with nodes that are prepared.
func inStrangersWith(t *testing.T, prepare func(*Node), play func(s *strangers)) {
	synctest.Test(t, func(t *testing.T) {
		s := &strangers{rendezvousScene: newRendezvous(t)}
		s.server.Close()
		s.memory = link.NewMemory(func(string, string) time.Duration { return trip / 2 })
		s.run()
		defer func() { s.server.Close() }()
		s.ana, s.ben = s.node("ana", s.found, alone, prepare), s.node("ben", s.found, alone, prepare)
		time.Sleep(5 * time.Second)
		play(s)
		_ = s.ana.Stop()
		_ = s.ben.Stop()
	})
}

// says has one whisper to another, and returns what becomes of it.
func (s *strangers) says(from, to *actor, word string) <-chan error {
	said := make(chan error, 1)
	go func() { said <- from.Whisper(s.t.Context(), to.UUID(), text(word)) }()
	return said
}

// TestAhead has the first word to a stranger come with the request for a way to it.
func TestAhead(t *testing.T) {
	inStrangers(t, func(s *strangers) {
		began := time.Now()
		said := s.says(s.ana, s.ben, "hi")
		s.ben.gets("enter ana", `whisper ana "hi"`)
		if took := time.Since(began); took != 2*trip { // one for the key to seal with
			s.t.Errorf("it takes %v", took)
		}
		s.ana.must(s.ben.Whisper(s.t.Context(), s.ana.UUID(), text("welcome")))
		s.ana.must(<-said)
		s.ana.wants("enter ben", `whisper ben "welcome"`)
		s.ana.must(s.ana.Flush(s.t.Context()))
		s.ana.must(s.ben.Flush(s.t.Context()))
		s.ana.talk(s.ben)
		s.ben.talk(s.ana)
		s.ana.must(s.ana.Stop())
		s.ben.wants("exit ana left")
		for _, a := range []*actor{s.ana, s.ben} {
			if counts := a.Counts(); len(counts) > 0 {
				s.t.Errorf("%s counts %v", a.Name(), counts)
			}
		}
	})
}

// TestAheadOfEachOther has two say their first words at the same time, and some more.
func TestAheadOfEachOther(t *testing.T) {
	for apart := range 12 {
		t.Run(fmt.Sprint(apart), func(t *testing.T) {
			inStrangers(t, func(s *strangers) {
				said := []<-chan error{s.says(s.ana, s.ben, "one")}
				time.Sleep(time.Duration(apart) * trip / 4)
				said = append(said, s.says(s.ben, s.ana, "uno"), s.says(s.ben, s.ana, "due"))
				synctest.Wait()
				said = append(said, s.says(s.ana, s.ben, "two"))
				for _, one := range said {
					s.ana.must(<-one)
				}
				s.ana.must(s.ana.Flush(s.t.Context()))
				s.ana.must(s.ben.Flush(s.t.Context()))
				hears := func(a *actor, enter string, words ...string) {
					got := map[string]int{a.next(time.Minute): 1}
					if got[enter] != 1 {
						s.t.Errorf("%s first hears %v", a.Name(), got)
					}
					for range words {
						got[a.next(time.Minute)]++
					}
					for _, word := range words {
						if got[word] != 1 {
							s.t.Errorf("%s hears %v", a.Name(), got)
						}
					}
				}
				hears(s.ben, "enter ana", `whisper ana "one"`, `whisper ana "two"`)
				hears(s.ana, "enter ben", `whisper ben "uno"`, `whisper ben "due"`)
				s.ana.talk(s.ben)
				s.ben.talk(s.ana)
			})
		})
	}
}

// TestAheadIsLost has what was sent ahead be lost with the connections of either side, at any
// time: it comes once, over the first link, unless an error says that it may have arrived.
func TestAheadIsLost(t *testing.T) {
	for step := range 24 {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			inStrangers(t, func(s *strangers) {
				said := s.says(s.ana, s.ben, "hi")
				time.Sleep(time.Duration(step/3) * trip / 4)
				s.memory.Cut([]string{s.ana.host, s.ben.host, hostOfServer}[step%3])
				tries := 1
				for err := <-said; err != nil; err = <-s.says(s.ana, s.ben, "hi") { // it takes too long to be back
					if !errors.Is(err, api.ErrNoPeer) || tries == 10 {
						s.t.Fatal(err)
					}
					time.Sleep(30 * time.Second)
					tries++
				}
				s.ana.must(s.ana.Flush(s.t.Context()))
				s.ana.must(s.ana.Whisper(s.t.Context(), s.ben.UUID(), text("over")))
				came := 0
				for got := ""; got != `whisper ana "over"`; {
					if got = s.ben.next(time.Minute); got == `whisper ana "hi"` {
						came++
					} else if got == "context deadline exceeded" {
						s.t.Fatal("the last word does not come")
					}
				}
				if came < 1 || came > tries {
					s.t.Errorf("it comes %d times after %d tries", came, tries)
				}
			})
		})
	}
}

// TestAheadIsOutdated has somebody say something under a challenge that does not count any more:
// it is told that it did not come.
func TestAheadIsOutdated(t *testing.T) {
	inStrangers(t, func(s *strangers) {
		s.ana.ears.wan.Ahead(s.t.Context(), s.ben.UUID()).Inside.Challenge[0] ^= 1
		s.ana.must(<-s.says(s.ana, s.ben, "hi"))
		s.ana.gets("enter ben", `undelivered ben "hi"`, "exit ben network")
		if n := s.ben.Counts()["words ahead of a link that are not right"]; n != 1 {
			s.t.Errorf("ben counts %d", n)
		}
	})
}

// TestAheadOfNothing has the one or the other be gone after something was sent ahead.
func TestAheadOfNothing(t *testing.T) {
	t.Run("the receiver", func(t *testing.T) {
		inStrangers(t, func(s *strangers) {
			s.memory.Crash(s.ben.host)
			began := time.Now()
			if err := <-s.says(s.ana, s.ben, "hi"); !errors.Is(err, api.ErrNoPeer) || time.Since(began) > 2*s.ana.Greeting {
				s.t.Errorf("%v after %v", err, time.Since(began))
			}
			if got := s.ana.next(time.Minute); !strings.HasPrefix(got, "unreachable ") {
				s.t.Errorf("it is told %q", got)
			}
			s.ana.idle(time.Minute)
		})
	})
	t.Run("the sender", func(t *testing.T) {
		inStrangers(t, func(s *strangers) {
			said := s.says(s.ana, s.ben, "hi")
			s.ben.gets("enter ana", `whisper ana "hi"`)
			s.memory.Crash(s.ana.host)
			began := time.Now()
			for got := ""; got != "exit ana network" && got != "exit ana expired"; {
				if got = s.ben.next(time.Minute); got == "context deadline exceeded" {
					s.t.Fatalf("nothing is told of it after %v", time.Since(began))
				}
			}
			s.ana.kill()
			<-said
		})
	})
	t.Run("the call", func(t *testing.T) {
		inStrangers(t, func(s *strangers) {
			ctx, cancel := context.WithTimeout(s.t.Context(), trip+trip/2)
			defer cancel()
			if err := s.ana.Whisper(ctx, s.ben.UUID(), text("hi")); !errors.Is(err, context.DeadlineExceeded) {
				s.t.Error(err)
			}
			s.ben.gets("enter ana", `whisper ana "hi"`)
			s.ana.gets("enter ben")
			s.ana.talk(s.ben)
		})
	})
}

// TestTooMuchAhead has what is too long go over the first link.
func TestTooMuchAhead(t *testing.T) {
	inStrangers(t, func(s *strangers) {
		for _, octets := range []int{maxAhead - 100, maxAhead + 1, 1 << 20} {
			long := bytes.Repeat([]byte{'x'}, octets)
			s.ana.must(s.ana.Whisper(s.t.Context(), s.ben.UUID(), [][]byte{long}))
		}
		s.ana.must(s.ana.Flush(s.t.Context()))
		s.ben.gets("enter ana")
		for _, octets := range []int{maxAhead - 100, maxAhead + 1, 1 << 20} {
			if got := s.ben.next(time.Minute); len(got) < octets {
				s.t.Fatalf("it hears %.40q", got)
			}
		}
	})
}
