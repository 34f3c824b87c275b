package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/zre"
)

const keyWait = zremsg.MaxSealingWait * time.Second

// keyless returns a peer that is present, and whose sealing key has not come.
func (s *speaker) keyless(name string) *listener {
	s.Helper()
	l := s.listenerThat(name, sealed, func(g *guard.Guard) *identity.Card { return g.Identity.Card() })
	if l.sealing().Key() != nil {
		s.Fatalf("%s brings its key", name)
	}
	l.connect()
	l.listens()
	return l
}

// sealing is what the speaker knows of the peer's key.
func (l *listener) sealing() *identity.Sealing { return l.to.badge().Card.Sealing }

// key is the peer's.
func (l *listener) key() []byte { return slices.Clone(l.guard.Identity.Card().Sealing.Key()) }

// renews has the peer show another card, and bring its key or not.
func (l *listener) renews(brings bool) {
	l.Helper()
	time.Sleep(time.Second)
	card, err := l.guard.Identity.Issue(l.guard.Incarnation, time.Now())
	l.must(err)
	if brings {
		card = nil
	}
	hello := greeting(l.guard)
	var on guard.Nonces
	l.guard.Present(hello, l.ID, &on, l.asks, card, false)
	was := l.to.badge()
	badge, err := l.Guard.Vet(l.guard.ID, nil, hello, &on, was)
	l.must(err)
	core, _ := meet(l.TB, l.ID, l.guard.ID, greeting(l.guard), was)
	l.to.Update(hear(l.TB, core, l.guard.ID, hello, badge))
}

// soon says something, and returns the error when there is one.
func (s *speaker) soon(ctx context.Context, to *listener, text string) <-chan error {
	said := make(chan error, 1)
	go func() { said <- s.Whisper(ctx, to.to, frames(text)) }()
	synctest.Wait()
	return said
}

// waits makes sure that there is no error, nor an end, yet.
func (s *speaker) waits(said <-chan error) {
	s.Helper()
	synctest.Wait()
	select {
	case err := <-said:
		s.Fatalf("it does not wait: %v", err)
	default:
	}
}

// TestWhisperWaitsForKey says things to a peer whose key is not known: it is asked for once,
// nothing goes before it has come, and then all does.
func TestWhisperWaitsForKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.keyless("ben")
		one := s.soon(t.Context(), ben, "one")
		two := s.soon(t.Context(), ben, "two")
		for range 3 {
			time.Sleep(time.Second)
			s.waits(one)
			s.waits(two)
		}
		ben.wants("1 HELLO", "2 ASK-SEALING")
		for _, wrong := range [][]byte{nil, ben.key()[1:], append(ben.key(), 0), s.Identity.Card().Sealing.Key()} {
			if err := ben.sealing().Take(wrong); !errors.Is(err, identity.ErrMalformed) {
				t.Errorf("%d octets are taken: %v", len(wrong), err)
			}
		}
		s.waits(one)
		s.must(ben.sealing().Take(ben.key()))
		s.must(errors.Join(<-one, <-two))
		got := ben.told()
		if slices.Sort(got); !slices.Equal(got[:1], []string{"3 OPEN"}) || len(got) != 3 {
			t.Errorf("ben is told %q", got)
		}
		s.whispers(ben, "three")
		ben.wants("6 sealed whisper three")
	})
}

// TestWhisperWithoutKey says things to a peer that does not bring its key: each fails in
// time, and those after the first at once; nothing goes unsealed, and it is asked once in
// a while.
func TestWhisperWithoutKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.keyless("ben")
		began := time.Now()
		fails := func(after time.Duration) {
			t.Helper()
			if err := s.Whisper(t.Context(), ben.to, frames("secret")); !errors.Is(err, api.ErrNoKey) || time.Since(began) != after {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
		}
		fails(keyWait)
		ben.wants("1 HELLO", "2 ASK-SEALING")
		fails(keyWait)
		fails(keyWait)
		ben.wants("3 ASK-SEALING")
		time.Sleep(keyWait)
		for range 1000 {
			fails(2 * keyWait)
		}
		ben.wants("4 ASK-SEALING")
		s.must(ben.sealing().Take(ben.key()))
		s.whispers(ben, "late")
		ben.wants("5 OPEN", "6 sealed whisper late")
	})
}

