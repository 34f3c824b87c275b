package seal

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/identity"
)

// What is sealed opens again, is of the size that was said, and is what the codec
// makes of the same fields.
func TestContent(t *testing.T) {
	p := newPair(t)
	for i, content := range contents() {
		frame := p.sender.Append([]byte("before"), content)[len("before"):]
		if len(frame) != Size(content) {
			t.Errorf("content %d: %d octets, Size says %d", i, len(frame), Size(content))
		}
		var m onceseal.Sealed
		if err := m.Decode(frame, nil); err != nil || m.Session != 7 || m.Number != uint64(i) {
			t.Errorf("content %d: session %d, number %d, %v", i, m.Session, m.Number, err)
		}
		if again := must(m.AppendTo(nil))(t); !bytes.Equal(again, frame) {
			t.Errorf("content %d: the codec makes %.40x of it, not %.40x", i, again, frame)
		}
		own, err := p.sender.Open(bytes.Clone(frame), frames("before"))
		if err != nil || !same(own[1:], content) || string(own[0]) != "before" {
			t.Errorf("content %d again: %.80q, %v", i, own, err)
		}
		got, err := p.receiver.content(frame, frames("before"))
		if err != nil || !same(got[1:], content) || string(got[0]) != "before" {
			t.Errorf("content %d: %.80q, %v", i, got, err)
		}
		for _, frame := range got[1:] {
			if cap(frame) != len(frame) {
				t.Fatalf("content %d: a frame has room for what comes after it", i)
			}
		}
	}
}

func TestKeyInSession(t *testing.T) {
	p := newPair(t)
	key := must(NewGroup(p.alice.UUID(), "ROOM"))(t).Key()
	frame := p.sender.AppendKey(nil, &key)
	if len(frame) != SizeKey(&key) {
		t.Errorf("%d octets, SizeKey says %d", len(frame), SizeKey(&key))
	}
	content, got, err := p.receiver.Open(frame, nil)
	if err != nil || content != nil || !reflect.DeepEqual(got, &key) {
		t.Errorf("%q, %+v, %v; want %+v", content, got, err, key)
	}
	if bytes.Contains(frame, key.Chain) {
		t.Error("the chain is left in the frame")
	}
}

// What is properly sealed has to be right inside, too.
func TestMalformedInside(t *testing.T) {
	p := newPair(t)
	encoded := func(m onceseal.Message) []byte { return must(m.AppendTo(nil))(t) }
	huge := []byte{0xFF, 0xFF, 0xFF, 0xFF}
	for name, plain := range map[string][]byte{
		"nothing":              {},
		"another message":      encoded(new(onceseal.Sealed)),
		"no frame":             encoded(new(onceseal.Content)),
		"part of a size":       encoded(&onceseal.Content{Sizes: make([]byte, 6)}),
		"fewer octets":         encoded(&onceseal.Content{Sizes: []byte{0, 0, 0, 3}, Octets: []byte("ab")}),
		"more octets":          encoded(&onceseal.Content{Sizes: []byte{0, 0, 0, 1, 0, 0, 0, 0}, Octets: []byte("ab")}),
		"sizes that overflow":  encoded(&onceseal.Content{Sizes: bytes.Repeat(huge, 65536), Octets: []byte("ab")}),
		"more after the end":   append(encoded(&onceseal.Content{Sizes: make([]byte, 4)}), 0),
		"half a KEY":           encoded(new(onceseal.Key))[:9],
		"too many frames":      appendContent(nil, make([][]byte, 65537)),
		"a KEY with something": append(encoded(new(onceseal.Key)), 0),
	} {
		b := append(p.sender.head(nil, len(plain)), plain...)
		content, key, err := p.receiver.Open(p.sender.seal(b, len(plain)), frames("before"))
		if !errors.Is(err, ErrMalformed) || key != nil || !same(content, frames("before")) {
			t.Errorf("%s: %q, %v, %v", name, content, key, err)
		}
	}
}

