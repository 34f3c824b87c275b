package channel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/seal"
)

// opening returns what seals in a session, and the OPEN that begins it at a listener.
func (l *listener) opening(number uint64) (*seal.Sender, []byte) {
	l.Helper()
	session, open, err := seal.Open(l.Identity, l.Identity.Card(), l.guard.Identity.Card(), l.asks, number)
	l.must(err)
	return session, open
}

// whisper has a listener open a whisper of so many frames that came over a connection.
func (l *listener) whisper(over *Unsealer, frames ...[]byte) (string, error) {
	content := make([][]byte, len(frames))
	for i, frame := range frames {
		content[i] = bytes.Clone(frame)
	}
	opened, err := over.Whisper(l.ear.from, content, nil)
	return string(bytes.Join(opened, []byte("|"))), err
}

// another returns what opens what comes over another connection to a listener.
func (l *listener) another() *Unsealer { return &Unsealer{Own: l.ear.opens.Own} }

// alone returns a listener who listens, and who was greeted.
func alone(t *testing.T) (*speaker, *listener) {
	s, all := room(t, "ben")
	all[0].wants("1 HELLO")
	return s, all[0]
}

// TestSessionIsReplaced replaces a session that is old, and no other, also if nothing is
// said: what was said before opens, and what is said after.
func TestSessionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		age := func() {
			t.Helper()
			s.must(ben.to.Age(s.Guard, time.Now()))
		}
		age()
		ben.wants() // there is none
		s.whispers(ben, "one")
		s.shouts("room", "one", 1)
		ben.wants("2 OPEN", "3 sealed whisper one", "4 KEY", "5 sealed shout room one")
		time.Sleep(seal.MaxAge - 1)
		age()
		ben.wants()
		time.Sleep(time.Nanosecond)
		age()
		ben.wants("6 OPEN")
		age()
		ben.wants()
		s.shouts("room", "two", 1) // whose key is held
		s.whispers(ben, "two")
		ben.wants("7 sealed shout room two", "8 sealed whisper two")
		time.Sleep(seal.MaxAge)
		s.whispers(ben, "nobody has looked")
		ben.wants("9 sealed whisper nobody has looked")
		s.must(ben.to.Age(s.Guard, time.Now().Round(0))) // as the wall clock has it
		ben.wants("10 OPEN")
	})
}

// TestNothingBeforeGreeting seals nothing over a path over which the peer was shown no card
// yet: it waits for the next.
func TestNothingBeforeGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", sealed)
		ben.open()
		ben.listens()
		ben.to.Relink(ben.path)
		said := make(chan error, 1)
		go func() { said <- s.Whisper(t.Context(), ben.to, frames("x")) }()
		ben.wants()
		ben.connect()
		ben.listens()
		s.must(<-said)
		ben.wants("1 HELLO", "2 OPEN", "3 sealed whisper x")
	})
}

// TestSessionOfAnotherCard opens another session when the peer shows another card: the
// keys of groups go over it anew.
func TestSessionOfAnotherCard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		s.shouts("room", "one", 1)
		ben.wants("2 OPEN", "3 KEY", "4 sealed shout room one")
		badge := *ben.to.badge()
		card, err := ben.guard.Identity.Issue(ben.guard.Incarnation, time.Now())
		s.must(err)
		badge.Card = card
		badge.Greeting++
		_, peer := meet(t, s.ID, ben.guard.ID, greeting(ben.guard), &badge)
		ben.to.Update(peer)
		if ben.to.Peer() != peer {
			t.Error("it is the peer from before")
		}
		s.shouts("room", "two", 1)
		s.whispers(ben, "two")
		ben.wants("5 OPEN", "6 KEY", "7 sealed shout room two", "8 sealed whisper two")
	})
}

// TestCardIsRenewedMeanwhile opens sessions while the card is renewed under which they are
// opened, and shown: all that is said opens.
func TestCardIsRenewedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		var want []string
		for i := range 300 {
			var renewal sync.WaitGroup
			renewal.Go(func() {
				_, err := s.Identity.Issue(s.Incarnation, time.Now())
				s.must(err)
				ben.greet()
			})
			s.must(ben.to.Age(s.Guard, time.Now().Add(seal.MaxAge)))
			s.whispers(ben, fmt.Sprint(i))
			s.shouts("room", fmt.Sprint(i), 1)
			renewal.Wait()
			want = append(want, fmt.Sprint("sealed whisper ", i), fmt.Sprint("sealed shout room ", i))
			time.Sleep(2 * time.Second) // sessions are bounded
		}
		opens := 0
		for _, told := range ben.told() {
			switch _, said, _ := strings.Cut(told, " "); {
			case said == "OPEN":
				opens++
			case said == "HELLO" || said == "KEY":
			case strings.HasPrefix(said, "whisper: accept session"): // under a card of before, so another follows
			case said != want[0]:
				t.Fatalf("it is told %q, want %q", said, want[0])
			default:
				want = want[1:]
			}
		}
		if len(want) > 0 || opens != 300 {
			t.Errorf("%d sessions are opened, and %d messages are lost", opens, len(want))
		}
	})
}

