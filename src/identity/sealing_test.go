package identity

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncecard"
)

// waiting tells whether something is still to come.
func waiting(came <-chan struct{}) bool {
	select {
	case <-came:
		return false
	default:
		return true
	}
}

// TestSealing offers all sorts of octets for the key that a card names: only that is taken.
func TestSealing(t *testing.T) {
	own, _, v := fixture(t)
	other, err := New()
	must(t, err)
	others, err := other.Issue(1, start)
	must(t, err)
	card, err := ParseCard(v.Card, v.ID, start)
	must(t, err)
	s := card.Sealing
	came := s.Came()
	for _, key := range [][]byte{nil, {}, v.SealingKey[1:], append(slices.Clone(v.SealingKey), 0), make([]byte, 1<<20), others.Sealing.Key()} {
		wants(t, s.Take(key), ErrMalformed)
	}
	for bit := range len(v.SealingKey) * 8 {
		key := bytes.Clone(v.SealingKey)
		key[bit/8] ^= 1 << (bit % 8)
		wants(t, s.Take(key), ErrMalformed)
	}
	if s.Key() != nil || !waiting(came) {
		t.Error("it is known")
	}
	s.Wake()
	again := s.Came()
	if waiting(came) || !waiting(again) {
		t.Error("who waits does not look again, or who looks again does not wait")
	}
	for range 2 {
		must(t, s.Take(bytes.Clone(v.SealingKey)))
	}
	if waiting(again) || waiting(s.Came()) || !bytes.Equal(s.Key(), own.card.Sealing.Key()) {
		t.Error("it is not known")
	}
	wants(t, s.Take(others.Sealing.Key()), ErrMalformed)

	none := bytes.Repeat([]byte{0xFF}, SealingSize) // its digest is right, and it is no key
	named := Sealing{digest: sha256.Sum256(none)}
	wants(t, named.Take(none), ErrMalformed)
}

// TestCardIsShort holds a card against what it may have, with a record around it, and the
// key that it names.
func TestCardIsShort(t *testing.T) {
	own, _, v := fixture(t)
	if len(v.Card) != oncecard.MaxCard || len(v.Card) > 240 { // 400 less what a record has beside it
		t.Errorf("a card has %d octets", len(v.Card))
	}
	if !bytes.Equal(own.Sealing(own.card.Sealing.digest[:]), v.SealingKey) || own.Sealing(nil) != nil || own.Sealing(make([]byte, sha256.Size)) != nil {
		t.Error("the key that the card names is not there, or another is")
	}
}

// TestCardsInOrder issues cards within a second, and while the clock goes back a little: of
// one incarnation each becomes valid after the one before. Only a clock that was set back by
// more, by which a card would have to be from the future, can change that.
func TestCardsInOrder(t *testing.T) {
	own, err := New()
	must(t, err)
	var last *Card
	for i, at := range []time.Duration{0, 0, 1, time.Second, -time.Second, -skew / 2, time.Minute, time.Minute} {
		card, err := own.Issue(7, start.Add(at))
		must(t, err)
		if last != nil && !card.NotBefore.After(last.NotBefore) {
			t.Errorf("card %d is from %v, after one from %v", i, card.NotBefore, last.NotBefore)
		}
		must(t, card.Valid(start.Add(at)))
		last = card
	}
	back, err := own.Issue(7, start.Add(-time.Hour))
	must(t, err)
	must(t, back.Valid(start.Add(-time.Hour)))
}

// TestCardsOfOneKey has two cards name one key: it opens what was sealed for each.
func TestCardsOfOneKey(t *testing.T) {
	own, _, _ := fixture(t)
	first := own.card
	second, err := own.issue(own.sealing[0].PrivateKey, first.Incarnation, start.Add(time.Hour))
	must(t, err)
	if first.Sealing.Digest() != second.Sealing.Digest() || first.Short() == second.Short() {
		t.Error("the keys are not one, or the cards are")
	}
	for _, card := range []*Card{first, second} {
		if key, of := own.SealingKey(card.Short()); of != card || key == nil {
			t.Error("a card is not found by its name")
		}
	}
}

// FuzzSealing never takes what is not the key.
func FuzzSealing(f *testing.F) {
	_, _, v := fixture(f)
	f.Add([]byte(v.SealingKey))
	f.Add([]byte(v.SealingKey)[1:])
	f.Fuzz(func(t *testing.T, key []byte) {
		named, err := ParseCard(v.Card, v.ID, start)
		must(t, err)
		if err := named.Sealing.Take(bytes.Clone(key)); (err == nil) != bytes.Equal(key, v.SealingKey) {
			t.Errorf("%x: %v", key, err)
		}
		sized := &Sealing{digest: sha256.Sum256(key)}
		if _, err := hpke.MLKEM768X25519().NewPublicKey(key); (sized.Take(bytes.Clone(key)) == nil) != (err == nil) {
			t.Errorf("%x: %v", key, err)
		}
	})
}

// TestSealable changes a key octet by octet: what package hpke takes is sealable, and no
// more.
func TestSealable(t *testing.T) {
	kem := hpke.MLKEM768X25519()
	secret, err := kem.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, taken := secret.PublicKey().Bytes(), 0
	check := func(what string, key []byte, at int) {
		_, err := kem.NewPublicKey(key)
		if sealable(key) != (err == nil) {
			t.Fatalf("%s %d: %v", what, at, err)
		}
		if err == nil {
			taken++
		}
	}
	for size := range len(key) + 2 {
		check("octets:", append(key[:len(key):len(key)], 0)[:size], size)
	}
	for at := range key {
		for _, value := range []byte{0, 0x0c, 0x0d, 0xd0, 0xcf, 0xff, byte(rand.Uint32())} {
			was := key[at]
			key[at] = value
			check("changed at", key, at)
			key[at] = was
		}
	}
	t.Logf("%d of them are keys", taken)
}
