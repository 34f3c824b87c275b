package channel

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// each runs a test for a peer of each kind.
func each(t *testing.T, test func(*testing.T, *speaker, *listener)) {
	for name, k := range map[string]kind{"plain": plain, "sealed": sealed, "encrypted": encrypted} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpeaker(t)
				test(t, s, s.listener("ben", k))
			})
		})
	}
}

// TestWhisperWaitsForPath says something to a peer that has come and to which nothing
// goes yet: it goes over the first path, and when that is lost, over the next.
func TestWhisperWaitsForPath(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		said := make(chan error, 1)
		whisper := func(text string) {
			go func() { said <- s.Whisper(t.Context(), ben.to, frames(text)) }()
		}
		waits := func() {
			t.Helper()
			synctest.Wait()
			select {
			case err := <-said:
				t.Fatalf("it does not wait: %v", err)
			default:
			}
		}
		arrives := func(text string) {
			t.Helper()
			s.must(<-said)
			if ben.kind == sealed {
				ben.wants("1 HELLO", "2 OPEN", "3 sealed whisper "+text)
			} else {
				ben.wants("1 HELLO", "2 whisper "+text)
			}
		}
		whisper("early")
		waits()
		ben.connect()
		ben.listens()
		arrives("early")
		_ = ben.path.Link().Close()
		whisper("again")
		waits()
		ben.connect()
		ben.listens()
		arrives("again")

		ben.connect()
		ben.fill()
		whisper("in a jam")
		waits()
		_ = ben.path.Link().Close()
		waits()
		ben.connect()
		ben.listens()
		arrives("in a jam")
	})
}

// TestWhisperEnds has a whisper wait for a path, or for room: it ends with its context,
// and when the peer is gone.
func TestWhisperEnds(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		for _, state := range []string{"no path", "no room"} {
			if state == "no room" {
				ben.connect()
				ben.fill()
			}
			start := time.Now()
			err := s.Whisper(patience(t), ben.to, frames("x"))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%s: %v, after %v", state, err, time.Since(start))
			}
		}
		_ = ben.path.Link().Close()
		said := make(chan error, 1)
		go func() { said <- s.Whisper(t.Context(), ben.to, frames("x")) }()
		synctest.Wait()
		ben.to.End()
		synctest.Wait()
		select {
		case err := <-said:
			if !errors.Is(err, api.ErrNoPeer) {
				t.Errorf("to a peer that goes: %v", err)
			}
		default:
			t.Fatal("it waits for a peer that is gone")
		}
		if err := s.Whisper(t.Context(), ben.to, frames("x")); !errors.Is(err, api.ErrNoPeer) || ben.to.Path() != nil {
			t.Errorf("to a peer that is gone: %v, over %v", err, ben.to.Path())
		}
		s.must(ben.to.Age(s.Guard, time.Now().Add(time.Hour)))
		ben.to.Left("room")
	})
}

// TestWhisperGoesWithPeer waits for room when the peer goes, whose link is closed then.
func TestWhisperGoesWithPeer(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		ben.connect()
		ben.fill()
		said := make(chan error, 1)
		go func() { said <- s.Whisper(t.Context(), ben.to, frames("x")) }()
		synctest.Wait()
		ben.to.End()
		_ = ben.path.Link().Close()
		if err := <-said; !errors.Is(err, api.ErrNoPeer) {
			t.Error(err)
		}
	})
}

