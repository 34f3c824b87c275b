package node

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
)

// groupKey is what cleo can give away of what ben gave her for the room: his latest
// KEY, as she takes it out of the record of his words.
func (s *scene) groupKey() *onceseal.Key {
	to := s.cleo.guard.identity
	r, _, err := seal.Accept(to, s.ben.guard.identity.Card(), s.cleo.table.find(s.ben.UUID()).challenge, 0,
		s.tap.sealed(s.ben, s.cleo, onceseal.IDOpen))
	s.cleo.must(err)
	for _, frames := range s.tap.words(s.ben, s.cleo) {
		if id, err := onceseal.Peek(frames[len(frames)-1]); err != nil || id != onceseal.IDSealed {
			continue
		}
		if _, key, err := r.Open(bytes.Clone(frames[1]), nil); err == nil && key != nil {
			return key
		}
	}
	s.t.Fatal("ben gave cleo no key")
	return nil
}

// groupMessage makes a GROUP of a sender by hand: sealed is for its number, or not.
func groupMessage(from *actor, key *onceseal.Key, number uint64, seals func(additional []byte) []byte, signer ed25519.PrivateKey) []byte {
	id := from.UUID()
	encode := func(sealed, proof []byte) []byte {
		m := onceseal.Group{Key: key.Key, Number: number, Sealed: sealed, Proof: proof}
		b, err := m.AppendTo(nil)
		from.must(err)
		return b
	}
	head := encode(make([]byte, len(seals(nil))), nil)[:24]
	additional := slices.Concat(id[:], []byte{byte(len(key.Group))}, []byte(key.Group), head)
	sealed := seals(additional)
	digest := sha256.Sum256(append(additional, sealed...))
	return encode(sealed, ed25519.Sign(signer, append([]byte("once_seal 1 group\x00"), digest[:]...)))
}

// ratchet seals content as who holds a key does for the message of a number.
func ratchet(key *onceseal.Key, number uint64, content string) func(additional []byte) []byte {
	mac := func(chain []byte, octet byte) []byte {
		h := hmac.New(sha256.New, chain)
		h.Write([]byte{octet})
		return h.Sum(nil)
	}
	chain := key.Chain
	for range number - key.Number {
		chain = mac(chain, 2)
	}
	return func(additional []byte) []byte {
		m := onceseal.Content{Sizes: []byte{0, 0, 0, byte(len(content))}, Octets: []byte(content)}
		plain, _ := m.AppendTo(nil)
		aead, _ := chacha20poly1305.New(mac(chain, 1))
		return aead.Seal(nil, make([]byte, aead.NonceSize()), plain, additional)
	}
}

