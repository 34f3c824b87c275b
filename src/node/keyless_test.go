package node

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/channel"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/zmtp"
)

// key is eve's sealing key.
func (s *scene) key() []byte { return bytes.Clone(s.eve.Identity.Card().Sealing.Key()) }

// enters has eve be present for ana, over a connection that lasts, with a greeting.
func (s *scene) enters(hello *zremsg.Hello) *stranger {
	s.t.Helper()
	eve := s.stranger(s.ana, routingID(s.eve.Identity.UUID()))
	s.t.Cleanup(eve.close)
	hello.Sequence = 1
	eve.say(frame(hello))
	s.ana.wants("enter eve")
	return eve
}

// keyless has eve enter without her key.
func (s *scene) keyless() *stranger {
	hello := s.greeting()
	s.eve.Present(hello, s.ana.UUID(), new(guard.Nonces), challenge, s.eve.Identity.Card(), false)
	return s.enters(hello)
}

// TestKeyIsFetched whispers to a peer whose key has not come. It is asked for it; what is
// another, or of an absurd size, is not taken; when it has brought it, it gets the whisper.
func TestKeyIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		eve := s.keyless()
		said := make(chan error, 1)
		go func() { said <- s.ana.Whisper(t.Context(), s.eve.ID, text("secret")) }()
		var ask zremsg.AskSealing
		if asked := s.of(zremsg.IDAskSealing); len(asked) != 1 {
			t.Fatalf("eve is asked %d times", len(asked))
		} else if err := ask.Decode(asked[0][0], nil); err != nil || sha256.Sum256(s.key()) != [sha256.Size]byte(ask.Digest) {
			t.Errorf("eve is asked for %x: %v", ask.Digest, err)
		}
		wrong := [][]byte{make([]byte, identity.SealingSize), s.ben.guard.Identity.Card().Sealing.Key()}
		for i, key := range wrong {
			eve.say(frame(&zremsg.Sealing{Sequence: uint16(2 + i), Key: key}))
		}
		for _, key := range [][]byte{nil, s.key()[1:]} {
			eve.say(frame(&zremsg.Sealing{Sequence: 4, Key: key}))
		}
		absurd := bytes.Repeat([]byte{0xFF}, 1<<19)
		eve.say(append(zmtp.AppendHeader(nil, len(absurd)+6, false), append([]byte{0xAA, 0xA1, byte(zremsg.IDSealing), 2, 0, 6}, absurd...)...))
		if s.rest(); len(s.of(zremsg.IDWhisper)) != 0 {
			t.Fatal("eve gets what she cannot")
		}
		if counts := s.ana.Counts(); counts["sealing keys that are not right"] != uint64(len(wrong)) || counts["messages that are malformed"] != 3 {
			t.Errorf("counts: %v", counts)
		}
		eve.say(frame(&zremsg.Sealing{Sequence: 4, Key: s.key()}))
		s.ana.must(<-said)
		heard := s.of(zremsg.IDWhisper)
		if len(heard) != 2 {
			t.Fatalf("eve hears %d whispers", len(heard))
		}
		r, _, err := seal.Accept(s.eve.Identity, s.ana.guard.Identity.Card(), challenge, 0, heard[0][1])
		s.ana.must(err)
		if content, _, err := r.Open(heard[1][1], nil); err != nil || string(bytes.Join(content, nil)) != "secret" {
			t.Errorf("eve hears %q: %v", content, err)
		}
		if again := s.of(zremsg.IDAskSealing); len(again) != 0 {
			t.Errorf("eve is asked %d times more", len(again))
		}
	})
}

// TestKeyNeverComes whispers and shouts to a peer that does not answer: nothing goes to it,
// and that is told; the others are not held up twice.
func TestKeyNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		eve := s.keyless()
		eve.say(frame(&zremsg.Join{Sequence: 2, Group: "room", Status: 1}))
		s.ana.wants("join eve room")
		shouted := func() {
			t.Helper()
			began := time.Now()
			if sent, err := s.ana.Shout(t.Context(), "room", text("secret")); err != nil || sent != 2 || time.Since(began) != 0 {
				t.Errorf("%d have it after %v: %v", sent, time.Since(began), err)
			}
			for _, a := range []*actor{s.ben, s.cleo} {
				a.wants(`shout ana room "secret"`)
			}
		}
		began := time.Now()
		if err := s.ana.Whisper(t.Context(), s.eve.ID, text("secret")); !errors.Is(err, api.ErrNoKey) || time.Since(began) != zremsg.MaxSealingWait*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		shouted()
		shouted()
		if asked := len(s.of(zremsg.IDAskSealing)); asked > 2 {
			t.Errorf("eve is asked %d times", asked)
		}
		if len(s.of(zremsg.IDWhisper)) != 0 || len(s.of(zremsg.IDShout)) != 0 {
			t.Error("eve gets what she cannot")
		}
		var told *channel.UndeliveredError
		if err := s.ana.Flush(t.Context()); !errors.As(err, &told) || len(told.Missed) != 1 {
			t.Errorf("flush: %v", err)
		}
	})
}

// TestKeysAskedFor asks for keys without end: for one that is not there, and for the one of
// ana's card, which is brought so often as the model says.
func TestKeysAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		hello := s.signed(s.greeting())
		eve, sequence := s.enters(hello), uint16(1)
		asks := func(times int, digest []byte) (brought [][][]byte) {
			for range times {
				eve.say(frame(&zremsg.AskSealing{Sequence: sequence + 1, Digest: digest}))
				if len(digest) == sha256.Size { // else it is no message, and has no number
					sequence++
				}
			}
			return s.of(zremsg.IDSealing)
		}
		key := s.ana.guard.Identity.Card().Sealing
		digest := key.Digest()
		for _, none := range [][]byte{nil, digest[1:], make([]byte, 32)} {
			if brought := asks(1000, none); len(brought) != 0 {
				t.Errorf("for a digest of %d octets %d keys are brought", len(none), len(brought))
			}
		}
		for i, want := range []int{zremsg.MaxSealingAnswered, 0} {
			brought := asks(1000, digest[:])
			if len(brought) != want {
				t.Errorf("time %d: %d keys are brought, want %d", i, len(brought), want)
			}
			for _, frames := range brought {
				var m zremsg.Sealing
				if err := m.Decode(frames[0], nil); err != nil || !slices.Equal(m.Key, key.Key()) {
					t.Errorf("another key is brought: %v", err)
				}
			}
		}
		if counts := s.ana.Counts(); counts["messages that are malformed"] != 2000 || counts["sealing keys asked for that are not here"] != 1000 || counts["sealing keys asked for too often"] != 2000-zremsg.MaxSealingAnswered {
			t.Errorf("counts: %v", counts)
		}
		if s.unharmed(); len(asks(1, digest[:])) != 0 {
			t.Error("it is brought again too soon")
		}
	})
}

// TestPlainNodeHasNoKey asks a node without identity for a key, and brings it one.
func TestPlainNodeHasNoKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityPlain)
		eve := s.enters(s.greeting())
		eve.say(frame(&zremsg.AskSealing{Sequence: 2, Digest: make([]byte, 32)}))
		eve.say(frame(&zremsg.Sealing{Sequence: 3, Key: s.key()}))
		if s.rest(); s.ana.Counts()["sealing keys asked for that are not here"] != 1 || s.ana.Counts()["sealing keys that are not right"] != 1 {
			t.Errorf("counts: %v", s.ana.Counts())
		}
		s.unharmed()
	})
}
