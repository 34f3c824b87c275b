package zmtp

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/cryptotest"

	machine "github.com/sjohnr/at-once/generated/go/handshakemachine"
)

// fixedKey returns a key whose secret part is one octet, repeated.
func fixedKey(octet byte) *ecdh.PrivateKey {
	key, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{octet}, 32))
	if err != nil {
		panic(err)
	}
	return key
}

var (
	clientKey = fixedKey(0xc1)
	serverKey = fixedKey(0x51)
	farAddr   = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5670}
	asClient  = Curve{Key: clientKey, Server: serverKey.PublicKey()}
	asServer  = Curve{Key: serverKey, Admit: func([32]byte, net.Addr, *Metadata) error { return nil }}
)

func newClient() *Handshake {
	return NewCurveHandshake(Metadata{Type: Dealer, Identity: []byte("client")}, asClient, farAddr)
}

func newServer() *Handshake {
	return NewCurveHandshake(Metadata{Type: Router, Identity: []byte("server")}, asServer, farAddr)
}

// converse lets two sides talk until both have nothing to say. Each turn's octets
// go through pass, which may change them; what it sees is in the order in which it
// is said, the client's first.
func converse(client, server *Handshake, pass func(turn int, b []byte) []byte) {
	from, to := client, server
	for turn, quiet := 0, 0; quiet < 2; turn++ {
		out := from.Outgoing()
		quiet++
		if len(out) > 0 {
			quiet = 0
			feed(to, pass(turn, out))
		}
		from, to = to, from
	}
}

// overhear returns what is said in a good handshake: greeting of the client,
// greeting of the server, HELLO, WELCOME, INITIATE, READY.
func overhear(t testing.TB) (turns [][]byte) {
	t.Helper()
	client, server := newClient(), newServer()
	converse(client, server, func(_ int, b []byte) []byte {
		turns = append(turns, bytes.Clone(b))
		return b
	})
	if _, err := client.Result(); err != nil || client.Next() > 0 || server.Next() > 0 || len(turns) != 6 {
		t.Fatalf("a good handshake has %d turns, %v", len(turns), err)
	}
	return turns
}

