package node

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/generated/go/zremsg"
	"github.com/sjohnr/at-once/src/guard"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/seal"
)

// groupKey is what cleo can give away of what ben gave her for the room: his latest
// KEY, as she takes it out of the record of his words.
func (s *scene) groupKey() *onceseal.Key {
	to := s.cleo.guard.Identity
	r, _, err := seal.Accept(to, s.ben.guard.Identity.Card(), s.cleo.challenge(s.ben.UUID()), 0,
		s.tap.sealed(s.ben, s.cleo, onceseal.IDOpen))
	s.cleo.must(err)
	for _, frames := range s.tap.words(s.ben, s.cleo) {
		if len(frames) != 2 {
			continue
		}
		if _, key, err := r.Open(bytes.Clone(frames[1]), nil); err == nil && key != nil {
			return key
		}
	}
	s.t.Fatal("ben gave cleo no key")
	return nil
}

// groupMessage makes a GROUP of a sender by hand, and the digest for its proof: sealed
// is for its number, or not.
func groupMessage(id uuid.UUID, key *onceseal.Key, number uint64, seals func(additional []byte) []byte) (message, digest []byte) {
	bound := slices.Concat(id[:], []byte{byte(len(key.Group))}, []byte(key.Group))
	encode := func(sealed []byte) []byte {
		b, err := (&onceseal.Group{Key: key.Key, Number: number, Sealed: sealed}).AppendTo(nil)
		if err != nil {
			panic(err)
		}
		return b
	}
	head := encode(make([]byte, len(seals(nil))))[:24]
	message = encode(seals(slices.Concat(bound, head)))
	sum := sha256.Sum256(slices.Concat(bound, message))
	return message, sum[:]
}

