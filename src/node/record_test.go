package node

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/seal"
	"github.com/sjohnr/at-once/src/z85"
)

// disguises returns octets as they are, and as text that stands for them.
func disguises(octets []byte) (texts []string) {
	texts = append(texts, string(octets), hex.EncodeToString(octets), strings.ToUpper(hex.EncodeToString(octets)),
		z85.Encode(octets[:len(octets)/4*4]))
	for shift := range 3 { // by which it may be in base64, among others
		text := identity.Base64(slices.Concat(make([]byte, shift), octets))
		texts = append(texts, text[(shift*8+5)/6:len(text)-1])
	}
	return texts
}

// TestRecord listens to whole conversations: without security all is there to be
// heard, sealed it is no content, and encrypted nothing at all, not even who talks.
func TestRecord(t *testing.T) {
	const ana, ben, header, room, hall = "Name-of-Ana", "Name-of-Ben", "Value-of-a-header", "Group-at-the-start", "Group-joined"
	const whispered, back, shouted, answered = "Whispered-words", "Whispered-back", "Shouted-words", "Shouted-back"
	presence, content := []string{ana, ben, header, room, hall}, []string{whispered, back, shouted, answered}
	for _, c := range []struct {
		security       api.NodeSecurity
		heard, unheard []string
	}{
		{api.NodeSecurityPlain, slices.Concat(presence, content), nil},
		{api.NodeSecurityAuto, presence, content},
		{api.NodeSecuritySecure, nil, slices.Concat(presence, content)},
	} {
		t.Run(c.security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tap wiretap
				l := newLAN(t)
				a := l.node(ana, with(c.security), in(room), tap.on, func(n *Node) { _ = n.SetHeader("X-ROLE", header) })
				b := l.node(ben, with(c.security), in(room), tap.on)
				a.wants("enter "+ben, fmt.Sprintf("join %s %s", ben, room))
				b.wants("enter "+ana, fmt.Sprintf("join %s %s", ana, room))
				a.must(a.Join(hall))
				b.wants(fmt.Sprintf("join %s %s", ana, hall))
				for range 3 {
					a.must(a.Whisper(t.Context(), b.UUID(), text(whispered, "")))
					b.must(b.Whisper(t.Context(), a.UUID(), text(strings.Repeat(back, 10_000))))
					a.shouts(room, shouted, 1)
					b.shouts(hall, answered, 1)
				}
				time.Sleep(time.Second)
				a.must(a.Leave(hall))
				time.Sleep(time.Second)
				who := a.guard
				a.Stop()
				b.Stop()
				record, id := string(tap.all()), a.UUID()
				if c.security != api.NodeSecuritySecure {
					c.heard = append(c.heard, string(id[:]))
				} else {
					transport := who.Identity.Transport().PublicKey().Bytes()
					c.unheard = append(c.unheard, id.String(), string(id[:]), string(who.Identity.Card().Identity), string(transport))
				}
				for _, what := range c.heard {
					if !strings.Contains(record, what) {
						t.Errorf("%q was not heard", what)
					}
				}
				for _, what := range c.unheard {
					for _, text := range disguises([]byte(what)) {
						if strings.Contains(record, text) {
							t.Errorf("%q was heard, as %q", what, text)
						}
					}
				}
			})
		})
	}
}

// TestThePast lets three hours pass after a conversation that was recorded. Nothing
// that the nodes hold then opens it, whether or not they have talked since.
func TestThePast(t *testing.T) {
	for _, talkative := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var tap wiretap
			l := newLAN(t)
			ana, ben := l.node("ana"), l.node("ben", tap.on)
			defer ana.Stop()
			defer ben.Stop()
			ana.wants("enter ben")
			ben.wants("enter ana")
			ben.must(ben.Whisper(t.Context(), ana.UUID(), text("secret")))
			ana.wants(`whisper ben "secret"`)
			open, sealed := tap.sealed(ben, ana, onceseal.IDOpen), tap.sealed(ben, ana, onceseal.IDSealed)
			card, challenge := ben.guard.Identity.Card(), ana.challenge(ben.UUID())
			accept := func() (*seal.Receiver, error) {
				r, _, err := seal.Accept(ana.guard.Identity, card, challenge, 0, bytes.Clone(open))
				return r, err
			}
			r, err := accept()
			ana.must(err)
			if content, _, err := r.Open(bytes.Clone(sealed), nil); err != nil || string(content[0]) != "secret" {
				t.Fatalf("what is recorded is %q, %v", content, err)
			}
			for range 18 {
				time.Sleep(10 * time.Minute)
				if talkative {
					ben.talk(ana)
				}
			}
			if _, err := accept(); !errors.Is(err, seal.ErrKey) {
				t.Errorf("with the keys of cards: %v", err)
			}
			given := ana.holds(ben.UUID())
			if _, err := given.Whisper(ana.table.find(ben.UUID()), [][]byte{bytes.Clone(sealed)}, nil); !errors.Is(err, seal.ErrKey) {
				t.Errorf("with the key of a session: %v", err)
			}
		})
	}
}

