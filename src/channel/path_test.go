package channel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// TestNumbers has many goroutines whisper and shout while others send what is no content,
// greet anew, and have sessions replaced: whatever their order, numbers begin with 1 at
// each HELLO and go on by one, and what each says comes in its order.
func TestNumbers(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		const speakers, each = 6, 300
		s.gather("room", ben)
		ben.connect()
		ben.listens()
		var all sync.WaitGroup
		for speaker := range speakers {
			all.Go(func() {
				for i := range each {
					content := frames(fmt.Sprintf("%d of %d", i, speaker))
					if speaker%2 == 0 {
						s.must(s.Whisper(t.Context(), ben.to, content))
					} else if _, err := s.Shout(t.Context(), "room", content); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Go(func() {
			for i := range each {
				if ben.says(new(zremsg.Ping), i%3 == 0); i%50 == 0 {
					ben.greet()
				}
				time.Sleep(time.Millisecond)
			}
		})
		all.Go(func() {
			for range 20 {
				s.must(ben.to.Age(s.Guard, time.Now().Add(time.Hour)))
				time.Sleep(10 * time.Millisecond)
			}
		})
		all.Wait()
		var next [speakers]int
		last := uint16(0)
		for _, frames := range ben.raw() {
			number := wordOf(frames)
			if id, _ := zremsg.Peek(frames[0]); id == zremsg.IDHello {
				last = 0
			}
			if last++; number != last {
				t.Fatalf("number %d, want %d", number, last)
			}
		}
		for _, said := range ben.told() {
			var i, speaker int
			_, said, _ = strings.Cut(strings.Replace(said, " sealed", "", 1), " ")
			for _, format := range []string{"whisper %d of %d", "shout room %d of %d"} {
				if n, _ := fmt.Sscanf(said, format, &i, &speaker); n == 2 {
					if next[speaker] != i {
						t.Fatalf("%q, want %d", said, next[speaker])
					}
					next[speaker]++
				}
			}
		}
		for speaker, got := range next {
			if got != each {
				t.Errorf("of speaker %d %d arrive, of %d", speaker, got, each)
			}
		}
	})
}

// TestNumbersWrap says more than a number counts.
func TestNumbersWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", plain)
		ben.connect()
		ben.listens()
		for range 1<<16 - 1 {
			s.whispers(ben, "")
		}
		s.whispers(ben, "x")
		got := ben.told()
		for i, want := range map[int]string{1: "2 whisper ", 0xfffe: "65535 whisper ", 0xffff: "0 whisper ", 0x10000: "1 whisper x"} {
			if got[i] != want {
				t.Errorf("message %d is %q, want %q", i, got[i], want)
			}
		}
	})
}

// book is what a path counts, as simply as can be: a list of all that was said.
type book struct {
	said      []int // octets of each message, 0 for what is no content
	asked     []int // how many messages had been said each time that the peer was asked
	answers   int   // of those, how many it has answered
	confirmed int   // messages
	left      bool  // the peer has taken leave, and answers no more
}

// amount returns how much content there is among the first messages.
func (b *book) amount(messages int) (a Amount) {
	for _, octets := range b.said[:messages] {
		if octets > 0 {
			a.add(octets)
		}
	}
	return a
}

// unsure tells whether there is content after what was asked about last.
func (b *book) unsure() bool {
	from := b.confirmed
	for _, asked := range b.asked {
		from = max(from, asked)
	}
	return b.amount(from) != b.amount(len(b.said))
}

// confirm notes that the first messages are confirmed, which never are so any less.
func (b *book) confirm(messages int) { b.confirmed = max(b.confirmed, messages) }

// answer notes that the peer has answered so often. More often than it was asked means
// nothing, and so does no more often than before.
func (b *book) answer(count int) {
	if count > b.answers && count <= len(b.asked) {
		b.answers = count
		b.confirm(b.asked[count-1])
	}
}

// take notes that the peer has taken so many messages, and leaves. That counts if it is
// all content.
func (b *book) take(count int) {
	if count > len(b.said) || b.amount(count) != b.amount(len(b.said)) {
		return
	}
	b.confirm(len(b.said))
	b.asked, b.left = nil, true
}

// forget returns what is not confirmed, and counts it no more.
func (b *book) forget() Amount {
	what := b.amount(len(b.said)).Minus(b.amount(b.confirmed))
	b.confirmed, b.asked, b.answers, b.left = len(b.said), nil, 0, false
	return what
}