// Nothing that differs from what was sent opens, or changes what opens then.
func TestTamperedSession(t *testing.T) {
	p := newPair(t)
	for name, open := range tampered(p.open) {
		if r, err := p.accept(open); r != nil || !oneOf(err, ErrMalformed, ErrForged, ErrKey, ErrReplay) {
			t.Fatalf("OPEN, %s: accepted, or %v", name, err)
		}
	}
	first, second := p.say("first"), p.say("second")
	if _, err := hear(p.receiver.content, first); err != nil {
		t.Fatal(err)
	}
	before := p.receiver.came
	for name, frame := range tampered(second) {
		said, err := hear(p.receiver.content, frame)
		if said != "" || p.receiver.came != before || !oneOf(err, ErrMalformed, ErrForged, ErrKey, ErrReplay) {
			t.Fatalf("SEALED, %s: %q, %v, %v", name, said, err, p.receiver.came)
		}
	}
	if said, err := hear(p.receiver.content, second); said != "second" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

// Whoever is not who was meant opens nothing.
func TestWhoMayAccept(t *testing.T) {
	p, other := newPair(t), newIdentity(t)
	s, open := p.opening(t, 8)
	var m onceseal.Open
	if err := m.Decode(open, nil); err != nil {
		t.Fatal(err)
	}
	m.Card = other.Card().Short()
	misled := must(m.AppendTo(nil))(t)
	_, stolen, err := Open(other, p.alice.Card(), p.bob.Card(), challenge, 8)
	if err != nil {
		t.Fatal(err)
	}
	older := p.alice.Card()
	must(p.alice.Issue(1, issued))(t)
	for _, test := range []struct {
		name      string
		own       *identity.Identity
		from      *identity.Card
		challenge string
		last      uint64
		open      []byte
		want      error
	}{
		{"as meant", p.bob, older, string(challenge), 7, open, nil},
		{"again", p.bob, older, string(challenge), 8, open, ErrReplay},
		{"after a later one", p.bob, older, string(challenge), math.MaxUint64, open, ErrReplay},
		{"another receiver", other, older, string(challenge), 7, open, ErrKey},
		{"a card of one, sealed for another", other, older, string(challenge), 7, misled, ErrForged},
		{"another sender", p.bob, other.Card(), string(challenge), 7, open, ErrForged},
		{"another card of the sender", p.bob, p.alice.Card(), string(challenge), 7, open, ErrForged},
		{"signed by another", p.bob, older, string(challenge), 7, stolen, ErrForged},
		{"another challenge", p.bob, older, "sixteen others..", 7, open, ErrForged},
		{"a longer challenge", p.bob, older, string(challenge) + "\x00", 7, open, ErrForged},
		{"a short challenge", p.bob, older, "fifteen octets.", 7, open, ErrMalformed},
		{"a huge challenge", p.bob, older, string(make([]byte, 65)), 7, open, ErrMalformed},
		{"not an OPEN", p.bob, older, string(challenge), 7, s.Append(nil, frames("x")), ErrMalformed},
	} {
		r, number, err := Accept(test.own, test.from, []byte(test.challenge), test.last, test.open)
		if !errors.Is(err, test.want) || (err == nil) != (r != nil && number == 8) {
			t.Errorf("%s: number %d, %v", test.name, number, err)
		}
	}
	if _, _, err := Open(p.alice, p.alice.Card(), p.bob.Card(), []byte("short"), 9); err == nil {
		t.Error("opened under a short challenge")
	}
}

// Frames are for one session: that of another number stays as it was.
func TestSessionsApart(t *testing.T) {
	p := newPair(t)
	late := p.say("late")
	next, open := p.opening(t, 8)
	r := must(p.acceptAs(8, open))(t)
	frame := bytes.Clone(late)
	if _, _, err := r.Open(frame, nil); !errors.Is(err, ErrKey) || !bytes.Equal(frame, late) {
		t.Errorf("a frame of session 7 in 8: %v, or changed", err)
	}
	if said, err := hear(p.receiver.content, frame); said != "late" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
	renamed := next.Append(nil, frames("x"))
	renamed[11] = 7
	if _, err := hear(p.receiver.content, renamed); !errors.Is(err, ErrReplay) {
		t.Errorf("a frame of session 8 as the first of 7: %v", err)
	}
	renamed[19] = 1
	if _, err := hear(p.receiver.content, renamed); !errors.Is(err, ErrForged) {
		t.Errorf("a frame of session 8 as the second of 7: %v", err)
	}
}

func (p *pair) acceptAs(number uint64, open []byte) (*Receiver, error) {
	r, _, err := Accept(p.bob, p.alice.Card(), challenge, number-1, open)
	return r, err
}

func TestOrder(t *testing.T) {
	p := newPair(t)
	var sent [][]byte
	for range 200 {
		sent = append(sent, p.say("x"))
	}
	for _, test := range []struct {
		number int
		want   error
	}{
		{1, nil}, {0, nil}, {0, ErrReplay}, {1, ErrReplay}, {3, nil}, {2, nil}, {2, ErrReplay},
		{66, nil}, {3, ErrReplay}, {4, nil}, {4, ErrReplay}, {2, ErrReplay}, // 64 are 3 to 66
		{67, nil}, {5, nil}, {199, nil}, {135, ErrReplay}, {136, nil}, {136, ErrReplay}, {198, nil}, {199, ErrReplay},
	} {
		if _, err := hear(p.receiver.content, sent[test.number]); !errors.Is(err, test.want) {
			t.Errorf("%d: %v, want %v", test.number, err, test.want)
		}
	}
}

// The window is like a list of all numbers that came.
func TestWindow(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var w window
		came, top := map[uint64]bool{}, uint64(0)
		base := []uint64{0, 1 << 40, math.MaxUint64 - 1000}[random.IntN(3)]
		for range 1000 {
			number := base + random.Uint64N(1+random.Uint64N(1001))
			want := !came[number] && (number >= top || top-number < 64)
			if w.fresh(number) != want {
				t.Fatalf("%d below %d: fresh is %v", number, top, !want)
			}
			if want {
				w.take(number)
				came[number], top = true, max(top, number)
			}
		}
	}
}