// proof makes a PROOF as the sender does for one of its receivers.
func (s *scene) proof(to *actor, digest []byte) (proof []byte) {
	s.ben.table.find(to.UUID()).Path().Session(func(session *seal.Sender) { proof = session.AppendProof(nil, digest) })
	return proof
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

// forged is what cleo can say as ben with what he gave her: it is right but for a proof.
func (s *scene) forged() []byte {
	key := s.groupKey()
	var m onceseal.Group
	s.ana.must(m.Decode(s.tap.sealed(s.ben, s.cleo, onceseal.IDGroup), nil))
	message, _ := groupMessage(s.ben.UUID(), key, m.Number+1, ratchet(key, m.Number+1, "forged"))
	return message
}

// TestInjectedWords puts words between those of ben on his own connection. None is
// taken for his; each is counted, and what he says himself still comes, once.
func TestInjectedWords(t *testing.T) {
	whisper := func(frames ...[]byte) []byte { return frame(&zremsg.Whisper{Sequence: 9}, frames...) }
	shout := func(group string, frames ...[]byte) []byte {
		return frame(&zremsg.Shout{Sequence: 9, Group: group}, frames...)
	}
	opening := func(s *scene, to *actor, challenge []byte, number uint64) []byte {
		_, open, err := seal.Open(s.ben.guard.Identity, s.ben.guard.Identity.Card(), to.guard.Identity.Card(), challenge, number)
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
			{"his shout again", func() []byte { return shout("room", s.tap.shout(s.ben, s.ana)...) }, closed},
			{"his shout, to another group", func() []byte { return shout("hall", s.tap.shout(s.ben, s.ana)...) }, closed},
			{"his shout with a proof to another", func() []byte {
				return shout("room", said(s.ana, onceseal.IDGroup), s.tap.shout(s.ben, s.cleo)[1])
			}, closed},
			{"his shout without a proof", func() []byte { return shout("room", said(s.ana, onceseal.IDGroup)) }, plain},
			{"his proof alone", func() []byte { return whisper(s.tap.shout(s.ben, s.ana)[1]) }, closed},
			{"his opening again", func() []byte { return whisper(said(s.ana, onceseal.IDOpen)) }, closed},
			{"his opening to another", func() []byte { return whisper(said(s.cleo, onceseal.IDOpen)) }, closed},
			{"an opening of his under another challenge", func() []byte {
				return whisper(opening(s, s.ana, make([]byte, guard.ChallengeSize), 1<<63))
			}, closed},
			{"an opening of his from before", func() []byte {
				return whisper(opening(s, s.ana, s.ana.challenge(s.ben.UUID()), 1))
			}, closed},
			{"a shout by cleo with his key", func() []byte { return shout("room", s.forged(), make([]byte, seal.SizeProof)) }, closed},
			{"and with what he has proved to her", func() []byte {
				return shout("room", s.forged(), s.tap.shout(s.ben, s.cleo)[1])
			}, closed},
			{"and with what he proves of another", func() []byte {
				return shout("room", s.forged(), s.proof(s.ana, make([]byte, 32)))
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

// record returns all that ben has said to ana, his greeting once and first, and what eve adds.
func (s *scene) record() (record [][]byte) {
	s.t.Helper()
	s.unharmed()
	s.ben.shouts("room", "x", 2)
	s.ana.wants(`shout ben room "x"`)
	s.cleo.wants(`shout ben room "x"`)
	s.rest()
	record = append(record, frame(s.overheard(s.ana)))
	for _, frames := range s.tap.words(s.ben, s.ana) {
		if !greets(frames) {
			record = append(record, appendFrames(nil, frames))
		}
	}
	return append(record, frame(&zremsg.Leave{Sequence: 8, Group: "room", Status: 2}), frame(&zremsg.Goodbye{Sequence: 9}))
}

// TestReplay says all that ben has said once more, over a connection of eve's, and what
// she adds: as she is, and with the nonce that ben has shown. His greeting was for a
// connection that had another nonce of ana's: it is refused while he is there, and when
// he has gone, though eve answers where he was.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto)
		record, his, nonce := s.record(), s.tap.between(s.ben, s.ana), s.challenged(s.ben, s.ana)
		replay := func() {
			t.Helper()
			for _, shown := range [][]byte{nil, nonce} {
				before := s.ana.Counts()["nodes refused"]
				_, err := s.confront(s.ben.UUID(), func(c *link.Config) {
					if shown != nil {
						c.Properties = map[string][]byte{guard.PropertyNonce: shown}
					}
				}, record...)
				if got := s.ana.Counts()["nodes refused"] - before; errors.Is(err, link.ErrClosed) || got != 1 {
					t.Errorf("ended with %v, %d refused", err, got)
				}
			}
		}
		replay()
		s.refused("ben", guard.ErrProof)
		if s.tap.between(s.ben, s.ana) != his {
			t.Error("ben has another connection")
		}
		endpoint := s.ben.Endpoint()
		s.ben.Stop()
		s.ana.wants("exit ben left")
		s.cleo.wants("exit ben left")
		listener, err := s.memory.Host(s.ben.host).Listen(t.Context(), endpoint)
		s.ana.must(err)
		s.answer(listener)
		time.Sleep(guard.RefusalLife)
		replay()
		if got := s.ana.next(time.Minute); got != "refused ben "+guard.NotLetIn(guard.ErrProof).Error() {
			t.Errorf("ana is told %q", got)
		}
		s.ana.idle(time.Minute)
	})
}

// challenged returns the nonce that a node has shown in its latest connection to another.
func (s *scene) challenged(from, to *actor) []byte {
	c := s.tap.between(from, to)
	s.tap.mu.Lock()
	defer s.tap.mu.Unlock()
	_, value, _ := bytes.Cut(c.said, []byte(guard.PropertyNonce))
	return bytes.Clone(value[4:][:guard.NonceSize])
}

// TestReplayUnchallenged is TestReplay for nodes whose driver shows no guard.Nonces. His
// greeting was heard before, so nothing of it counts, and his connection stays. When he
// has gone it brings him back for nobody, and in his next life it is as stale.
func TestReplayUnchallenged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, api.NodeSecurityAuto, blinded)
		record, his := s.record(), s.tap.between(s.ben, s.ana)
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
		s.ben = s.nodeAt(s.ben.host, "ben", in("room"), blinded, func(n *Node) { _ = n.SetIdentity(s.ben.guard.Identity) })
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