// TestLimits refuses what has no frames, too many, or too many octets, before anything is
// said. What is just small enough arrives.
func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		ben.connect()
		ben.listens()
		ben.wants("1 HELLO")
		s.gather("room", ben)
		for _, c := range []struct {
			content [][]byte
			want    error
		}{
			{nil, api.ErrArgument},
			{[][]byte{}, api.ErrArgument},
			{make([][]byte, zremsg.MaxWhisperContent+1), api.ErrTooLarge},
			{[][]byte{make([]byte, maxMessage)}, api.ErrTooLarge},
			{[][]byte{make([]byte, maxMessage/2), make([]byte, maxMessage/2)}, api.ErrTooLarge},
		} {
			if err := s.Whisper(t.Context(), ben.to, c.content); !errors.Is(err, c.want) {
				t.Errorf("a whisper of %d frames: %v", len(c.content), err)
			}
			if sent, err := s.Shout(t.Context(), "room", c.content); !errors.Is(err, c.want) || sent > 0 {
				t.Errorf("a shout of %d frames: %v, to %d", len(c.content), err, sent)
			}
		}
		ben.wants()
		messages := 0
		for what, say := range map[string]func([][]byte) error{
			"whisper": func(content [][]byte) error { return s.Whisper(t.Context(), ben.to, content) },
			"shout": func(content [][]byte) error {
				_, err := s.Shout(t.Context(), "room", content)
				return err
			},
		} {
			around := new(zremsg.Whisper).Size()
			if what == "shout" {
				around = (&zremsg.Shout{Group: "room"}).Size()
			}
			if ben.kind == sealed {
				around += seal.Size([][]byte{nil})
				messages++ // a session, or a key
				if what == "shout" {
					around += seal.SizeProof
				}
			}
			largest := make([]byte, maxMessage-around)
			s.must(say([][]byte{largest}))
			if err := say([][]byte{append(largest, 0)}); !errors.Is(err, api.ErrTooLarge) {
				t.Errorf("a %s of an octet more: %v", what, err)
			}
			messages++
		}
		if got := len(ben.told()); got != messages {
			t.Errorf("%d messages arrive, want %d", got, messages)
		}
	})
}

// TestFramesArrive says messages of several frames, some of them empty.
func TestFramesArrive(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		ben.connect()
		ben.listens()
		ben.wants("1 HELLO")
		s.gather("room", ben)
		contents := [][]string{{""}, {"a", "b", "c"}, {"", "x", ""}, {"", ""}}
		for _, texts := range contents {
			s.whispers(ben, texts...)
			if sent, err := s.Shout(t.Context(), "room", frames(texts...)); err != nil || sent != 1 {
				t.Errorf("%d, %v", sent, err)
			}
		}
		var want []string
		protection, number := "", 2
		add := func(format string, a ...any) {
			want = append(want, fmt.Sprintf("%d %s", number, fmt.Sprintf(format, a...)))
			number++
		}
		if ben.kind == sealed {
			protection = "sealed "
			add("OPEN")
		}
		for i, texts := range contents {
			add("%swhisper %s", protection, strings.Join(texts, "|"))
			if i == 0 && ben.kind == sealed {
				add("KEY")
			}
			add("%sshout room %s", protection, strings.Join(texts, "|"))
		}
		ben.wants(want...)
	})
}

// TestFull queues messages that are no content until not even these have room: who made
// who sends them is told each time, and nothing waits. Sealed content then waits for the next
// path.
func TestFull(t *testing.T) {
	each(t, func(t *testing.T, s *speaker, ben *listener) {
		ben.connect()
		ben.fill()
		said := ben.path.Said()
		pings, size := 0, zmtp.FrameSize(new(zremsg.Ping).Size())
		ping := func(asks bool) error {
			_, err := ben.path.Control(new(zremsg.Ping), nil, nil, asks)
			return err
		}
		var err error
		for ; err == nil; pings++ {
			err = ping(false)
		}
		if pings != reserve/size+1 || !errors.Is(err, link.ErrOverflow) {
			t.Errorf("%d have room", pings-1)
		}
		if err := ping(true); !errors.Is(err, link.ErrOverflow) || ben.fulls != 0 || !ben.path.Unsure() || ben.path.Said() != said {
			t.Errorf("it was told %d times; what had no room has asked: %v", ben.fulls, !ben.path.Unsure())
		}
		if ben.kind == sealed {
			for name, do := range map[string]func() error{
				"a session": func() error { return ben.to.Age(s.Guard, time.Now().Add(time.Hour)) },
				"a whisper": func() error {
					return ben.path.aside(100, func([]byte) bool { t.Error("it has room"); return true })
				},
			} {
				if before := ben.fulls; !errors.Is(do(), link.ErrClosed) || ben.fulls != before+1 {
					t.Errorf("%s that has no room: told %d times", name, ben.fulls-before)
				}
			}
			said := make(chan error, 1)
			go func() { said <- s.Whisper(t.Context(), ben.to, frames("late")) }()
			synctest.Wait()
			ben.connect()
			ben.listens()
			s.must(<-said)
			ben.wants("1 HELLO", "2 OPEN", "3 sealed whisper late")
		}
		_ = ben.path.Link().Close()
		before := ben.fulls
		if err := ping(false); !errors.Is(err, link.ErrClosed) {
			t.Error(err)
		}
		if err := ben.path.aside(1, nil); !errors.Is(err, link.ErrClosed) || ben.fulls != before {
			t.Errorf("a path that is closed counts as full: %v", err)
		}
	})
}