// TestWhoHasGone lets a member of a group leave it, or be revoked, and listen to the
// connection of one who stays: with all that it was given it opens nothing more.
func TestWhoHasGone(t *testing.T) {
	for how, goes := range map[string]func(ana, eve *actor, network *identity.Network){
		"left": func(ana, eve *actor, _ *identity.Network) {
			eve.must(eve.Leave("room"))
			ana.wants("leave eve room")
		},
		"stopped": func(ana, eve *actor, _ *identity.Network) {
			eve.Stop()
			ana.wants("exit eve left")
		},
		"revoked": func(ana, eve *actor, network *identity.Network) {
			ana.must(ana.guard.Identity.Adopt(revoke(ana.lan.t, network, "eve")))
			ana.wants(revokes("eve", eve.UUID())...)
		},
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, err := identity.OpenNetwork(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				var tap wiretap
				l, auto := newLAN(t), with(api.NodeSecurityAuto)
				ana := l.node("", member(t, network, "ana"), auto, in("room"), tap.on)
				ben := l.node("", member(t, network, "ben"), auto, in("room"))
				eve := l.node("", member(t, network, "eve"), auto, in("room"))
				defer ana.Stop()
				defer ben.Stop()
				defer eve.Stop()
				for range 4 {
					ana.next(time.Minute)
				}
				ana.shouts("room", "before", 2)
				given, from, challenge := eve.holds(ana.UUID()), eve.table.find(ana.UUID()), eve.challenge(ana.UUID())
				reach := eve.guard.Identity.Card()
				before := tap.sealed(ana, ben, onceseal.IDGroup)
				if !bytes.Equal(before, tap.sealed(ana, eve, onceseal.IDGroup)) || given.Held() == 0 {
					t.Fatal("eve was not given what ben was")
				}
				goes(ana, eve, network)
				ana.shouts("room", "after", 1)
				eve.lan.rest()
				key, group := tap.sealed(ana, ben, onceseal.IDSealed), tap.sealed(ana, ben, onceseal.IDGroup)
				if bytes.Equal(before, group) {
					t.Fatal("ana has said nothing")
				}
				renumbered := slices.Concat(before[:len("....")+8], group[len("....")+8:])
				for what, frame := range map[string][]byte{"": group, "under the old number": renumbered} {
					opens := func() ([][]byte, error) { // as if ana had proved it to her
						held := given
						session, open, err := seal.Open(ana.guard.Identity, ana.guard.Identity.Card(), reach, challenge, ana.guard.Serial())
						ana.must(err)
						_, err = held.Whisper(from, [][]byte{open}, nil)
						ana.must(err)
						id := ana.UUID()
						digest := sha256.Sum256(slices.Concat(id[:], []byte("\x04room"), frame))
						return held.Shout("room", [][]byte{bytes.Clone(frame), session.AppendProof(nil, digest[:])}, nil)
					}
					content, err := opens()
					if err == nil {
						t.Errorf("eve opens %q %s", content, what)
					}
					if _, again := opens(); errors.Is(err, seal.ErrForged) && !errors.Is(again, seal.ErrReplay) {
						t.Errorf("it was the proof: %v, %v", err, again)
					}
				}
				if _, err := given.Whisper(from, [][]byte{key}, nil); err == nil {
					t.Error("eve opens the key")
				}
			})
		})
	}
}