func TestSpent(t *testing.T) {
	for _, test := range []struct {
		next, octets uint64
		want         bool
	}{
		{0, 0, false}, {MaxMessages - 2, 0, false}, {MaxMessages - 1, 0, true},
		{0, MaxOctets - 1000, false}, {0, MaxOctets - 1, true},
	} {
		p := newPair(t)
		p.sender.next, p.sender.octets = test.next, test.octets
		p.say("x")
		if p.sender.Spent() != test.want {
			t.Errorf("%d messages and %d octets, and one more: Spent is not %v", test.next, test.octets, test.want)
		}
	}
}

// Once two other cards were issued, nothing that the identity holds opens what was
// sealed for the first.
func TestSealingKeysAreForgotten(t *testing.T) {
	p := newPair(t)
	sealed, own := p.say("secret"), p.bob.Card()
	must(p.bob.Issue(1, issued.Add(time.Hour)))(t)
	if _, err := p.accept(p.open); err != nil {
		t.Errorf("with the card before: %v", err)
	}
	held := []*identity.Card{p.bob.Card()}
	held = append(held, must(p.bob.Issue(1, issued.Add(2*time.Hour)))(t))
	if _, err := p.accept(p.open); !errors.Is(err, ErrKey) {
		t.Errorf("with the card before that: %v", err)
	}
	var m onceseal.Open
	if err := m.Decode(p.open, nil); err != nil {
		t.Fatal(err)
	}
	agreed := must(transcript(p.alice.Card(), own, challenge, 7))(t)
	for _, card := range held {
		key, _ := p.bob.SealingKey(card.Short())
		exporter := must(hpke.NewRecipient(m.Encapsulation, key, hpke.HKDFSHA256(), hpke.ExportOnly(), info(agreed)))(t)
		r := &Receiver{session: derive(7, exporter.Export)}
		if said, err := hear(r.content, sealed); !errors.Is(err, ErrForged) {
			t.Errorf("%q, %v", said, err)
		}
	}
	if said, err := hear(p.receiver.content, sealed); said != "secret" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	p := newPair(t)
	for i, content := range contents() {
		b, got := make([]byte, 0, Size(content)), make([][]byte, 0, len(content))
		if allocs := testing.AllocsPerRun(20, func() {
			b = p.sender.Append(b[:0], content)
			if _, _, err := p.receiver.Open(b, got); err != nil {
				t.Fatal(err)
			}
		}); allocs != 0 {
			t.Errorf("content %d: %v allocations", i, allocs)
		}
	}
}