// TestInjectedWords puts words between those of ben on his own connection. None is
// taken for his; each is counted, and what he says himself still comes, once.
func TestInjectedWords(t *testing.T) {
	whisper := func(frames ...[]byte) []byte { return frame(&zremsg.Whisper{Sequence: 9}, frames...) }
	shout := func(group string, frames ...[]byte) []byte {
		return frame(&zremsg.Shout{Sequence: 9, Group: group}, frames...)
	}
	opening := func(s *scene, to *actor, challenge []byte, number uint64) []byte {
		_, open, err := seal.Open(s.ben.guard.identity, s.ben.guard.identity.Card(), to.guard.identity.Card(), challenge, number)
		s.ben.must(err)
		return open
	}
	const plain, closed = "content that is not sealed", "content that does not open"
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		said := func(to *actor, id onceseal.ID) []byte { return s.tap.sealed(s.ben, to, id) }
		s.ben.talk(s.cleo)
		for _, c := range []struct {
			name    string
			words   func() []byte
			counted string
		}{
			{"a plain whisper", func() []byte { return whisper([]byte("plain")) }, plain},
			{"a plain shout", func() []byte { return shout("room", []byte("plain")) }, plain},
			{"a shout of two plain frames", func() []byte { return shout("room", text("a", "b")...) }, plain},
			{"a frame beside what he sealed", func() []byte { return whisper(said(s.ana, onceseal.IDSealed), nil) }, plain},
			{"his whisper as a shout", func() []byte { return shout("room", said(s.ana, onceseal.IDSealed)) }, plain},
			{"his shout as a whisper", func() []byte { return whisper(said(s.ana, onceseal.IDGroup)) }, closed},
			{"his whisper again", func() []byte { return whisper(said(s.ana, onceseal.IDSealed)) }, closed},
			{"his whisper to another", func() []byte { return whisper(said(s.cleo, onceseal.IDSealed)) }, closed},
			{"his shout again", func() []byte { return shout("room", said(s.ana, onceseal.IDGroup)) }, closed},
			{"his shout, to another group", func() []byte { return shout("hall", said(s.ana, onceseal.IDGroup)) }, closed},
			{"his opening again", func() []byte { return whisper(said(s.ana, onceseal.IDOpen)) }, closed},
			{"his opening to another", func() []byte { return whisper(said(s.cleo, onceseal.IDOpen)) }, closed},
			{"an opening of his under another challenge", func() []byte {
				return whisper(opening(s, s.ana, make([]byte, challengeSize), 1<<63))
			}, closed},
			{"an opening of his from before", func() []byte {
				return whisper(opening(s, s.ana, s.ana.table.find(s.ben.UUID()).challenge, 1))
			}, closed},
			{"a shout by cleo with his key", func() []byte {
				_, signer, _ := ed25519.GenerateKey(nil)
				key := s.groupKey()
				var m onceseal.Group
				s.ana.must(m.Decode(said(s.cleo, onceseal.IDGroup), nil))
				return shout("room", groupMessage(s.ben, key, m.Number+1, ratchet(key, m.Number+1, "forged"), signer))
			}, closed},
		} {
			s.ben.talk(s.ana)
			s.ben.shouts("room", "x", 2)
			s.ana.wants(`shout ben room "x"`)
			s.cleo.wants(`shout ben room "x"`)
			s.rest()
			words, before := c.words(), s.ana.Counts()
			_, err := s.tap.between(s.ben, s.ana).inject(words)
			s.ana.must(err)
			s.rest()
			after := s.ana.Counts()
			for _, counted := range []string{plain, closed} {
				times := after[counted] - before[counted]
				if (counted == c.counted) != (times == 1) || times > 1 {
					t.Errorf("%s: %s counted %d times", c.name, counted, times)
				}
			}
		}
		s.unharmed()
	})
}

// TestReplay says all that ben has said once more, over a connection of eve's, and what
// she adds. His greeting was heard before, so nothing of it counts, and his connection
// stays. When he has gone it brings him back for nobody, and in his next life it is as
// stale.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		s.unharmed()
		s.ben.shouts("room", "x", 2)
		s.ana.wants(`shout ben room "x"`)
		s.cleo.wants(`shout ben room "x"`)
		s.rest()
		var record [][]byte
		for _, frames := range s.tap.words(s.ben, s.ana) {
			record = append(record, appendContent(nil, frames))
		}
		record = append(record, frame(&zremsg.Leave{Sequence: 8, Group: "room", Status: 2}), frame(&zremsg.Goodbye{Sequence: 9}))
		his := s.tap.between(s.ben, s.ana)
		replay := func() {
			t.Helper()
			if answer, err := s.confront(s.ben.UUID(), nil, record...); errors.Is(err, link.ErrClosed) || len(answer) > 0 {
				t.Errorf("ended with %v, answered with %x", err, answer)
			}
		}
		for range 3 {
			replay()
			s.unharmed()
		}
		if counts := s.ana.Counts(); counts["stale greetings"] != 3 || s.tap.between(s.ben, s.ana) != his {
			t.Errorf("counts: %v, or another connection", counts)
		}
		s.ben.Stop()
		s.ana.wants("exit ben left")
		s.cleo.wants("exit ben left")
		replay()
		s.ana.idle(time.Minute)
		s.ben = s.nodeAt(s.ben.host, "ben", in("room"), func(n *Node) { _ = n.SetIdentity(s.ben.guard.identity) })
		defer s.ben.Stop()
		for _, a := range []*actor{s.ana, s.cleo} {
			a.wants("enter ben", "join ben room")
			for range 2 {
				s.ben.next(time.Minute)
			}
		}
		replay()
		if got := s.ana.Counts()["stale greetings"]; got != 4 {
			t.Errorf("%d stale greetings", got)
		}
		s.unharmed()
	})
}
