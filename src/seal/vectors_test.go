package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sjohnr/at-once/generated/go/oncecard"
	"github.com/sjohnr/at-once/generated/go/onceseal"
	"github.com/sjohnr/at-once/src/identity"
)

var update = flag.String("update", "", `write the vectors anew: "group", which gives the same, or "session", which draws others`)

const sessionFile, groupFile = "testdata/session.json", "testdata/group.json"

// text is octets in hexadecimal.
type text []byte

func (b text) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

func (b *text) UnmarshalText(s []byte) (err error) {
	*b, err = hex.AppendDecode(nil, s)
	return err
}

// said is a frame, and either the content or the encoded KEY or PROOF that is in it.
type said struct {
	Frame   text
	Content []text `json:",omitempty"`
	Key     text   `json:",omitempty"`
	Proof   text   `json:",omitempty"`
}

func (s *said) content() [][]byte {
	var content [][]byte
	for _, frame := range s.Content {
		content = append(content, frame)
	}
	return content
}

// sessionVector is all that a receiver has, and gets.
type sessionVector struct {
	From      text // card of the sender
	To        text // card of the receiver
	Sealing   text // secret key that is in it
	Challenge text
	Open      text
	Sealed    []said
}

// groupVector is all that a sender has, and says.
type groupVector struct {
	From  uuid.UUID
	Group string
	Key   text // its number
	Chain text // at number 0
	Said  []said
}

var spoken = []([]string){{"hello"}, {""}, {"several", "", "frames"}, {"\x00\xff", strings.Repeat("long", 80)}}

