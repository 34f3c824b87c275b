package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/src/wire"
)

// wants fails unless err is one of some.
func wants(t testing.TB, err error, some ...error) {
	t.Helper()
	if !slices.ContainsFunc(some, func(want error) bool { return err == want || want != nil && errors.Is(err, want) }) {
		t.Fatalf("%v, want %v", err, some)
	}
}

func TestCardRefused(t *testing.T) {
	own, _, v := fixture(t)
	other, err := New()
	must(t, err)
	others, err := other.Issue(1, start)
	must(t, err)
	signed := func(change func(*oncecard.Card)) []byte {
		var m oncecard.Card
		must(t, m.Decode(slices.Clone(v.Card), nil))
		change(&m)
		return signedBy(t, own.key, &m, &m.Proof)
	}
	for _, test := range []struct {
		octets []byte
		id     uuid.UUID
		after  time.Duration
		err    error
	}{
		{v.Card, own.id, -skew, nil},
		{v.Card, own.id, -skew - time.Second, ErrExpired},
		{v.Card, own.id, Lifetime + skew - time.Second, nil},
		{v.Card, own.id, Lifetime + skew, ErrExpired},
		{v.Card, other.id, 0, ErrStranger},
		{others.octets, own.id, 0, ErrStranger},
		{v.Token, own.id, 0, ErrMalformed},
		{make([]byte, MaxCard+1), own.id, 0, ErrMalformed},
		{signed(func(m *oncecard.Card) {}), own.id, 0, nil},
		{signed(func(m *oncecard.Card) { m.Expiry = m.NotBefore }), own.id, 0, ErrMalformed},
		{signed(func(m *oncecard.Card) { m.Transport = nil }), own.id, 0, ErrMalformed},
		{signed(func(m *oncecard.Card) { m.Sealing = m.Sealing[1:] }), own.id, 0, ErrMalformed},
	} {
		card, err := ParseCard(test.octets, test.id, start.Add(test.after))
		wants(t, err, test.err)
		if err == nil {
			must(t, card.Valid(start))
			wants(t, card.Valid(start.Add(Lifetime+skew)), ErrExpired)
		}
	}
	m := func(b []byte) []byte { return append(b, 'm') }
	if sealed := own.Sign("p", m); !own.card.Verify("p", m, sealed) || own.card.Verify("q", m, sealed) {
		t.Error("a signature does not hold for its purpose alone")
	}
}

// signedBy returns a message with a proof that is right.
func signedBy(t testing.TB, key ed25519.PrivateKey, m oncecard.Message, proof *[]byte) []byte {
	octets, err := prove(key, cardPurpose, nil, m, proof)
	must(t, err)
	return octets
}

// TestTokenRefused has tokens that are signed for but are not as they must be.
func TestTokenRefused(t *testing.T) {
	_, network, _ := fixture(t)
	for name, test := range map[string]struct {
		change func(*oncecard.Token, *oncecard.Details)
		err    error
	}{
		"as it should be":    {func(m *oncecard.Token, d *oncecard.Details) {}, nil},
		"no name":            {func(m *oncecard.Token, d *oncecard.Details) { d.Name = "" }, ErrMalformed},
		"an empty role":      {func(m *oncecard.Token, d *oncecard.Details) { d.Roles = []string{"", "b"} }, ErrMalformed},
		"a role twice":       {func(m *oncecard.Token, d *oncecard.Details) { d.Roles = []string{"b", "b"} }, ErrMalformed},
		"roles out of order": {func(m *oncecard.Token, d *oncecard.Details) { d.Roles = []string{"b", "a"} }, ErrMalformed},
		"a short key":        {func(m *oncecard.Token, d *oncecard.Details) { m.Network = m.Network[1:] }, ErrMalformed},
		"no time":            {func(m *oncecard.Token, d *oncecard.Details) { m.Expiry = m.NotBefore }, ErrMalformed},
		"far away":           {func(m *oncecard.Token, d *oncecard.Details) { m.Expiry = 1<<64 - 1 }, ErrMalformed},
		"past":               {func(m *oncecard.Token, d *oncecard.Details) { m.NotBefore, m.Expiry = 1, 2 }, ErrExpired},
		"other details":      {func(m *oncecard.Token, d *oncecard.Details) { m.Digest = make([]byte, 32) }, ErrForged},
		"another network":    {func(m *oncecard.Token, d *oncecard.Details) { m.Network = bytes.Repeat([]byte{1}, 32) }, ErrForged},
	} {
		t.Run(name, func(t *testing.T) {
			d := oncecard.Details{Salt: make([]byte, 16), Name: "ana", Roles: []string{"a", "b"}}
			m := oncecard.Token{Network: publicOf(network), Member: [16]byte{1}, NotBefore: uint64(start.Unix()), Expiry: uint64(start.Unix()) + 60}
			test.change(&m, &d)
			details, err := d.AppendTo(nil)
			must(t, err)
			if digest := sha256.Sum256(details); m.Digest == nil {
				m.Digest = digest[:]
			}
			token := signedBy(t, network, &m, &m.Proof)
			_, err = ParseToken(append(bytes.Clone(token), details...), start)
			wants(t, err, test.err)
			_, err = ParseToken(token, start)
			wants(t, err, ErrMalformed, ErrExpired, ErrForged)
		})
	}
}

