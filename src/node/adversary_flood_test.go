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
	"github.com/sjohnr/at-once/src/seal"
)

// TestOneOpening has a session opened over many connections at once. It opens on one.
func TestOneOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		r := s.ana.table.find(s.ben.UUID())
		for number := range uint64(10) {
			_, open, err := seal.Open(s.ben.guard.Identity, s.ben.guard.Identity.Card(), s.ana.guard.Identity.Card(), r.challenge, 1+number)
			s.ben.must(err)
			var opened atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					to := &receiver{node: s.ana.Node, peer: r.id, remote: r}
					if err := to.accept(bytes.Clone(open)); err == nil {
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
		s := newScene(t, api.NodeSecurityAuto)
		to := s.ben.table.find(s.ana.UUID())
		out := to.out.Load()
		opens := func(times int, pause time.Duration) (ended bool) {
			for range times {
				out.sealer.fresh.Store(nil)
				s.ben.must(s.ben.ready(to, out))
				time.Sleep(pause)
			}
			s.rest()
			return to.out.Load() != out
		}
		if opens(2*maxSessions, time.Second/sessionsRate) || opens(maxSessions, 0) {
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
		s := newScene(t, api.NodeSecurityAuto)
		to := s.ben.table.find(s.ana.UUID())
		out := to.out.Load()
		s.ben.talk(s.ana)
		key := func(i int) *onceseal.Key {
			return &onceseal.Key{Group: fmt.Sprint("group", i), Chain: make([]byte, 32)}
		}
		before := heap()
		for i := range 2 * maxKeys {
			k := key(i)
			s.ben.must(s.ben.aside(out, seal.SizeKey(k), func(b []byte) { out.sealer.session.AppendKey(b[:0], k) }))
			if i%64 == 0 {
				s.ben.must(out.Flush(t.Context()))
			}
		}
		s.rest()
		if got := len(s.ana.holds(s.ben).groups); got > maxKeys || got < maxKeys/2 {
			t.Errorf("%d keys are kept", got)
		}
		if took := heap() - before; took > maxKeys*each {
			t.Errorf("the keys take %d octets", took)
		}
		gap := func(i int) { // one that only who proves it can make, and need not seal
			k := key(2*maxKeys - 1 - i)
			message, digest := groupMessage(s.ben, k, many, func([]byte) []byte { return make([]byte, 64) })
			words := frame(&zremsg.Shout{Sequence: 9, Group: k.Group}, message, s.proof(s.ana, digest))
			_, err := s.tap.between(s.ben, s.ana).inject(words)
			s.ben.must(err)
		}
		const atOnce, ofMessage = maxMissing / many, 128 // octets for the key of a message
		before = heap()
		gaps := 0
		stands := func(more int) bool { // after more gaps at once
			for last := gaps + more; gaps < last; gaps++ {
				gap(gaps)
			}
			s.rest()
			return to.out.Load() == out
		}
		for range 4 {
			if !stands(atOnce) {
				t.Fatalf("the connection ends after %d gaps", gaps)
			}
			time.Sleep(maxMissing / missingRate * time.Second) // makes them good
		}
		if took := heap() - before; took > (maxMissing+many)*ofMessage {
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
			to.out.Load().sealer.fresh.Store(nil)
			var renewal sync.WaitGroup
			renewal.Go(func() {
				s.ben.do(func() {
					_, err := s.ben.guard.Identity.Issue(s.ben.guard.Identity.Card().Incarnation, time.Now())
					s.ben.must(err)
					s.ben.renew(nil)
				})
			})
			s.ben.must(s.ben.Whisper(t.Context(), s.ana.UUID(), text(fmt.Sprint(i))))
			renewal.Wait()
			s.ana.wants(fmt.Sprintf("whisper ben %q", fmt.Sprint(i)))
			time.Sleep(2 * time.Second) // as long as a greeting waits for the next
		}
	})
}