// TestCounts has all that is counted come in any order, and compares the books.
func TestCounts(t *testing.T) {
	for seed := range uint64(60) {
		each(t, func(t *testing.T, s *speaker, ben *listener) {
			random := rand.New(rand.NewPCG(seed, uint64(ben.kind)))
			s.gather("room", ben)
			ben.connect()
			ben.listens()
			ben.wants("1 HELLO")
			b := &book{said: []int{0}}
			var log []string
			reads := func() { // what has come of late, as it is on the wire
				told := ben.told()
				for i, frames := range ben.raw()[len(b.said):] {
					octets := 0
					if strings.Contains(told[i], "whisper") || strings.Contains(told[i], "shout") {
						for _, frame := range frames {
							octets += zmtp.FrameSize(len(frame))
						}
					}
					b.said = append(b.said, octets)
				}
			}
			for range 60 {
				move := random.IntN(9)
				switch count := 0; move {
				case 0, 1:
					s.whispers(ben, fmt.Sprint(random.Uint64()))
				case 2:
					s.shouts("room", fmt.Sprint(random.Uint64()), 1)
				case 3:
					ben.says(new(zremsg.Ping), false)
				case 4:
					ben.says(new(zremsg.Confirm), true)
					b.asked = append(b.asked, len(b.said))
				case 5, 6:
					if count = random.IntN(len(b.asked) + 3); !b.left {
						ben.path.Answered(count)
						b.answer(count)
					}
				case 7:
					if random.IntN(3) > 0 {
						continue
					}
					count = max(0, len(b.said)+1-random.IntN(5))
					ben.path.Took(uint64(count))
					b.take(count)
				case 8:
					if random.IntN(3) > 0 {
						continue
					}
					if got, want := ben.to.Unconfirmed(ben.path), b.forget(); got != want {
						t.Errorf("%v is not confirmed, want %v", got, want)
					}
				}
				reads()
				log = append(log, fmt.Sprint(move))
				if asks := ben.path.asks.Load(); asks != int64(len(ben.path.asked)) {
					t.Fatalf("seed %d, after %v: %d questions are counted, there are %d", seed, log, asks, len(ben.path.asked))
				}
				said, confirmed := b.amount(len(b.said)), b.amount(b.confirmed)
				if ben.path.Said() != said || ben.path.Confirmed() != confirmed || ben.path.Unsure() != b.unsure() {
					t.Fatalf("seed %d, after %v: said %v, confirmed %v, unsure %v; want %v, %v, %v", seed, log,
						ben.path.Said(), ben.path.Confirmed(), ben.path.Unsure(), said, confirmed, b.unsure())
				}
			}
		})
	}
}

// TestTakenWhileAsked has a peer take all that was said, and answer late what it was asked
// before: that does not confirm what is said from then on, and the question is over before.
func TestTakenWhileAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", plain)
		ben.connect()
		s.whispers(ben, "one")
		ben.says(new(zremsg.Confirm), true) // the first
		q := ben.path.asked[0]
		ben.path.Took(3)
		if <-q.Over; q.Took != 0 {
			t.Errorf("a question that nobody has answered took %v", q.Took)
		}
		s.whispers(ben, "two")
		ben.says(new(zremsg.Confirm), true) // the second
		before := ben.path.Confirmed()
		if ben.path.Answered(1); ben.path.Confirmed() != before {
			t.Error("an answer to the first question confirms what was asked about with the second")
		}
		if ben.path.Answered(2); ben.path.Confirmed() != ben.path.Said() {
			t.Error("an answer to the second confirms nothing")
		}
	})
}

// TestSigns tells whether a peer has taken what it owed.
func TestSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", plain)
		ben.connect()
		signs := func(what string, wantTook, wantOwes bool) {
			t.Helper()
			synctest.Wait()
			if took, owes := ben.path.Signs(); took != wantTook || owes != wantOwes {
				t.Errorf("%s: it took %v, and owes %v", what, took, owes)
			}
		}
		signs("what left at once is no sign", false, false)
		ben.says(new(zremsg.Ping), false)
		signs("nor is another that did", false, false)
		ben.fill()
		signs("who reads nothing", false, true)
		signs("and still nothing", false, true)
		ben.listens()
		signs("who reads", true, false)
		signs("and has read before", false, false)
	})
}

// TestMissed tells once what a peer did not get, and with what it has not confirmed.
func TestMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpeaker(t)
		ben := s.listener("ben", plain)
		old := ben.to.Path()
		ben.connect()
		ben.to.skipped.add(10)
		ben.to.skipped.add(20)
		ben.to.withheld.add(0)
		if skipped, withheld := ben.to.Missed(); skipped != (Amount{2, 30}) || withheld != (Amount{1, 0}) {
			t.Errorf("missed %v and %v", skipped, withheld)
		}
		if skipped, withheld := ben.to.Missed(); skipped != (Amount{}) || withheld != (Amount{}) {
			t.Errorf("missed %v and %v again", skipped, withheld)
		}
		s.whispers(ben, "x")
		ben.to.skipped.add(10)
		ben.to.withheld.add(0)
		said := ben.path.Said()
		if got, want := ben.to.Unconfirmed(ben.path), said.Plus(Amount{2, 10}); got != want {
			t.Errorf("%v is not confirmed, want %v", got, want)
		}
		if again, before := ben.to.Unconfirmed(ben.path), ben.to.Unconfirmed(old); again != (Amount{}) || before != (Amount{}) {
			t.Errorf("then %v, and %v", again, before)
		}
	})
}

// TestEndedPath takes nothing, and owes nothing.
func TestEndedPath(t *testing.T) {
	p := NewPath(link.Ended(), guard.Nonces{}, nil)
	if _, err := p.Control(new(zremsg.Ping), nil, nil, true); !errors.Is(err, link.ErrClosed) {
		t.Error(err)
	}
	if took, owes := p.Signs(); took || owes || p.Unsure() || p.Said() != (Amount{}) || p.Handed() != 0 {
		t.Error("it is used")
	}
}
