package zmtp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/crypto/nacl/secretbox"
)

// ciphers returns both ends of a connection whose handshake took two nonces.
func ciphers() (client, server *Cipher) {
	key := [32]byte{1, 2, 3}
	client, server = new(Cipher), new(Cipher)
	client.setKeys(&key, "CurveZMQMESSAGEC", "CurveZMQMESSAGES")
	server.setKeys(&key, "CurveZMQMESSAGES", "CurveZMQMESSAGEC")
	client.out.last, server.in.last = 2, 2
	return client, server
}

// seal is Seal into a buffer of its own.
func seal(c *Cipher, frames []byte) []byte {
	_, size := Portion(frames, 1<<30)
	return c.Seal(make([]byte, 0, size), frames)
}

// RFC 26, "MESSAGE Command", with NaCl's secretbox for the box: it makes the same
// octets, and opens what it makes, at every length around the blocks of the stream.
func TestCipherIsSecretbox(t *testing.T) {
	client, server := ciphers()
	key := [32]byte{1, 2, 3}
	content := make([]byte, 70_000)
	for i := range content {
		content[i] = byte(i * 7)
	}
	sizes := []int{1 << 10, 1<<16 - 1, 1 << 16, 70_000}
	for n := range 300 {
		sizes = append(sizes, n)
	}
	for i, n := range sizes {
		nonce := [24]byte([]byte("CurveZMQMESSAGEC\x00\x00\x00\x00\x00\x00\x00\x00"))
		binary.BigEndian.PutUint64(nonce[16:], uint64(3+i))
		plain := append([]byte{messageMore}, content[:n]...)
		want := AppendHeader(nil, sealOverhead+n, false)
		want = append(append(want, messageName...), nonce[16:]...)
		want = secretbox.Seal(want, plain, &nonce, &key)
		got := seal(client, append(AppendHeader(nil, n, true), content[:n]...))
		if !bytes.Equal(got, want) {
			t.Fatalf("%d octets are sealed as %.80x, want %.80x", n, got, want)
		}
		flags, opened, err := server.Open(got[len(got)-n-sealOverhead:])
		if err != nil || flags != flagMore || !bytes.Equal(opened, content[:n]) {
			t.Fatalf("%d octets: flags %d, %v", n, flags, err)
		}
	}
}

func TestPortion(t *testing.T) {
	b := encode([][]string{{"a", strings.Repeat("b", 300)}, {""}})
	all := 2 + 34 + 9 + 333 + 2 + 33
	for _, test := range []struct{ most, octets, size int }{
		{0, 3, 36}, {36, 3, 36}, {377, 3, 36}, {378, 312, 378}, {all - 1, 312, 378}, {all, 314, all},
	} {
		portion, size := Portion(b, test.most)
		if len(portion) != test.octets || size != test.size {
			t.Errorf("at most %d: %d octets that take %d, want %d and %d", test.most, len(portion), size, test.octets, test.size)
		}
		c, _ := ciphers()
		if got := len(seal(c, portion)); got != size {
			t.Errorf("%d octets take %d, want %d", len(portion), got, size)
		}
	}
}

// Sealed frames and commands are opened once, whatever pieces they come in.
func TestParseSealed(t *testing.T) {
	messages := [][]string{{"a"}, {"", strings.Repeat("b", 300), "c"}, {"d", "e", "f", strings.Repeat("g", 900)}}
	plain := encode(messages[:1])
	plain = AppendCommand(plain, Ping, []byte("\x00\x00ctx"))
	plain = append(plain, encode(messages[1:])...)
	random := rand.New(rand.NewPCG(1, 2))
	for name, cut := range map[string]func(int) int{
		"at once":          func(n int) int { return n },
		"octet by octet":   func(int) int { return 1 },
		"in random pieces": func(int) int { return random.IntN(100) },
	} {
		client, server := ciphers()
		p := newParser()
		p.Cipher = server
		got, commands, err := parseBy(p, seal(client, plain), cut)
		if err != nil || !equal(got, messages) || len(commands) != 1 || commands[0] != "\x04PING\x00\x00ctx" {
			t.Errorf("%s: %q, %q, %v", name, got, commands, err)
		}
	}
}