func typed(err error) bool {
	for _, known := range []error{ErrCurve, ErrProtocol, ErrTooLarge, ErrMechanism, ErrVersion, ErrSocketType} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func TestCurveHandshake(t *testing.T) {
	client, server := newClient(), newServer()
	server.curve.Admit = func(key [32]byte, addr net.Addr, m *Metadata) error {
		if key != [32]byte(clientKey.PublicKey().Bytes()) || addr != farAddr || m.Type != Dealer || string(m.Identity) != "client" {
			t.Errorf("asked to admit %x at %v, %+v", key, addr, m)
		}
		return nil
	}
	converse(client, server, func(_ int, b []byte) []byte { return b })
	near, err := client.Result()
	if err != nil || string(near.Remote.Identity) != "server" || near.Key != [32]byte(serverKey.PublicKey().Bytes()) {
		t.Fatalf("client: %+v, %v", near, err)
	}
	far, err := server.Result()
	if err != nil || string(far.Remote.Identity) != "client" || far.Key != [32]byte(clientKey.PublicKey().Bytes()) || far.Minor != 1 {
		t.Fatalf("server: %+v, %v", far, err)
	}
	for _, way := range []struct{ from, to *Cipher }{{near.Cipher, far.Cipher}, {far.Cipher, near.Cipher}} {
		p, m := newParser(), &Messages{}
		p.Cipher = way.to
		if err := p.Parse(seal(way.from, encode([][]string{{"a", "b"}})), m); err != nil || m.Len() != 1 || string(m.Message(0)[1]) != "b" {
			t.Errorf("a message arrives as %q, %v", m.Frames, err)
		}
	}
}

// A server that has another key is still known by the one before, and by no third.
func TestCurveFormerKey(t *testing.T) {
	next := fixedKey(0x52)
	for key, want := range map[*ecdh.PrivateKey]bool{serverKey: true, next: true, fixedKey(0x53): false} {
		server := newServer()
		client := NewCurveHandshake(Metadata{Type: Dealer}, Curve{Key: clientKey, Server: key.PublicKey()}, farAddr)
		server.curve.Key, server.curve.Former = next, serverKey
		converse(client, server, func(_ int, b []byte) []byte { return b })
		far, err := server.Result()
		if want != (err == nil) || want && far.Own != [32]byte(key.PublicKey().Bytes()) || !want && !errors.Is(err, ErrCurve) {
			t.Errorf("%x: %+v, %v", key.PublicKey().Bytes()[:2], far, err)
		}
	}
}

// Fixed keys and fixed randomness, which is ChaCha8 with a seed of zero, give the
// octets of testdata/zmtp_curve.json.
func TestCurveVectors(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 0)
	turns := overhear(t)
	data, err := os.ReadFile("testdata/zmtp_curve.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Bytes string }
	if err := json.Unmarshal(data, &vectors); err != nil || len(vectors) != len(turns) {
		t.Fatalf("%d vectors, %v", len(vectors), err)
	}
	for i, v := range vectors {
		if got := hex.EncodeToString(turns[i]); got != v.Bytes {
			t.Errorf("%s:\n%s, want\n%s", v.Name, got, v.Bytes)
		}
	}
}

// Without an answer from Admit nobody comes in; the client learns that, not why.
func TestCurveAdmission(t *testing.T) {
	reason, long := errors.New("a reason of our own"), strings.Repeat("x", 300)
	for name, admit := range map[string]func([32]byte, net.Addr, *Metadata) error{
		"nobody":  nil,
		"refused": func([32]byte, net.Addr, *Metadata) error { return reason },
		"told": func([32]byte, net.Addr, *Metadata) error {
			return fmt.Errorf("%w: %w", reason, &RefusedError{"member"})
		},
		"told more than there is room for": func([32]byte, net.Addr, *Metadata) error {
			return fmt.Errorf("%w: %w", reason, &RefusedError{long})
		},
	} {
		want := map[string]string{"told": "member", "told more than there is room for": long[:255]}[name]
		if want == "" {
			want = "400"
		}
		client, server := newClient(), newServer()
		server.curve.Admit = admit
		var said []byte
		converse(client, server, func(_ int, b []byte) []byte { said = b; return b })
		if _, err := server.Result(); !errors.Is(err, ErrAdmission) || admit != nil && !errors.Is(err, reason) {
			t.Errorf("%s: server has %v", name, err)
		}
		if command := AppendCommand(nil, Error, append([]byte{byte(len(want))}, want...)); !bytes.Equal(said, command) {
			t.Errorf("%s: server says %q, want %q", name, said, command)
		}
		var refused *RefusedError
		if _, err := client.Result(); !errors.As(err, &refused) || refused.Reason != want {
			t.Errorf("%s: client has %v", name, err)
		}
	}
}

// A client that does not admit the server says no more, not even that.
// TestCurveProperties: a server tells who it is to a client that has done so.
func TestCurveProperties(t *testing.T) {
	for _, shown := range []map[string][]byte{nil, {"X-Card": []byte("hers")}} {
		client, server := newClient(), newServer()
		client.local.Others, server.local.Others = shown, map[string][]byte{"X-Card": []byte("ours")}
		converse(client, server, func(_ int, b []byte) []byte { return b })
		near, err := client.Result()
		if err != nil || len(near.Remote.Others) != len(shown) || shown != nil && string(near.Remote.Others["x-card"]) != "ours" {
			t.Errorf("to who shows %q: %+v, %v", shown, near, err)
		}
	}
}

func TestCurveServerIsNotAdmitted(t *testing.T) {
	client, reason := newClient(), errors.New("a reason of our own")
	client.curve.Admit = func(key [32]byte, addr net.Addr, m *Metadata) error {
		if key != [32]byte(serverKey.PublicKey().Bytes()) || addr != farAddr || string(m.Identity) != "server" {
			t.Errorf("asked to admit %x at %v, %+v", key, addr, m)
		}
		return reason
	}
	_, answer := twisted(client, newServer(), turnReady, func(b []byte) []byte { return b })
	if r, err := client.Result(); r != nil || !errors.Is(err, ErrAdmission) || !errors.Is(err, reason) || answer != nil {
		t.Errorf("client has %v, %v, and says %x", r, err, answer)
	}
}

// Sides that do not want the same are told apart by their greetings or by the first
// command. A server says nothing to who does not know its key.
func TestCurveMismatch(t *testing.T) {
	wrong := asClient
	wrong.Server = fixedKey(0x99).PublicKey()
	stranger := func(c Curve) *Handshake { return NewCurveHandshake(Metadata{Type: Dealer}, c, farAddr) }
	pub := NewCurveHandshake(Metadata{Type: "PUB"}, asClient, farAddr)
	pair := NewCurveHandshake(Metadata{Type: "PUB"}, asServer, farAddr)
	null := Metadata{Type: Dealer}
	for _, test := range []struct {
		name           string
		client, server *Handshake
		near, far      error // of the client, of the server
		turns          int
	}{
		{"NULL client", NewHandshake(null), newServer(), ErrMechanism, ErrMechanism, 2},
		{"NULL server", newClient(), NewHandshake(null), ErrMechanism, ErrMechanism, 2},
		{"two servers", stranger(asServer), newServer(), ErrMechanism, ErrMechanism, 2},
		{"two clients", newClient(), newClient(), ErrProtocol, ErrProtocol, 3},
		{"wrong key of the server", stranger(wrong), newServer(), nil, ErrCurve, 3},
		{"server of another pattern", newClient(), pair, nil, ErrSocketType, 6},
		{"client of another pattern", pub, newServer(), nil, ErrSocketType, 6},
	} {
		turns := 0
		converse(test.client, test.server, func(_ int, b []byte) []byte { turns++; return b })
		near, far := test.client, test.server
		if r, err := near.Result(); r != nil || test.near != nil && !errors.Is(err, test.near) {
			t.Errorf("%s: client %v, %v, want %v", test.name, r, err, test.near)
		}
		if r, err := far.Result(); r != nil || !errors.Is(err, test.far) {
			t.Errorf("%s: server %v, %v, want %v", test.name, r, err, test.far)
		}
		if turns != test.turns {
			t.Errorf("%s: %d turns, want %d", test.name, turns, test.turns)
		}
	}
}

func TestCurveCheck(t *testing.T) {
	p256, err := ecdh.P256().NewPrivateKey(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Curve{
		"no key": {}, "P-256": {Key: p256}, "server with P-256": {Key: clientKey, Server: p256.PublicKey()},
	} {
		if c.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := errors.Join(asClient.Check(), asServer.Check()); err != nil {
		t.Error(err)
	}
}

// A server keeps no keys of a client that has said no more than HELLO.
func TestCurveServerForgets(t *testing.T) {
	server := newServer()
	feed(server, slice(overhear(t)[0], overhear(t)[2]))
	c := server.curve
	if server.state != machine.StateCurveInitiate || c.short != nil || c.far != nil || c.hello != nil || c.box != nil {
		t.Errorf("in state %v the server has %+v", server.state, c)
	}
}

// Whatever is said at some turn in place of what should be, or put into it, the
// hearer does not panic, fails with a reason or waits, and never succeeds unless it
// hears what it should.
func FuzzCurve(f *testing.F) {
	for turn, b := range overhear(f) {
		f.Add(uint8(turn), uint16(0), b)
		f.Add(uint8(turn), uint16(90), []byte{1})
	}
	f.Add(uint8(3), uint16(0), AppendCommand(nil, Error, []byte("\x02no")))
	f.Fuzz(func(t *testing.T, which uint8, at uint16, junk []byte) {
		client, server := newClient(), newServer()
		changed := false
		converse(client, server, func(turn int, b []byte) []byte {
			if turn != int(which%6) {
				return b
			}
			said := bytes.Clone(b)
			if n := copy(b[min(int(at), len(b)):], junk); at == 0 && n < len(junk) {
				b = append(b, junk[n:]...)
			}
			changed = len(b) < len(said) || !bytes.Equal(b[:len(said)], said)
			return b
		})
		hearer := []*Handshake{server, client}[which%2]
		var refused *RefusedError
		r, err := hearer.Result()
		if hearer.Next() > MaxCommand || hearer.Next() == 0 && (r == nil) != (typed(err) || errors.As(err, &refused)) {
			t.Fatalf("wants %d octets, %v, %v", hearer.Next(), r, err)
		}
		if changed && which%6 > 1 && r != nil {
			t.Fatal("success on changed octets")
		}
	})
}

func BenchmarkCurveHandshake(b *testing.B) {
	for b.Loop() {
		converse(newClient(), newServer(), func(_ int, o []byte) []byte { return o })
	}
}

// TestCurveTie: of two sides that have dialled each other the one with the higher key serves,
// and lets in nobody else than whom it has dialled. Where one side serves anyhow there is no tie.
func TestCurveTie(t *testing.T) {
	tied := func(own, far *ecdh.PrivateKey) *Handshake {
		return NewCurveHandshake(Metadata{Type: Dealer}, Curve{Key: own, Server: far.PublicKey(), Tie: true}, farAddr)
	}
	pass := func(_ int, b []byte) []byte { return b }
	for _, test := range []struct {
		name      string
		one, two  *Handshake
		near, far error
	}{
		{"both have dialled", tied(clientKey, serverKey), tied(serverKey, clientKey), nil, nil},
		{"the other way round", tied(serverKey, clientKey), tied(clientKey, serverKey), nil, nil},
		{"a server", tied(clientKey, serverKey), newServer(), nil, nil},
		{"somebody else has", tied(fixedKey(0x99), serverKey), tied(serverKey, clientKey), ErrAdmission, ErrAdmission},
		{"who should serve does not expect it", tied(clientKey, serverKey), NewCurveHandshake(Metadata{Type: Dealer}, Curve{Key: serverKey, Server: clientKey.PublicKey()}, farAddr), ErrProtocol, ErrProtocol},
	} {
		converse(test.one, test.two, pass)
		for i, side := range []*Handshake{test.one, test.two} {
			want := []error{test.near, test.far}[i]
			r, err := side.Result()
			if want == nil && (err != nil || r.Key != [32]byte([]*Handshake{test.two, test.one}[i].curve.Key.PublicKey().Bytes())) {
				t.Errorf("%s: side %d has %v, %v", test.name, i, r, err)
			}
			if want != nil && r != nil {
				t.Errorf("%s: side %d has %v", test.name, i, r)
			}
		}
	}
}

// TestCurveEager: a client that knows the far side says HELLO with its greeting; of two that
// have dialled each other only the one that stays the client.
func TestCurveEager(t *testing.T) {
	pass := func(_ int, b []byte) []byte { return b }
	low, high := clientKey, serverKey
	if bytes.Compare(low.PublicKey().Bytes(), high.PublicKey().Bytes()) > 0 {
		low, high = high, low
	}
	for _, test := range []struct {
		name       string
		key, other *ecdh.PrivateKey
		tie, both  bool
		hastens    bool
	}{
		{"a client", high, low, false, false, true},
		{"the lower of two", low, high, true, true, true},
		{"the higher of two", high, low, true, true, false},
		{"one that might have had to serve", high, low, true, false, false},
	} {
		client := NewCurveHandshake(Metadata{Type: Dealer}, Curve{Key: test.key, Server: test.other.PublicKey(), Tie: test.tie, Eager: true}, farAddr)
		far := Curve{Key: test.other, Admit: func([32]byte, net.Addr, *Metadata) error { return nil }}
		if test.both {
			far = Curve{Key: test.other, Server: test.key.PublicKey(), Tie: true, Eager: true}
		}
		server := NewCurveHandshake(Metadata{Type: Dealer}, far, farAddr)
		if hastens := len(client.out) > GreetingSize; hastens != test.hastens {
			t.Errorf("%s: it says %d octets at first", test.name, len(client.out))
		}
		converse(client, server, pass)
		near, err := client.Result()
		if err != nil || near.Key != [32]byte(test.other.PublicKey().Bytes()) {
			t.Errorf("%s: %v, %v", test.name, near, err)
		}
		if r, err := server.Result(); err != nil || r.Key != [32]byte(test.key.PublicKey().Bytes()) {
			t.Errorf("%s: the far side has %v, %v", test.name, r, err)
		}
	}
}