// TestReplayedOpening refuses an OPEN that came before, over the same connection or
// another, and one before that. The session goes on.
func TestReplayedOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		over := ben.opens()
		number := s.Serial()
		first, open := ben.opening(number)
		_, older := ben.opening(number - 1)
		if got, err := ben.whisper(over, open); got != "" || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		for name, replayed := range map[string][]byte{"the same": open, "an older one": older} {
			for where, over := range map[string]*Unsealer{"here": over, "elsewhere": ben.another()} {
				if got, err := ben.whisper(over, replayed); got != "" || !errors.Is(err, seal.ErrReplay) {
					t.Errorf("%s, %s: %q, %v", name, where, got, err)
				}
			}
		}
		said := first.Append(nil, frames("x", "y"))
		if got, err := ben.whisper(over, said); got != "x|y" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if got, err := ben.whisper(over, said); got != "" || !errors.Is(err, seal.ErrReplay) {
			t.Errorf("content that came before: %q, %v", got, err)
		}
		if got, err := ben.whisper(ben.another(), said); got != "" || !errors.Is(err, seal.ErrKey) {
			t.Errorf("content over a connection without a session: %q, %v", got, err)
		}
		second, open := ben.opening(s.Serial())
		if _, err := ben.whisper(over, open); err != nil {
			t.Fatal(err)
		}
		if got, err := ben.whisper(over, first.Append(nil, frames("x"))); got != "" || !errors.Is(err, seal.ErrKey) {
			t.Errorf("content of the session before: %q, %v", got, err)
		}
		if got, err := ben.whisper(over, second.Append(nil, frames("x"))); got != "x" || err != nil {
			t.Errorf("content of the session: %q, %v", got, err)
		}
	})
}

// TestForgedOpening opens no session that somebody else has begun, or that answers the
// challenge of another life; it does not count against those that follow.
func TestForgedOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		eve := newGuard(t, "eve", sealed)
		_, forged, err := seal.Open(eve.Identity, s.Identity.Card(), ben.guard.Identity.Card(), ben.asks, s.Serial()+100)
		s.must(err)
		_, stale, err := seal.Open(s.Identity, s.Identity.Card(), ben.guard.Identity.Card(), make([]byte, len(ben.asks)), s.Serial()+100)
		s.must(err)
		for name, open := range map[string][]byte{"of somebody else": forged, "of another life": stale, "cut": forged[:len(forged)-1]} {
			if got, err := ben.whisper(ben.opens(), open); got != "" || err == nil {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		s.whispers(ben, "x")
		ben.wants("2 OPEN", "3 sealed whisper x")
	})
}

// TestOneOpening has a session opened over many connections at once. It opens on one.
func TestOneOpening(t *testing.T) {
	s, all := room(t, "ben")
	ben := all[0]
	for ben.heard() == 0 { // until it has the greeting
		time.Sleep(time.Millisecond)
	}
	for number := range uint64(100) {
		_, open := ben.opening(1 + number)
		var opened atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				switch _, err := ben.whisper(ben.another(), open); {
				case err == nil:
					opened.Add(1)
				case !errors.Is(err, seal.ErrReplay):
					s.Error(err)
				}
			})
		}
		if all.Wait(); opened.Load() != 1 {
			t.Fatalf("session %d is opened %d times", number, opened.Load())
		}
	}
}

// heard returns how many messages have come.
func (l *listener) heard() int {
	l.ear.mu.Lock()
	defer l.ear.mu.Unlock()
	return len(l.ear.heard)
}

// TestCostlySessions opens as many sessions as a peer may, and one more a second.
func TestCostlySessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		over := ben.another()
		open := func(want error) {
			t.Helper()
			_, open := ben.opening(s.Serial())
			if _, err := ben.whisper(over, open); !errors.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		}
		for range MaxSessions {
			open(nil)
		}
		open(ErrCostly)
		time.Sleep(time.Second/SessionsRate - 1)
		open(ErrCostly)
		time.Sleep(time.Nanosecond)
		open(nil)
		open(ErrCostly)
		time.Sleep(time.Hour)
		for range MaxSessions {
			open(nil)
		}
		open(ErrCostly)
		over = ben.another() // each connection by itself
		open(nil)
	})
}

