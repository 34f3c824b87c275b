package channel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/seal"
)

// shoutsOf returns the content of the shouts that have come over the latest path.
func (l *listener) shoutsOf() (shouts [][][]byte) {
	l.Helper()
	for _, frames := range l.raw() {
		if id, _ := zremsg.Peek(frames[0]); id == zremsg.IDShout {
			var m zremsg.Shout
			l.must(m.Decode(frames[0], frames[1:]))
			shouts = append(shouts, m.Content)
		}
	}
	return shouts
}

// keys returns the number of the key of each shout that has come.
func (l *listener) keys() (keys []uint64) {
	l.Helper()
	for _, content := range l.shoutsOf() {
		var m onceseal.Group
		l.must(m.Decode(content[0], nil))
		keys = append(keys, m.Key)
	}
	return keys
}

// room is a group of so many, who all listen.
func room(t *testing.T, names ...string) (*speaker, []*listener) {
	s := newSpeaker(t)
	return s, s.room(names...)
}

func (s *speaker) room(names ...string) (members []*listener) {
	for _, name := range names {
		l := s.listener(name, sealed)
		l.connect()
		l.listens()
		members = append(members, l)
	}
	s.gather("room", members...)
	return members
}

// TestKeyIsDrawnAnew draws another key when a member is gone, and not when one comes.
func TestKeyIsDrawnAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := room(t, "ben", "cat", "dan")
		ben, cat, dan := all[0], all[1], all[2]
		s.gather("room", ben, cat)
		s.shouts("room", "two", 2)
		s.gather("room", ben, cat, dan)
		s.shouts("room", "three", 3)
		s.gather("room", ben, dan)
		s.shouts("room", "without cat", 2)
		s.gather("room", dan, ben)
		s.shouts("room", "in another order", 2)
		s.gather("room", dan, cat)
		s.shouts("room", "cat for ben", 2)
		ben.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room two", "5 sealed shout room three", "6 KEY",
			"7 sealed shout room without cat", "8 sealed shout room in another order")
		cat.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room two", "5 sealed shout room three", "6 KEY",
			"7 sealed shout room cat for ben")
		dan.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room three", "5 KEY", "6 sealed shout room without cat",
			"7 sealed shout room in another order", "8 KEY", "9 sealed shout room cat for ben")
		if k := ben.keys(); k[0] != k[1] || k[1] == k[2] || k[2] != k[3] || dan.keys()[3] == k[3] {
			t.Errorf("keys of ben's %d, of dan's %d", k, dan.keys())
		}
	})
}

// TestNewMemberOpensNothingOlder gives a member who comes the key from then on: what was
// said before it does not open, though it has overheard it.
func TestNewMemberOpensNothingOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := room(t, "ben", "cat")
		ben, cat := all[0], all[1]
		s.gather("room", ben)
		s.shouts("room", "ben alone", 1)
		s.gather("room", ben, cat)
		s.shouts("room", "both", 2)
		synctest.Wait()
		older, proof := ben.shoutsOf()[0], [seal.SizeProof]byte{}
		cat.path.Session(func(session *seal.Sender) { session.AppendProof(proof[:0], make([]byte, 32)) })
		if got, err := cat.ear.opens.Shout("room", [][]byte{older[0], proof[:]}, nil); !errors.Is(err, seal.ErrReplay) {
			t.Errorf("it opens as %q: %v", got, err)
		}
		s.shouts("room", "still both", 2)
		if got := cat.last(); got != "5 sealed shout room still both" {
			t.Errorf("cat is told %q", got)
		}
	})
}