// The limits count what was sealed, not what sealing adds; what can only be too
// much is refused by its header.
func TestSealedLimits(t *testing.T) {
	for _, test := range []struct {
		name   string
		plain  []byte
		want   error
		header bool // is enough
	}{
		{"as many octets as allowed", encode([][]string{{strings.Repeat("a", 600), strings.Repeat("b", 400)}}), nil, false},
		{"as many frames as allowed", encode([][]string{{"", "", "", ""}}), nil, false},
		{"a PING after both", AppendCommand([]byte("\x01\x00\x01\x00\x01\x00\x01\x00"), Ping, []byte("\x00\x00")), nil, false},
		{"an octet too many", encode([][]string{{strings.Repeat("a", 600), strings.Repeat("b", 401)}}), ErrTooLarge, false},
		{"a frame too many", encode([][]string{{"", "", "", "", ""}}), ErrTooLarge, false},
		{"a large command", AppendCommand(nil, Ping, make([]byte, MaxCommand)), ErrTooLarge, true},
	} {
		client, server := ciphers()
		p := newParser()
		p.Cipher = server
		b := seal(client, test.plain)
		if test.header {
			b = b[:longHeader]
		}
		if err := p.Parse(b, &Messages{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// What is not exactly the next MESSAGE, or a later one, is an error.
func TestOpenRefuses(t *testing.T) {
	client, server := ciphers()
	first, second := seal(client, encode([][]string{{"first"}})), seal(client, encode([][]string{{"second"}}))
	bad := client.out.seal(make([]byte, 0, 100), messageMore|messageCommand, []byte("x"))
	longer := append([]byte{0, first[1] + 1}, append(first[2:len(first):len(first)], 0)...)
	for _, test := range []struct {
		name   string
		octets []byte
		want   error
	}{
		{"replay", slice(first, first), ErrCurve},
		{"reordered", slice(second, first), ErrCurve},
		{"one lost", second, nil},
		{"flags of no frame", bad, ErrProtocol},
		{"an octet more", longer, ErrCurve},
		{"cut short", append([]byte{0, first[1] - 1}, first[2:len(first)-1]...), ErrCurve},
		{"too short", append([]byte{0, 32}, first[2:34]...), ErrProtocol},
		{"not sealed", encode([][]string{{strings.Repeat("x", 100)}}), ErrProtocol},
		{"frame with more", append([]byte{flagMore}, first[1:]...), ErrProtocol},
		{"command", append([]byte{flagCommand}, first[1:]...), ErrProtocol},
		{"our own", seal(server, encode([][]string{{"own"}})), ErrCurve},
	} {
		_, server := ciphers()
		p := newParser()
		p.Cipher = server
		if err := p.Parse(bytes.Clone(test.octets), &Messages{}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	for bit := range 8 * len(first) {
		_, server := ciphers()
		p, m := newParser(), &Messages{}
		p.Cipher = server
		b := bytes.Clone(first)
		b[bit/8] ^= 1 << (bit % 8)
		if err := p.Parse(b, m); m.Len() > 0 || err != nil && !errors.Is(err, ErrCurve) && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("bit %d flipped: %q, %v", bit, m.Frames, err)
		}
	}
}

func slice(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Nothing that was not sealed opens, and nothing makes Open panic.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(messageName + "\x00\x00\x00\x00\x00\x00\x00\x03" + strings.Repeat("x", 40)))
	f.Add([]byte(messageName))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, server := ciphers()
		if _, _, err := server.Open(b); !errors.Is(err, ErrCurve) && !errors.Is(err, ErrProtocol) {
			t.Fatalf("opened, or %v", err)
		}
	})
}

func BenchmarkSeal64(b *testing.B)  { benchmarkCipher(b, 64, false) }
func BenchmarkSeal1K(b *testing.B)  { benchmarkCipher(b, 1<<10, false) }
func BenchmarkSeal64K(b *testing.B) { benchmarkCipher(b, 64<<10, false) }
func BenchmarkOpen64(b *testing.B)  { benchmarkCipher(b, 64, true) }
func BenchmarkOpen1K(b *testing.B)  { benchmarkCipher(b, 1<<10, true) }
func BenchmarkOpen64K(b *testing.B) { benchmarkCipher(b, 64<<10, true) }

func benchmarkCipher(b *testing.B, size int, open bool) {
	client, server := ciphers()
	frame := append(AppendHeader(nil, size, false), make([]byte, size)...)
	sealed := seal(client, frame)
	room, body := make([]byte, 0, len(sealed)), sealed[len(sealed)-size-sealOverhead:]
	again := bytes.Clone(body)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if !open {
			room = client.Seal(room[:0], frame)
			continue
		}
		copy(body, again)
		server.in.last = 2
		if _, _, err := server.Open(body); err != nil {
			b.Fatal(err)
		}
	}
}