func load[T any](t testing.TB, name string) (v T) {
	t.Helper()
	file := must(os.ReadFile(name))(t)
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func store(t testing.TB, name string, v any) {
	t.Helper()
	file := append(must(json.MarshalIndent(v, "", "  "))(t), '\n')
	if err := os.WriteFile(name, file, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestDrawVectors(t *testing.T) {
	switch *update {
	case "":
		t.Skip("the vectors stay as they are")
	case "session":
		p := newPair(t)
		card := p.bob.Card()
		key, _ := p.bob.SealingKey(card.Short())
		v := sessionVector{
			From: p.alice.Card().Octets(), To: card.Octets(), Sealing: must(key.Bytes())(t),
			Challenge: challenge, Open: p.open,
		}
		for _, words := range spoken {
			v.Sealed = append(v.Sealed, newSaid(p.say(words...), words))
		}
		shout := load[groupVector](t, groupFile)
		group := shout.sender(t)
		given := group.Key()
		v.Sealed = append(v.Sealed, said{Frame: p.sender.AppendKey(nil, &given), Key: must(given.AppendTo(nil))(t)})
		for _, s := range shout.Said {
			digest := group.proof(s.Frame)
			v.Sealed = append(v.Sealed, said{Frame: p.sender.AppendProof(nil, digest), Proof: appendProof(nil, digest)})
		}
		store(t, sessionFile, v)
	case "group":
		chain := sha256.Sum256([]byte("chain"))
		v := groupVector{From: alice, Group: "ROOM", Key: text("\x01\x23\x45\x67\x89\xAB\xCD\xEF"), Chain: chain[:]}
		sender := v.sender(t)
		for _, words := range spoken {
			frame, _ := sender.Append(nil, frames(words...), new(Key))
			v.Said = append(v.Said, newSaid(frame, words))
		}
		store(t, groupFile, v)
	default:
		t.Fatalf("cannot update %q", *update)
	}
}

func newSaid(frame []byte, words []string) said {
	s := said{Frame: frame}
	for _, frame := range frames(words...) {
		s.Content = append(s.Content, frame)
	}
	return s
}

// cardOf returns the card that octets hold, as of when it was issued.
func cardOf(t testing.TB, octets []byte) *identity.Card {
	t.Helper()
	var m oncecard.Card
	if err := m.Decode(octets, nil); err != nil {
		t.Fatal(err)
	}
	return must(identity.ParseCard(octets, identity.IDOf(m.Identity), issued))(t)
}

func (v *sessionVector) key(t testing.TB) hpke.PrivateKey {
	return must(hpke.MLKEM768X25519().NewPrivateKey(v.Sealing))(t)
}

func (v *sessionVector) receiver(t testing.TB) *Receiver {
	t.Helper()
	var m onceseal.Open
	if err := m.Decode(v.Open, nil); err != nil || m.Card != cardOf(t, v.To).Short() {
		t.Fatalf("OPEN for %#x, %v", m.Card, err)
	}
	return must(accept(v.key(t), cardOf(t, v.To), cardOf(t, v.From), v.Challenge, &m))(t)
}

func (v *groupVector) sender(t testing.TB) *GroupSender {
	t.Helper()
	g := must(NewGroup(v.From, v.Group))(t)
	g.key, g.number, g.state = binary.BigEndian.Uint64(v.Key), 0, [chainSize]byte(v.Chain)
	return g
}

func TestSessionVectors(t *testing.T) {
	v := load[sessionVector](t, sessionFile)
	r := v.receiver(t)
	for i := range v.Sealed {
		s := &v.Sealed[len(v.Sealed)-1-i] // backwards
		if s.Proof != nil {
			if err := r.proved(bytes.Clone(s.Frame), s.Proof[8:]); err != nil {
				t.Errorf("%.40x: %v", s.Frame, err)
			}
			continue
		}
		content, key, err := r.Open(bytes.Clone(s.Frame), nil)
		if err != nil || !same(content, s.content()) || (key != nil) != (s.Key != nil) {
			t.Errorf("%.40x: %q, %v, %v", s.Frame, content, key, err)
		}
		if key != nil && !bytes.Equal(must(key.AppendTo(nil))(t), s.Key) {
			t.Errorf("%.40x: %+v", s.Frame, key)
		}
	}
}

func TestGroupVectors(t *testing.T) {
	v := load[groupVector](t, groupFile)
	p := prover{newPair(t), v.sender(t)}
	key := p.group.Key()
	receiver := must(NewGroupReceiver(v.From, &key))(t)
	for _, s := range v.Said {
		if frame, _ := p.group.Append(nil, s.content(), new(Key)); !bytes.Equal(frame, s.Frame) {
			t.Errorf("%q is sealed as %x, want %x", s.Content, frame, s.Frame)
		}
	}
	for i := range v.Said {
		s := &v.Said[len(v.Said)-1-i]
		if content, err := receiver.Open(p.receiver, bytes.Clone(s.Frame), p.proof(s.Frame), nil); err != nil || !same(content, s.content()) {
			t.Errorf("%.40x: %q, %v", s.Frame, content, err)
		}
	}
}

// The vectors open by the letter of the model, without any of the code of this
// package.
func TestVectorsAreTheModel(t *testing.T) {
	v := load[sessionVector](t, sessionFile)
	from, to := sha256.Sum256(v.From), sha256.Sum256(v.To)
	words := bytes.Join([][]byte{[]byte("once_seal 1\x00"), from[:], to[:], v.Challenge, {7: 7}}, nil)
	encapsulation, proof := v.Open[24:24+1120], v.Open[len(v.Open)-64:]
	if !ed25519.Verify(cardOf(t, v.From).Identity, append(bytes.Clone(words), encapsulation...), proof) {
		t.Error("the proof of OPEN is not right")
	}
	exporter := must(hpke.NewRecipient(encapsulation, v.key(t), hpke.HKDFSHA256(), hpke.ExportOnly(), words))(t)
	secret := must(exporter.Export("session", 44))(t)
	gcm := must(cipher.NewGCM(must(aes.NewCipher(secret[:32]))(t)))(t)
	for number, s := range v.Sealed {
		nonce := bytes.Clone(secret[32:])
		nonce[11] ^= byte(number)
		plain := must(gcm.Open(nil, nonce, s.Frame[24:], s.Frame[:24]))(t)
		if want := s.plain(t); !bytes.Equal(plain, want) {
			t.Errorf("SEALED %d: %x, want %x", number, plain, want)
		}
	}
	g := load[groupVector](t, groupFile)
	chain, proofs := []byte(g.Chain), v.Sealed[len(v.Sealed)-len(g.Said):]
	for number, s := range g.Said {
		additional := bytes.Join([][]byte{g.From[:], {byte(len(g.Group))}, []byte(g.Group), s.Frame[:24]}, nil)
		digest := sha256.Sum256(append(bytes.Clone(additional), s.Frame[24:]...))
		if want := must((&onceseal.Proof{Digest: digest[:]}).AppendTo(nil))(t); !bytes.Equal(proofs[number].Proof, want) {
			t.Errorf("GROUP %d: the proof is %x, want %x", number, proofs[number].Proof, want)
		}
		aead := must(chacha20poly1305.New(mac(chain, 1)))(t)
		plain := must(aead.Open(nil, make([]byte, 12), s.Frame[24:], additional))(t)
		if want := s.plain(t); !bytes.Equal(plain, want) {
			t.Errorf("GROUP %d: %x, want %x", number, plain, want)
		}
		chain = mac(chain, 2)
	}
}

func mac(key []byte, octet byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte{octet})
	return h.Sum(nil)
}

// plain returns what the codec makes of what is said.
func (s *said) plain(t testing.TB) []byte {
	if s.Key != nil || s.Proof != nil {
		return slices.Concat(s.Key, s.Proof)
	}
	var m onceseal.Content
	for _, frame := range s.Content {
		m.Sizes = binary.BigEndian.AppendUint32(m.Sizes, uint32(len(frame)))
		m.Octets = append(m.Octets, frame...)
	}
	return must(m.AppendTo(nil))(t)
}

// FuzzOpen: nothing opens but what was sealed, and only as it was; what is sealed
// is content only if it would be sealed like that again.
func FuzzOpen(f *testing.F) {
	v := load[sessionVector](f, sessionFile)
	first, from, bob := v.receiver(f), cardOf(f, v.From), newIdentity(f)
	f.Add([]byte(v.Open))
	for _, s := range v.Sealed {
		f.Add([]byte(s.Frame))
		f.Add(s.plain(f))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := Accept(bob, from, v.Challenge, 0, b); !oneOf(err, ErrMalformed, ErrReplay, ErrKey) {
			t.Errorf("accepted, or %v", err)
		}
		r, known := &Receiver{session: first.session}, false
		for _, s := range v.Sealed {
			known = known || bytes.Equal(s.Frame, b)
		}
		if _, err := r.unseal(bytes.Clone(b)); (err == nil) != known || err != nil && !oneOf(err, ErrMalformed, ErrKey, ErrForged) {
			t.Errorf("%v, though sealed: %v", err, known)
		}
		s := Sender{session: first.session}
		content, key, err := r.Open(s.seal(append(s.head(nil, len(b)), b...), len(b)), nil)
		switch {
		case err != nil && !errors.Is(err, ErrMalformed) && !(known && errors.Is(err, ErrReplay)):
			t.Error(err)
		case key != nil && !bytes.Equal(must(key.AppendTo(nil))(t), b),
			err == nil && key == nil && !bytes.Equal(appendContent(nil, content), b):
			t.Errorf("opened as %q, %v", content, key)
		}
	})
}

// FuzzGroup: nothing opens but what was sealed, even if the sender proves it; nothing
// that it does not prove changes anything.
func FuzzGroup(f *testing.F) {
	v := load[groupVector](f, groupFile)
	p := prover{newPair(f), v.sender(f)}
	key := p.group.Key()
	fresh := must(NewGroupReceiver(v.From, &key))(f)
	for _, s := range v.Said {
		f.Add([]byte(s.Frame))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		known := slices.ContainsFunc(v.Said, func(s said) bool { return bytes.Equal(s.Frame, b) })
		r := fresh.clone()
		if _, err := p.hear(r, b); (err == nil) != known || err != nil && !oneOf(err, ErrMalformed, ErrKey, ErrGap, ErrForged) {
			t.Errorf("%v, though sealed: %v", err, known)
		}
		r = fresh.clone()
		if content, err := r.Open(p.receiver, bytes.Clone(b), p.proof([]byte("another")), nil); err == nil || !equal(r, fresh) {
			t.Errorf("not proved, and %q, or the receiver has changed", content)
		}
	})
}