// TestCostlyGaps makes a listener make the keys of messages that never came: as many as it
// may at once, and more as time goes on. What is kept of them is bounded.
func TestCostlyGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 1024 // that may be missing before one
		s, ben := alone(t)
		s.gather("other", ben)
		lost := 0
		ben.ear.eats = func(frames [][]byte) bool {
			id, _ := zremsg.Peek(frames[0])
			if lost > 0 && id == zremsg.IDShout {
				lost--
				return true
			}
			return false
		}
		gap := func(group string, size int) (last string) {
			t.Helper()
			s.shouts(group, "first", 1) // so that the key is there
			synctest.Wait()
			lost = size
			for range size + 1 {
				s.shouts(group, "x", 1)
			}
			return ben.last()
		}
		opens := func(group string, size int, want string) {
			t.Helper()
			if _, said, _ := strings.Cut(gap(group, size), " "); said != want {
				t.Fatalf("it is told %q, want %q", said, want)
			}
		}
		fine := "sealed shout room x"
		opens("room", 1, fine)
		time.Sleep(time.Second)
		for range MaxMissing/many - 1 {
			opens("room", many, fine)
		}
		opens("other", many, "sealed shout other x")
		opens("room", 1, "shout room: "+ErrCostly.Error())
		time.Sleep(time.Second)
		opens("room", MissingRate, fine)
		opens("room", 1, "shout room: "+ErrCostly.Error())
		if u := ben.opens(); u.kept > MaxMissing+many {
			t.Errorf("%d keys are kept", u.kept)
		}
	})
}

// TestKeysAreBounded gives a listener keys of more groups than it keeps: it forgets those
// of groups that it is not in, and of no others.
func TestKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ben := alone(t)
		over := ben.another()
		over.Own = &Own{Identity: over.Identity, Groups: func() []string { return []string{"0", "1"} }}
		session, open := ben.opening(1)
		_, err := ben.whisper(over, open)
		ben.must(err)
		give := func(group int) {
			t.Helper()
			key := onceseal.Key{Group: fmt.Sprint(group), Key: uint64(group), Chain: make([]byte, 32)}
			if got, err := ben.whisper(over, session.AppendKey(nil, &key)); got != "" || err != nil {
				t.Fatalf("%q, %v", got, err)
			}
		}
		for group := range MaxKeys {
			give(group)
		}
		if over.Held() != MaxKeys {
			t.Errorf("%d are held", over.Held())
		}
		give(0)
		if over.Held() != MaxKeys {
			t.Errorf("another of the same group: %d are held", over.Held())
		}
		give(MaxKeys)
		if over.Held() != 3 || over.groups["0"] == nil || over.groups["1"] == nil || over.groups[fmt.Sprint(MaxKeys)] == nil {
			t.Errorf("%d are held", over.Held())
		}
		bad := onceseal.Key{Group: "2", Chain: make([]byte, 31)}
		if _, err := ben.whisper(over, session.AppendKey(nil, &bad)); !errors.Is(err, seal.ErrMalformed) || over.Held() != 3 {
			t.Errorf("a key that is none: %v, %d are held", err, over.Held())
		}
	})
}

// crier seals for a group what a listener may get or not.
type crier struct {
	*listener
	over    *Unsealer
	session *seal.Sender
	sender  *seal.GroupSender
	group   string
}

// cry is something that was sealed for a group.
type cry struct{ message, digest []byte }

// crier returns one for a group, over a connection with a session.
func (l *listener) crier(over *Unsealer, session *seal.Sender, group string) *crier {
	l.Helper()
	sender, err := seal.NewGroup(l.ID, group)
	l.must(err)
	c := &crier{l, over, session, sender, group}
	c.hand()
	return c
}

// hand gives the listener the key of what is sealed next.
func (c *crier) hand() {
	c.Helper()
	key := c.sender.Key()
	got, err := c.whisper(c.over, c.session.AppendKey(nil, &key))
	c.must(err)
	if got != "" {
		c.Errorf("a key says %q", got)
	}
}

// cries seals a text so often.
func (c *crier) cries(text string, times int) (cries []cry) {
	for range times {
		message, digest := c.sender.Append(nil, frames(text), new(seal.Key))
		cries = append(cries, cry{message, bytes.Clone(digest)})
	}
	return cries
}