// TestWaitForKeyEnds ends the wait for a key in each way that there is.
func TestWaitForKeyEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*listener, context.CancelFunc)
		want error
	}{
		"the caller gives up": {func(_ *listener, cancel context.CancelFunc) { cancel() }, context.Canceled},
		"the peer goes":       {func(l *listener, _ context.CancelFunc) { l.to.End() }, api.ErrNoPeer},
		"the path is lost, and the key comes": {func(l *listener, _ context.CancelFunc) {
			_ = l.path.Link().Close()
			l.connect()
			l.listens()
			l.must(l.sealing().Take(l.key()))
		}, nil},
		"another card with its key": {func(l *listener, _ context.CancelFunc) { l.renews(true) }, nil},
		"another card, and its key after that": {func(l *listener, _ context.CancelFunc) {
			l.renews(false)
			synctest.Wait()
			l.must(l.sealing().Take(l.key()))
		}, nil},
		"another card, whose key does not come": {func(l *listener, _ context.CancelFunc) { l.renews(false) }, api.ErrNoKey},
		"many cards, whose keys do not come":    {func(l *listener, _ context.CancelFunc) { l.renews(false); l.renews(false); l.renews(false) }, api.ErrNoKey},
		"another card, and the key of the first": {func(l *listener, _ context.CancelFunc) {
			key, was := l.key(), l.sealing()
			l.renews(false)
			l.must(was.Take(key))
		}, api.ErrNoKey},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpeaker(t)
				ben := s.keyless("ben")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				began := time.Now()
				said := s.soon(ctx, ben, "secret")
				s.waits(said)
				test.end(ben, cancel)
				if err := <-said; !errors.Is(err, test.want) || time.Since(began) > keyWait {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				for _, line := range ben.told() {
					if line[2:] == "whisper secret" {
						t.Errorf("ben is told %q", line)
					}
				}
			})
		})
	}
}

// TestRenewedWithTheSameKey shows another card that names the same key: nothing is brought
// or asked for, and what is said goes on.
func TestRenewedWithTheSameKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", sealed)
		ben.connect()
		ben.listens()
		s.whispers(ben, "before")
		ben.wants("1 HELLO", "2 OPEN", "3 sealed whisper before")
		key := ben.sealing()
		renewed := *ben.guard.Identity.Card()
		renewed.Sealing = key
		badge := *ben.to.badge()
		badge.Card = &renewed
		core, _ := meet(t, s.ID, ben.guard.ID, greeting(ben.guard), &zre.Badge{})
		ben.to.Update(hear(t, core, ben.guard.ID, greeting(ben.guard), &badge))
		s.whispers(ben, "after")
		ben.wants("4 OPEN", "5 sealed whisper after")
	})
}

// TestShoutPastKeyless shouts to a group, some of which do not bring their keys: the others
// get it at once, all of those are waited for together, and for the next shout not at all.
func TestShoutPastKeyless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", sealed)
		ben.connect()
		ben.listens()
		all := []*listener{ben}
		for i := range 10 {
			all = append(all, s.keyless(fmt.Sprint("eve", i)))
		}
		s.gather("room", all...)
		began := time.Now()
		shout := s.shoutSoon(t.Context(), "one")
		synctest.Wait()
		ben.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room one")
		if sent := <-shout; sent != (outcome{1, nil}) || time.Since(began) != keyWait {
			t.Errorf("after %v: %v", time.Since(began), sent)
		}
		s.shouts("room", "two", 1)
		if time.Since(began) != keyWait {
			t.Errorf("the next takes %v", time.Since(began))
		}
		for _, eve := range all[1:] {
			eve.wants("1 HELLO", "2 ASK-SEALING", "3 ASK-SEALING")
			if skipped, _ := eve.to.Missed(); skipped.Messages != 2 {
				t.Errorf("%d shouts are told as missed", skipped.Messages)
			}
		}
		eve := all[1]
		s.must(eve.sealing().Take(eve.key()))
		s.shouts("room", "three", 2)
		eve.wants("4 OPEN", "5 KEY", "6 sealed shout room three")
	})
}

// TestRenewedWhileSealed has many whisper while the peer shows one card after another, and
// brings the keys with them or after them: all arrives, sealed, and opens.
func TestRenewedWhileSealed(t *testing.T) {
	const speakers, each, cards = 4, 100, 20
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", sealed)
		ben.connect()
		ben.listens()
		var work sync.WaitGroup
		for n := range speakers {
			work.Go(func() {
				for i := range each {
					if err := s.Whisper(t.Context(), ben.to, frames(fmt.Sprint(n, " ", i))); err != nil {
						t.Error(err)
					}
					time.Sleep(cards * 2 * time.Second / each)
				}
			})
		}
		for i := range cards {
			if ben.renews(i%2 == 0); i%2 != 0 {
				time.Sleep(time.Second)
				s.must(ben.sealing().Take(ben.key()))
			}
		}
		work.Wait()
		came := map[string]bool{}
		opened := 0
		for _, line := range ben.told() {
			_, what, _ := strings.Cut(line, " ")
			if text, is := strings.CutPrefix(what, "sealed whisper "); is {
				came[text] = true
			} else if what == "OPEN" {
				opened++
			} else if what != "HELLO" && what != "ASK-SEALING" {
				t.Errorf("ben is told %q", line)
			}
		}
		if len(came) != speakers*each || opened < cards {
			t.Errorf("%d whispers come, in %d sessions", len(came), opened)
		}
	})
}
