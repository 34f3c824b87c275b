package rendezvous

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/oncerecord"
	"github.com/sjohnr/at-once/src/identity"
)

var (
	key    = identity.Base64(bytes.Repeat([]byte{7}, 32))
	server = ed25519.PublicKey(bytes.Repeat([]byte{8}, 32))
	secret = Secret{1, 31: 2}
)

func someone(t testing.TB) *identity.Identity {
	t.Helper()
	own, err := identity.New()
	if err == nil {
		_, err = own.Issue(7, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	return own
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"once://a.example/?key=" + key:                                                "",
		"once://a.example:1,192.0.2.1,[2001:db8::1]:7/?key=" + key + "#" + key:        "",
		"once://a/?key=" + key + "&wss=wss%3A%2F%2Fa.example%2Fonce":                  "",
		"once://[::1]?key=" + key:                                                     "once://[::1]/?key=" + key,
		"once://a:5671/?key=" + key:                                                   "once://a/?key=" + key,
		"once://a/?wss=" + "wss://a" + "&key=" + key:                                  "once://a/?key=" + key + "&wss=wss%3A%2F%2Fa",
		"once://[2001:DB8:0:0::1]/?key=" + key:                                        "once://[2001:db8::1]/?key=" + key,
		"once://" + strings.TrimSuffix(strings.Repeat("a,", 8), ",") + "/?key=" + key: "",
	} {
		a, err := ParseAddress(text)
		if want == "" {
			want = text
		}
		if err != nil || a.String() != want {
			t.Errorf("%q: %q, %v", text, a, err)
		}
		if again, err := ParseAddress(a.String()); err != nil || fmt.Sprint(again) != fmt.Sprint(a) {
			t.Errorf("%q is read again as %v, %v", text, again, err)
		}
	}
	for _, text := range []string{
		"", "once://", "once:///?key=" + key, "http://a/?key=" + key, "once://a/", "once://a/?key=x", "once://a/?key=" + key[1:],
		"once://a/?key=" + key + "&key=" + key, "once://a/?key=" + key + "&more=1", "once://a/?key=" + key + "#x", "once://a/?key=" + key + "#",
		"once://a:0/?key=" + key, "once://a:65536/?key=" + key, "once://a:07/?key=" + key, "once://a b/?key=" + key, "once://::1/?key=" + key,
		"once://[::1/?key=" + key, "once://0.0.0.0/?key=" + key, "once://[fe80::1%25eth]/?key=" + key, "once://a/b?key=" + key,
		"once://" + strings.Repeat("a,", 8) + "a/?key=" + key, "once://a/?key=" + key + "&wss=http://a", "once://a/?key=" + key + "&wss=wss://u@a",
		"once://a/?key=" + strings.Repeat("A", 43), "once://" + strings.Repeat("a", 3000) + "/?key=" + key,
	} {
		if a, err := ParseAddress(text); !errors.Is(err, ErrAddress) || len(err.Error()) > 400 {
			t.Errorf("%.50q: %v, %v", text, a, err)
		}
	}
}

// TestSecretIsNotShown proves that neither errors nor logs nor formats show SECRET.
func TestSecretIsNotShown(t *testing.T) {
	whole := "once://a/?key=" + key + "#" + identity.Base64(secret[:])
	a, err := ParseAddress(whole)
	if err != nil {
		t.Fatal(err)
	}
	_, fault := ParseAddress("once://a/?key=x#" + identity.Base64(secret[:]))
	for _, shown := range []string{a.Public(), a.LogValue().String(), fault.Error(), fmt.Sprintf("%v %+v %#v %s", a.Secret, a.Secret, a.Secret, a.Secret)} {
		if strings.Contains(shown, identity.Base64(secret[:])[:8]) || strings.Contains(shown, "1, 0") {
			t.Errorf("%q shows it", shown)
		}
	}
	if a.String() != whole {
		t.Errorf("%q", a.String())
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("once://a.example:1,192.0.2.1,[2001:db8::1]:7/?key=" + key + "&wss=wss://b#" + key)
	f.Add("once://[::1]")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again.String() != a.String() {
			t.Errorf("%q is printed as %q: %v", text, a, err)
		}
	})
}