// hears has the listener open what was sealed, with a proof that is new.
func (c *crier) hears(what cry) (string, error) {
	content := [][]byte{bytes.Clone(what.message), c.session.AppendProof(nil, what.digest)}
	opened, err := c.over.Shout(c.group, content, nil)
	return string(bytes.Join(opened, []byte("|"))), err
}

// TestLateShouts opens shouts that others have overtaken, while the keys of those that are
// missing are not too many: then those of other groups are forgotten.
func TestLateShouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ben := alone(t)
		over := ben.another()
		session, open := ben.opening(1)
		_, err := ben.whisper(over, open)
		ben.must(err)
		opens := func(c *crier, what cry, want error) {
			t.Helper()
			if got, err := c.hears(what); !errors.Is(err, want) || err == nil && got != c.group {
				t.Fatalf("it opens as %q: %v", got, err)
			}
		}
		other, room := ben.crier(over, session, "other"), ben.crier(over, session, "room")
		early := other.cries("other", 20)
		opens(other, early[19], nil)
		opens(other, early[0], nil)
		opens(other, early[0], seal.ErrReplay)
		var late []cry
		for range MaxMissing / 1024 {
			time.Sleep(time.Minute)
			opens(other, early[1], nil)
			early = early[1:]
			late = room.cries("room", 1025)
			opens(room, late[1024], nil)
		}
		opens(room, late[0], nil)
		opens(other, early[1], seal.ErrReplay)
		opens(other, other.cries("other", 1)[0], nil)
	})
}

// TestTwoKeys holds the two latest keys of a group: what was sealed under the one before
// opens when it comes late, and what is older does not.
func TestTwoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		over := ben.another()
		session, open := ben.opening(1)
		_, err := ben.whisper(over, open)
		s.must(err)
		c := ben.crier(over, session, "room")
		var said []cry
		for i := range 3 {
			said = append(said, c.cries(fmt.Sprint(i), 1)...)
			c.sender.Redraw()
			c.hand()
		}
		said = append(said, c.cries("3", 1)...)
		for i, want := range []error{seal.ErrKey, seal.ErrKey, nil, nil} {
			if got, err := c.hears(said[i]); !errors.Is(err, want) || err == nil && got != fmt.Sprint(i) {
				t.Errorf("under key %d: %q, %v", i, got, err)
			}
		}
	})
}

// TestNotSealed takes nothing plain from who seals, and nothing that is not in order.
func TestNotSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, ben := alone(t)
		session, open := ben.opening(s.Serial())
		sealedX := session.Append(nil, frames("x"))
		fresh := ben.another()
		for name, c := range map[string]struct {
			content [][]byte
			want    error
		}{
			"plain":                    {frames("x"), ErrNotSealed},
			"nothing":                  {frames(""), ErrNotSealed},
			"two frames":               {frames("x", "y"), ErrNotSealed},
			"a session and more":       {[][]byte{open, nil}, ErrNotSealed},
			"no frames":                {nil, ErrNotSealed},
			"sealed without a session": {[][]byte{sealedX}, seal.ErrKey},
		} {
			if got, err := fresh.Whisper(ben.ear.from, c.content, nil); len(got) > 0 || !errors.Is(err, c.want) {
				t.Errorf("a whisper, %s: %q, %v", name, got, err)
			}
		}
		s.shouts("room", "y", 1)
		ben.wants("2 OPEN", "3 KEY", "4 sealed shout room y")
		over, came := ben.opens(), ben.shoutsOf()[0]
		for name, c := range map[string]struct {
			over    *Unsealer
			group   string
			content [][]byte
			want    error
		}{
			"plain":                   {over, "room", frames("x"), ErrNotSealed},
			"plain, of two frames":    {over, "room", frames("x", "y"), ErrNotSealed},
			"without a proof":         {over, "room", came[:1], ErrNotSealed},
			"with more":               {over, "room", append(slices.Clone(came), nil), ErrNotSealed},
			"again":                   {over, "room", came, seal.ErrReplay},
			"to another group":        {over, "other", came, seal.ErrKey},
			"over another connection": {fresh, "room", came, seal.ErrKey},
			"sealed as a whisper":     {over, "room", [][]byte{sealedX, came[1]}, ErrNotSealed},
		} {
			content := make([][]byte, len(c.content))
			for i, frame := range c.content {
				content[i] = bytes.Clone(frame)
			}
			if got, err := c.over.Shout(c.group, content, nil); len(got) > 0 || !errors.Is(err, c.want) {
				t.Errorf("a shout, %s: %q, %v", name, got, err)
			}
		}
	})
}