// TestLeftAndBack gives a peer the key anew that has left a group and is back, though
// nothing was said meanwhile: it may have forgotten that. Others are not affected.
func TestLeftAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := room(t, "ben", "cat")
		ben, cat := all[0], all[1]
		s.shouts("room", "one", 2)
		if cat.to.Left("another"); cat.path.Handed() != 1 {
			t.Errorf("cat has %d keys", cat.path.Handed())
		}
		cat.to.Left("room")
		if ben.path.Handed() != 1 || cat.path.Handed() != 0 {
			t.Errorf("ben has %d keys, and cat %d", ben.path.Handed(), cat.path.Handed())
		}
		cat.opens().leave(nil) // what it does when it is in none of many groups
		s.gather("room", ben, cat)
		s.shouts("room", "two", 2)
		ben.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room one", "5 sealed shout room two")
		cat.wants("1 HELLO", "2 OPEN", "3 KEY", "4 sealed shout room one", "5 KEY", "6 sealed shout room two")
	})
}

// opens returns what the far side opens with, when nothing is coming.
func (l *listener) opens() *Unsealer {
	synctest.Wait()
	return &l.ear.opens
}

// TestShoutKeepsNoKey has a key of its own while it is under way, and none when it is over.
func TestShoutKeepsNoKey(t *testing.T) {
	drawn := onceseal.Key{Group: "room", Key: 1, Chain: []byte{1, 2, 3}}
	m := new(shout)
	m.give(drawn)
	chain := m.key.Chain
	if clear(drawn.Chain); !bytes.Equal(chain, []byte{1, 2, 3}) {
		t.Errorf("it has %v", chain)
	}
	if m.release(); !bytes.Equal(chain, make([]byte, 3)) {
		t.Errorf("it keeps %v", chain)
	}
}

// TestForget forgets groups that have no members, when it is told so and when it notices,
// and no others.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, all := room(t, "ben")
		ben := all[0]
		groups := func(want int) {
			t.Helper()
			if got := s.Groups(); got != want {
				t.Errorf("%d groups, want %d", got, want)
			}
		}
		groups(0)
		s.gather("other", ben)
		s.gather("third", ben)
		for _, group := range []string{"room", "other", "third"} {
			s.shouts(group, "x", 1)
		}
		groups(3)
		s.Forget("room", "other", "unknown")
		groups(3)
		s.gather("other")
		s.Forget("room", "other", "unknown")
		groups(2)
		s.gather("third")
		s.shouts("third", "nobody", 0)
		groups(1)
		ben.told()
		key := ben.keys()[1]
		s.gather("other", ben)
		s.shouts("other", "again", 1)
		groups(2)
		ben.wants("9 KEY", "10 sealed shout other again")
		if keys := ben.keys(); keys[3] == key {
			t.Error("the key is that from before")
		}
	})
}

// TestShoutsOfMany has many shout to the same groups at once while members come and go,
// and keys are drawn and forgotten: all that comes opens. There is room for all of it.
func TestShoutsOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const speakers, each = 4, 200
		s := newSpeaker(t)
		s.outbox = 8 << 20
		all := s.room("ben", "cat", "dan")
		s.gather("other", all...)
		var work sync.WaitGroup
		for range speakers {
			work.Go(func() {
				for i := range each {
					for _, group := range []string{"room", "other"} {
						if _, err := s.Shout(t.Context(), group, frames(fmt.Sprint(i))); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		work.Go(func() {
			for i := range each {
				s.gather("room", all[i%3], all[(i+1)%3])
				if i%20 == 0 {
					s.gather("other")
					s.Forget("other")
				}
				s.gather("other", all[:1+i%3]...)
			}
		})
		work.Wait()
		shouts := 0
		for _, l := range all {
			for _, said := range l.told() {
				switch {
				case strings.Contains(said, "sealed shout"):
					shouts++
				case !strings.HasSuffix(said, "HELLO") && !strings.HasSuffix(said, "OPEN") && !strings.HasSuffix(said, "KEY"):
					t.Fatalf("%s is told %q", l.guard.Name(), said)
				}
			}
		}
		if shouts < speakers*each {
			t.Errorf("%d shouts arrive", shouts)
		}
	})
}
