package node

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/seal"
)

// TestOneOpening has a session opened over many connections at once. It opens on one.
func TestOneOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		from := s.ana.table.find(s.ben.UUID())
		own := &channel.Own{Identity: s.ana.guard.Identity, Apart: s.ana.apart}
		for number := range uint64(10) {
			_, open, err := seal.Open(s.ben.guard.Identity, s.ben.guard.Identity.Card(), s.ana.guard.Identity.Card(), s.ana.challenge(s.ben), 1+number)
			s.ben.must(err)
			var opened atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					to := &channel.Unsealer{Own: own}
					if _, err := to.Whisper(from, [][]byte{bytes.Clone(open)}, nil); err == nil {
						opened.Add(1)
					} else if !errors.Is(err, seal.ErrReplay) {
						t.Error(err)
					}
				})
			}
			if all.Wait(); opened.Load() != 1 {
				t.Fatalf("session %d is opened %d times", number, opened.Load())
			}
		}
	})
}

// TestFloodOfSessions opens more sessions than a peer may: the connection ends. So it
// does not for one a second.
func TestFloodOfSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto, blinded)
		to := s.ben.table.find(s.ana.UUID())
		out := to.Path().Link()
		opens := func(times int, pause time.Duration) (ended bool) {
			for range times {
				_, open, err := seal.Open(s.ben.guard.Identity, s.ben.guard.Identity.Card(), s.ana.guard.Identity.Card(), s.ana.challenge(s.ben), s.ben.guard.Serial())
				s.ben.must(err)
				if _, err = s.tap.between(s.ben, s.ana).inject(frame(&zremsg.Whisper{Sequence: 9}, open)); err != nil {
					break // it has ended
				}
				time.Sleep(pause)
			}
			s.rest()
			return to.Path().Link() != out
		}
		if opens(2*channel.MaxSessions, time.Second/channel.SessionsRate) || opens(channel.MaxSessions, 0) {
			t.Error("the connection has ended")
		}
		if !opens(3, 0) { // one of which is made good
			t.Error("the connection has not ended")
		}
		s.unharmed()
	})
}

// TestFloodOfKeys gives ana keys of more groups than she keeps, and then makes her
// make, and keep, the keys of messages that never came, until the connection ends.
func TestFloodOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, many = 1 << 10, 1024 // octets for a key and its record; messages that may be missing before one
		s := newScene(t, api.NodeSecurityAuto, blinded)
		to := s.ben.table.find(s.ana.UUID())
		out := to.Path()
		s.ben.talk(s.ana)
		key := func(i int) *onceseal.Key {
			return &onceseal.Key{Group: fmt.Sprint("group", i), Chain: make([]byte, 32)}
		}
		before := heap()
		for i := range 2 * channel.MaxKeys {
			k := key(i)
			out.Session(func(session *seal.Sender) {
				_, err := s.tap.between(s.ben, s.ana).inject(frame(&zremsg.Whisper{Sequence: 9}, session.AppendKey(nil, k)))
				s.ben.must(err)
			})
		}
		s.rest()
		given := s.ana.holds(s.ben)
		if got := given.Held(); got > channel.MaxKeys || got < channel.MaxKeys/2 {
			t.Errorf("%d keys are kept", got)
		}
		if took := heap() - before; took > channel.MaxKeys*each {
			t.Errorf("the keys take %d octets", took)
		}
		gap := func(i int) { // one that only who proves it can make, and need not seal
			k := key(2*channel.MaxKeys - 1 - i)
			message, digest := groupMessage(s.ben, k, many, func([]byte) []byte { return make([]byte, 64) })
			words := frame(&zremsg.Shout{Sequence: 9, Group: k.Group}, message, s.proof(s.ana, digest))
			_, err := s.tap.between(s.ben, s.ana).inject(words)
			s.ben.must(err)
		}
		const atOnce, ofMessage = channel.MaxMissing / many, 128 // octets for the key of a message
		before = heap()
		gaps := 0
		stands := func(more int) bool { // after more gaps at once
			for last := gaps + more; gaps < last; gaps++ {
				gap(gaps)
			}
			s.rest()
			return to.Path() == out
		}
		for range 4 {
			if !stands(atOnce) {
				t.Fatalf("the connection ends after %d gaps", gaps)
			}
			time.Sleep(channel.MaxMissing / channel.MissingRate * time.Second) // makes them good
		}
		if took := heap() - before; took > (channel.MaxMissing+many)*ofMessage {
			t.Errorf("the keys of messages that never came take %d octets", took)
		}
		if stands(atOnce + 1) {
			t.Error("the connection has not ended")
		}
		s.unharmed()
	})
}

// TestOpeningWhileRenewing opens sessions while the card is renewed under which they
// are opened. Nothing is lost.
func TestOpeningWhileRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		to := s.ben.table.find(s.ana.UUID())
		for i := range 100 {
			var renewal sync.WaitGroup
			renewal.Go(func() {
				s.ben.loop.do(func() {
					_, err := s.ben.guard.Identity.Issue(s.ben.guard.Identity.Card().Incarnation, time.Now())
					s.ben.must(err)
					watch{s.ben.loop}.renew(nil)
				})
			})
			s.ben.must(to.Age(s.ben.guard, time.Now().Add(seal.MaxAge)))
			s.ben.must(s.ben.Whisper(t.Context(), s.ana.UUID(), text(fmt.Sprint(i))))
			renewal.Wait()
			s.ana.wants(fmt.Sprintf("whisper ben %q", fmt.Sprint(i)))
			time.Sleep(2 * time.Second) // as long as a greeting waits for the next
		}
	})
}
