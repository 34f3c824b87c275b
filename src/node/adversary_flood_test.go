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

	"github.com/google/uuid"

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
		own := &channel.Own{Identity: s.ana.guard.Identity}
		for number := range uint64(10) {
			_, open, err := seal.Open(s.ben.guard.Identity, s.ben.guard.Identity.Card(), s.ana.guard.Identity.Card(), s.ana.challenge(s.ben.UUID()), 1+number)
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
				_, open, err := seal.Open(s.ben.guard.Identity, s.ben.guard.Identity.Card(), s.ana.guard.Identity.Card(), s.ana.challenge(s.ben.UUID()), s.ben.guard.Serial())
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
		s := newScene(t, api.NodeSecurityAuto, blinded)
		to := s.ben.table.find(s.ana.UUID())
		out := to.Path()
		s.ben.talk(s.ana)
		his := s.tap.between(s.ben, s.ana)
		keyFlood{
			scene: s, from: s.ben.UUID(), session: out.Session,
			say: func(words []byte) {
				_, err := his.inject(words)
				s.ben.must(err)
			},
			seals: func(*onceseal.Key, uint64) func([]byte) []byte { // it need not open
				return func([]byte) []byte { return make([]byte, 64) }
			},
			stands: func() bool { return to.Path() == out },
		}.run()
		s.unharmed()
	})
}

// keyFlood is what a peer may do that is present and has opened a session.
type keyFlood struct {
	*scene
	from    uuid.UUID
	session func(func(*seal.Sender)) // has the session of the peer used
	say     func(words []byte)
	seals   func(key *onceseal.Key, number uint64) func(additional []byte) []byte // a message of a group
	stands  func() bool                                                           // what it says that over
}

func (f keyFlood) run() {
	const each, many = 1 << 10, 1024 // octets for a key and its record; messages that may be missing before one
	key := func(i int) *onceseal.Key {
		return &onceseal.Key{Group: fmt.Sprint("group", i), Chain: make([]byte, 32)}
	}
	before := settled()
	for i := range 2 * channel.MaxKeys {
		var words []byte
		f.session(func(session *seal.Sender) {
			words = frame(&zremsg.Whisper{Sequence: 9}, session.AppendKey(nil, key(i)))
		})
		f.say(words)
	}
	f.rest()
	given := f.ana.holds(f.from)
	if got := given.Held(); got > channel.MaxKeys || got < channel.MaxKeys/2 {
		f.t.Errorf("%d keys are kept", got)
	}
	if took := settled() - before; took > channel.MaxKeys*each {
		f.t.Errorf("the keys take %d octets", took)
	}
	gap := func(i int) { // one that only who proves it can make
		k := key(2*channel.MaxKeys - 1 - i)
		message, digest := groupMessage(f.from, k, many, f.seals(k, many))
		var words []byte
		f.session(func(session *seal.Sender) {
			words = frame(&zremsg.Shout{Sequence: 9, Group: k.Group}, message, session.AppendProof(nil, digest))
		})
		f.say(words)
	}
	const atOnce, ofMessage = channel.MaxMissing / many, 128 // octets for the key of a message
	before = settled()
	gaps := 0
	stands := func(more int) bool { // after more gaps at once
		for last := gaps + more; gaps < last; gaps++ {
			gap(gaps)
		}
		f.rest()
		return f.stands()
	}
	for range 4 {
		if !stands(atOnce) {
			f.t.Fatalf("the connection ends after %d gaps", gaps)
		}
		time.Sleep(channel.MaxMissing / channel.MissingRate * time.Second) // makes them good
	}
	if took := settled() - before; took > (channel.MaxMissing+many)*ofMessage {
		f.t.Errorf("the keys of messages that never came take %d octets", took)
	}
	if stands(atOnce + 1) {
		f.t.Error("the connection has not ended")
	}
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
