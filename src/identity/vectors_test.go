package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncecard"
)

var update = flag.Bool("update", false, "write testdata/once_card.json anew")

// start is when all that is made here becomes valid.
var start = time.Unix(1_700_000_000, 0)

// vectors are made of fixed keys, for other implementations too.
type vectors struct {
	IdentitySeed, TransportKey, SealingSeed, NetworkSeed hexed
	ID                                                   uuid.UUID
	SealingKey, Card, Token, Details, Move, Roll, Invite hexed
	Servers                                              []string
	InviteText, RollText                                 string
}

type hexed []byte

func (h hexed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexed) UnmarshalText(t []byte) error {
	*h = make([]byte, len(t)/2)
	_, err := hex.Decode(*h, t)
	return err
}

// fixture returns an identity with a card, the key of its network, and the vectors of
// both.
func fixture(t testing.TB) (*Identity, ed25519.PrivateKey, vectors) {
	t.Helper()
	seed := func(octet byte) []byte { return bytes.Repeat([]byte{octet}, 32) }
	v := vectors{IdentitySeed: seed(1), TransportKey: seed(2), SealingSeed: seed(3), NetworkSeed: seed(4)}
	transport, err := ecdh.X25519().NewPrivateKey(v.TransportKey)
	must(t, err)
	sealing, err := hpke.MLKEM768X25519().NewPrivateKey(v.SealingSeed)
	must(t, err)
	own := identityOf("", ed25519.NewKeyFromSeed(v.IdentitySeed), transport)
	card, err := own.issue(sealing, 7, start)
	must(t, err)
	network := ed25519.NewKeyFromSeed(v.NetworkSeed)
	details := oncecard.Details{Salt: seed(6)[:16], Name: "ana", Roles: sorted([]string{"sensor", "", "admin", "sensor"})}
	own.token, err = tokenWith(network, &details, own.id, start, start.Add(time.Hour))
	must(t, err)
	v.Move, err = moved(ed25519.NewKeyFromSeed(seed(5)), publicOf(network), start)
	must(t, err)
	v.Servers = []string{"once://192.0.2.1/?key=" + Base64(seed(8)) + "#" + Base64(seed(7)), "once://[2001:db8::1]:4711/?key=" + Base64(seed(10)) + "#" + Base64(seed(9))}
	r, err := (&Roll{
		Number: 9, Moves: v.Move, Vouched: vouched(v.Servers), Tokens: map[uuid.UUID]*Token{own.id: own.token},
		Revoked: map[uuid.UUID]time.Time{{15: 2}: start, {15: 1}: start.Add(time.Second)},
	}).signed(network)
	must(t, err)
	invite := oncecard.Invite{Seed: v.IdentitySeed, Token: own.token.octets}
	v.Invite, err = invite.AppendTo(nil)
	must(t, err)
	v.ID, v.SealingKey = own.id, sealing.PublicKey().Bytes()
	v.Card, v.Token, v.Details, v.Roll = card.octets, own.token.Bare(), own.token.details(), r.octets
	v.InviteText, v.RollText = written(wordInvite, v.Invite), r.Text()
	return own, network, v
}

// bareRoll returns a roll without the details of its tokens.
func bareRoll(t testing.TB, roll []byte) []byte {
	t.Helper()
	r, err := ParseRoll(roll)
	must(t, err)
	return r.Bare()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestVectors makes what the vectors say of their seeds, and reads it.
func TestVectors(t *testing.T) {
	own, network, made := fixture(t)
	const file = "testdata/once_card.json"
	if *update {
		text, err := json.MarshalIndent(made, "", "  ")
		must(t, err)
		must(t, os.WriteFile(file, append(text, '\n'), 0o644))
	}
	text, err := os.ReadFile(file)
	must(t, err)
	var v vectors
	must(t, json.Unmarshal(text, &v))
	if !reflect.DeepEqual(made, v) {
		t.Fatalf("made\n%+v, want\n%+v", made, v)
	}
	card, err := ParseCard(v.Card, v.ID, start)
	if err == nil {
		err = card.Sealing.Take(v.SealingKey)
	}
	if err != nil || !reflect.DeepEqual(card, own.card) {
		t.Errorf("card: %+v, %v", card, err)
	}
	token, err := ParseToken(slices.Concat(v.Token, v.Details), start)
	if err != nil || !reflect.DeepEqual(token, own.token) || !slices.Equal(token.Roles, []string{"admin", "sensor"}) {
		t.Errorf("token: %+v, %v", token, err)
	}
	r, err := RollIn(v.RollText)
	if err != nil || !r.Network.Equal(publicOf(network)) || r.Number != 9 || len(r.Revoked) != 2 || !r.Revoked[uuid.UUID{15: 2}].Equal(start) ||
		!reflect.DeepEqual(r.Tokens[own.id], own.token) || len(r.keys) != 1 || !bytes.Equal(r.Vouched, vouched(v.Servers)) {
		t.Errorf("roll: %+v, %v", r, err)
	}
	m, token, err := parseInvite(v.InviteText, start)
	seed := m.Seed
	if err != nil || !bytes.Equal(seed, v.IdentitySeed) || token.Member != v.ID {
		t.Errorf("invite: %x, %+v, %v", seed, token, err)
	}
}

// TestChanged: no part of a message, and no message with one bit changed, is right.
func TestChanged(t *testing.T) {
	_, network, v := fixture(t)
	for name, test := range map[string]struct {
		octets []byte
		parse  func([]byte) error
	}{
		"card":  {v.Card, func(b []byte) error { _, err := ParseCard(b, v.ID, start); return err }},
		"token": {v.Token, func(b []byte) error { _, err := ParseShownToken(b, start); return err }},
		"shown": {slices.Concat(v.Token, v.Details), func(b []byte) error { _, err := ParseToken(b, start); return err }},
		"roll":  {v.Roll, func(b []byte) error { _, err := ParseRoll(b); return err }},
		"bare":  {bareRoll(t, v.Roll), func(b []byte) error { _, err := ParseBareRoll(b); return err }},
		"moves": {v.Move, func(b []byte) error {
			keys, err := keysOf(b, publicOf(network))
			if err == nil && len(keys) == 0 {
				return ErrMalformed
			}
			return err
		}},
		"invite": {v.Invite, func(b []byte) error { _, _, err := parseInvite(written(wordInvite, b), start); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, test.parse(test.octets))
			for n := range test.octets {
				wants(t, test.parse(test.octets[:n]), ErrMalformed)
			}
			wants(t, test.parse(append(slices.Clone(test.octets), 0)), ErrMalformed)
			for bit := range len(test.octets) * 8 {
				changed := slices.Clone(test.octets)
				changed[bit/8] ^= 1 << (bit % 8)
				wants(t, test.parse(changed), ErrMalformed, ErrForged, ErrStranger, ErrExpired)
			}
		})
	}
}