// TestRollRefused has members written in other ways than the one that there is.
func TestRollRefused(t *testing.T) {
	_, network, _ := fixture(t)
	const id, higher = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
	list := func(pairs ...string) (members []wire.Pair) {
		for pair := range slices.Chunk(pairs, 2) {
			members = append(members, wire.Pair{Key: pair[0], Value: pair[1]})
		}
		return members
	}
	for _, test := range []struct {
		members []wire.Pair
		err     error
	}{
		{list(), nil},
		{list(id, "0", higher, "1099511627775"), nil},
		{list(higher, "1", id, "1"), ErrMalformed},
		{list(strings.ToUpper(id), "1"), ErrMalformed},
		{list("{"+id+"}", "1"), ErrMalformed},
		{list("urn:uuid:"+id, "1"), ErrMalformed},
		{list(strings.ReplaceAll(id, "-", ""), "1"), ErrMalformed},
		{list("", "1"), ErrMalformed},
		{list(id, ""), ErrMalformed},
		{list(id, "01"), ErrMalformed},
		{list(id, "+1"), ErrMalformed},
		{list(id, "-1"), ErrMalformed},
		{list(id, "1099511627776"), ErrMalformed},
		{list(id, "18446744073709551616"), ErrMalformed},
		{list(id, "1e3"), ErrMalformed},
	} {
		m := oncecard.Roll{Network: publicOf(network), Number: 1, Revoked: test.members}
		_, err := ParseRoll(signedBy(t, network, &m, &m.Proof))
		if !errors.Is(err, test.err) {
			t.Errorf("%q: %v, want %v", test.members, err, test.err)
		}
	}
	largest := make(map[uuid.UUID]time.Time)
	for i := range oncecard.MaxRollRevoked {
		largest[uuid.UUID{14: byte(i >> 8), 15: byte(i)}] = unix(maxTime - 1)
	}
	if r, err := (&Roll{Number: 1<<64 - 1, Revoked: largest}).signed(network); err != nil || len(r.Revoked) != len(largest) {
		t.Errorf("the largest: %v", err)
	}
	largest[uuid.Max] = start
	_, err := (&Roll{Number: 1, Revoked: largest}).signed(network)
	wants(t, err, wire.ErrLimit)
}

func FuzzCard(f *testing.F) {
	own, _, v := fixture(f)
	f.Add([]byte(v.Card))
	f.Fuzz(func(t *testing.T, octets []byte) {
		var m oncecard.Card
		if card, err := ParseCard(octets, own.id, start); err == nil && !bytes.Equal(card.Octets(), octets) {
			t.Error("a card is not what it was")
		}
		again(t, &m, octets)
	})
}

func FuzzToken(f *testing.F) {
	_, network, v := fixture(f)
	own := publicOf(network)
	f.Add([]byte(slices.Concat(v.Token, v.Details)))
	f.Add([]byte(v.Details))
	f.Add([]byte(v.Roll))
	f.Add([]byte(v.Move))
	f.Fuzz(func(t *testing.T, octets []byte) {
		if token, err := ParseToken(octets, start); err == nil && !bytes.Equal(token.Octets(), octets) {
			t.Error("a token is not what it was")
		}
		if token, err := ParseShownToken(octets, start); err == nil && !bytes.Equal(token.Octets(), octets) {
			t.Error("a token that is shown is not what it was")
		}
		if r, err := ParseRoll(octets); err == nil && !bytes.Equal(r.octets, octets) {
			t.Error("a roll is not what it was")
		}
		again(t, new(oncecard.Token), octets)
		again(t, new(oncecard.Details), octets)
		again(t, new(oncecard.Roll), octets)
		again(t, new(oncecard.Move), octets)
		_, _ = keysOf(octets, own)
	})
}

func FuzzInvite(f *testing.F) {
	_, network, v := fixture(f)
	f.Add(v.InviteText)
	f.Add(v.RollText)
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := RollIn(text); err == nil && r.Text() != strings.TrimSuffix(text, "\n") {
			t.Errorf("%q becomes %q", text, r.Text())
		}
		_, _ = (&Network{key: network}).parse(text) // whatever it is, without a panic
		if m, token, err := parseInvite(text, start); err == nil {
			seed := m.Seed
			m := oncecard.Invite{Seed: seed, Token: token.Octets(), Servers: m.Servers}
			octets, err := m.AppendTo(nil)
			if err != nil || written(wordInvite, octets) != text {
				t.Errorf("%q becomes %q, %v", text, written(wordInvite, octets), err)
			}
		}
		if octets, err := unwritten(wordInvite, text, MaxCard); err == nil && written(wordInvite, octets) != text {
			t.Errorf("%q and %q mean the same", text, written(wordInvite, octets))
		}
	})
}

// again decodes octets; if that can be done, they are the one encoding.
func again(t *testing.T, m oncecard.Message, octets []byte) {
	t.Helper()
	if m.Decode(octets, nil) != nil {
		return
	}
	if encoded, err := m.AppendTo(nil); err != nil || !bytes.Equal(encoded, octets) {
		t.Errorf("%x becomes %x, %v", octets, encoded, err)
	}
}

// TestRenew renews a card by the wall clock, whichever way that was set.
func TestRenew(t *testing.T) {
	i, err := New()
	must(t, err)
	first, err := i.Issue(7, start)
	must(t, err)
	for _, step := range []struct {
		after time.Duration // start
		fresh bool
	}{
		{0, false}, {Renewal - time.Second, false}, {Renewal, true}, {Renewal + time.Minute, false},
		{Renewal - time.Second, true}, {48 * time.Hour, true}, {-time.Hour, true}, {-time.Hour, false},
	} {
		last := i.Card()
		must(t, i.Renew(start.Add(step.after)))
		if card := i.Card(); (card != last) != step.fresh || card.Incarnation != first.Incarnation || card.Valid(start.Add(step.after)) != nil {
			t.Errorf("after %v the card is %+v", step.after, card)
		}
	}
}