// TestKeysDiffer proves that nothing is of use at another server, or in another network.
func TestKeysDiffer(t *testing.T) {
	other := ed25519.PublicKey(bytes.Repeat([]byte{9}, 32))
	seen := map[string]string{}
	for name, k := range map[string]*Keys{
		"here": KeysOf(secret, server, nil), "elsewhere": KeysOf(secret, other, nil), "members": KeysOf(secret, server, other),
		"secret": KeysOf(Secret{2}, server, nil), "lobby": KeysOf(Secret{}, server, nil), "other lobby": KeysOf(Secret{}, other, nil),
	} {
		if before := seen[string(k.Number[:])]; before != "" {
			t.Errorf("%s and %s have one number", name, before)
		}
		seen[string(k.Number[:])] = name
		if k.Lobby() != strings.Contains(name, "lobby") || k.Lobby() != (len(k.Part) == 0) {
			t.Errorf("%s: part %x", name, k.Part)
		}
	}
	k := KeysOf(secret, server, nil)
	if k.Whole() == k.Group("") || k.Group("a") == k.Group("b") || k.Group("a") == KeysOf(secret, other, nil).Group("a") {
		t.Error("tags coincide")
	}
}

func publish(t testing.TB, k *Keys, own *identity.Identity, serial uint64) (record, sealed []byte) {
	t.Helper()
	record, sealed, err := k.Publish(own, serial, time.Now().Add(time.Hour), &oncerecord.Inside{
		Name: "ana", Challenge: make([]byte, 32), Groups: []string{"room"}, Candidates: []string{"tcp://192.168.1.7:49152 60"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return record, sealed
}

func TestRecord(t *testing.T) {
	own, k, now := someone(t), KeysOf(secret, server, nil), time.Now()
	octets, sealed := publish(t, k, own, 3)
	r, err := ParseRecord(octets, sealed, own.Card(), k.Number, now)
	if err != nil || r.ID != own.UUID() || r.Serial != 3 || r.Incarnation != 7 || len(r.Tags) != 2 ||
		!slices.Contains(r.Tags, k.Whole()) || !slices.Contains(r.Tags, k.Group("room")) {
		t.Fatalf("%+v, %v", r, err)
	}
	if inside, err := k.Open(r, sealed); err != nil || inside.Name != "ana" {
		t.Errorf("%+v, %v", inside, err)
	}
	for _, hidden := range []string{"ana", "room", "192.168"} {
		if bytes.Contains(octets, []byte(hidden)) || bytes.Contains(sealed, []byte(hidden)) {
			t.Errorf("a server reads %q", hidden)
		}
	}
	if size := len(octets) + len(own.Card().Octets()); size >= 400 {
		t.Errorf("a card and a record of one group have %d octets", size)
	}
	for i := range octets {
		bad := bytes.Clone(octets)
		bad[i] ^= 1
		if _, err := ParseRecord(bad, sealed, own.Card(), k.Number, now); err == nil {
			t.Errorf("octet %d may be another", i)
		}
	}
	// Names that are not Ana's, under her record: the seal is one that any member can make.
	_, false1 := publish(t, k, own, 3)
	if _, err := ParseRecord(octets, append(bytes.Clone(false1), 0), own.Card(), k.Number, now); !errors.Is(err, ErrForged) {
		t.Errorf("with another inside: %v", err)
	}
	for what, err := range map[string]error{
		"another network": second(ParseRecord(octets, sealed, own.Card(), KeysOf(Secret{3}, server, nil).Number, now)),
		"another card":    second(ParseRecord(octets, sealed, someone(t).Card(), k.Number, now)),
		"too late":        second(ParseRecord(octets, sealed, own.Card(), k.Number, now.Add(2*time.Hour))),
		"too long":        second(ParseRecord(octets, sealed, own.Card(), k.Number, now.Add(-2*time.Hour))),
		"another serial":  second(k.Open(&Record{ID: r.ID, Incarnation: 7, Serial: 4}, sealed)),
		"another secret":  second(KeysOf(Secret{3}, server, nil).Open(r, sealed)),
	} {
		if err == nil {
			t.Errorf("%s is taken", what)
		}
	}
	if !r.Newer(nil) || r.Newer(r) || r.Newer(&Record{Incarnation: 8}) || !r.Newer(&Record{Incarnation: 6, Serial: 9}) || !r.Newer(&Record{Incarnation: 7, Serial: 2}) {
		t.Error("the wrong record counts")
	}
	if record, sealed, err := KeysOf(Secret{}, server, nil).Publish(own, 1, now.Add(time.Hour), nil); err != nil || len(sealed) > 0 {
		t.Errorf("the lobby: %x, %x, %v", record, sealed, err)
	}
	large := &oncerecord.Inside{Challenge: make([]byte, 32), Token: make([]byte, 2048), Groups: slices.Repeat([]string{strings.Repeat("g", 250)}, 8)}
	if _, _, err := k.Publish(own, 4, now, large); err == nil {
		t.Error("what a record has no room for is published")
	}
}

// TestSizesOfRecord: a field that always has one size is refused with another.
func TestSizesOfRecord(t *testing.T) {
	ana := someone(t)
	for field, shorten := range map[string]func(*oncerecord.Record){
		"network": func(m *oncerecord.Record) { m.Network = m.Network[1:] },
		"inside":  func(m *oncerecord.Record) { m.Inside = nil },
		"proof":   func(m *oncerecord.Record) { m.Proof = m.Proof[:63] },
	} {
		m := oncerecord.Record{
			Network: make([]byte, 32), Incarnation: 7, Serial: 1, Expiry: uint64(time.Now().Add(Life).Unix()),
			Inside: make([]byte, 32), Proof: make([]byte, 64),
		}
		shorten(&m)
		octets, err := m.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseRecord(octets, nil, ana.Card(), Number{}, time.Now()); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s of another size: %v", field, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestMeeting(t *testing.T) {
	ana, ben, k := someone(t), someone(t), KeysOf(secret, server, nil)
	sealed, err := k.SealMeeting(ana, ben.Card(), oncerecord.Meeting{Nonce: make([]byte, 16), Candidates: []string{"tcp://192.0.2.1:7 0"}})
	if err != nil {
		t.Fatal(err)
	}
	m, card, err := k.OpenMeeting(ben, ana.UUID(), sealed)
	if err != nil || card.ID != ana.UUID() || m.Candidates[0] != "tcp://192.0.2.1:7 0" || bytes.Contains(sealed, []byte("192.0.2.1")) {
		t.Fatalf("%+v, %v", m, err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, _, err := k.OpenMeeting(ben, ana.UUID(), bad); err == nil {
			t.Errorf("octet %d may be another", i)
		}
	}
	for what, err := range map[string]error{
		"who it is not for":  third(k.OpenMeeting(ana, ana.UUID(), sealed)),
		"another sender":     third(k.OpenMeeting(ben, uuid.New(), sealed)),
		"another server":     third(KeysOf(secret, ed25519.PublicKey(make([]byte, 32)), nil).OpenMeeting(ben, ana.UUID(), sealed)),
		"nothing":            third(k.OpenMeeting(ben, ana.UUID(), nil)),
		"a card's neighbour": third(k.OpenMeeting(ben, someone(t).UUID(), sealed)),
	} {
		if err == nil {
			t.Errorf("%s opens it", what)
		}
	}
	// Cid passes on what ana has sealed for cid, as if it were for ben.
	cid := someone(t)
	for _, who := range []*identity.Identity{ben, cid} {
		if _, _, err := k.OpenMeeting(who, cid.UUID(), sealed); err == nil {
			t.Error("a meeting is passed on")
		}
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }

func FuzzRecord(f *testing.F) {
	own, k, now := someone(f), KeysOf(secret, server, nil), time.Now()
	record, sealed := publish(f, k, own, 1)
	f.Add(record, sealed)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, octets, inside []byte) {
		if r, err := ParseRecord(octets, inside, own.Card(), k.Number, now); err == nil && !bytes.Equal(octets, record) {
			t.Errorf("%+v is taken, which nobody has signed", r)
		}
	})
}
