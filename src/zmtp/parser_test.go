package zmtp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// vector returns octets that libzmq sent, whose name contains what.
func vector(t testing.TB, what string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/zmtp_null.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Bytes string }
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		if strings.Contains(v.Name, what) {
			b, err := hex.DecodeString(v.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
	t.Fatalf("no vector about %q", what)
	return nil
}

func newParser() *Parser { return &Parser{MaxMessage: 1000, MaxFrames: 4} }

// parseAll parses octets that are there at once.
func parseAll(b []byte) (*Messages, error) {
	m := &Messages{}
	return m, newParser().Parse(b, m)
}

// parseBy parses octets as they come in pieces, whose ends cut tells, moving to a
// new buffer now and then as a reader does. It returns copies.
func parseBy(p *Parser, b []byte, cut func(n int) int) (messages [][]string, commands []string, err error) {
	m := &Messages{}
	var buf []byte
	for len(b) > 0 && err == nil {
		n := min(max(cut(len(b)), 1), len(b))
		buf, b = append(buf[:len(buf):len(buf)], b[:n]...), b[n:]
		p.Move(buf, renew(p, m, &buf))
		err = p.Parse(buf, m)
		for i := range m.Len() {
			var message []string
			for _, f := range m.Message(i) {
				message = append(message, string(f))
			}
			messages = append(messages, message)
		}
		for _, c := range m.Commands {
			commands = append(commands, string(c))
		}
	}
	return messages, commands, err
}

// renew drops from the buffer and from m what is dealt with.
func renew(p *Parser, m *Messages, buf *[]byte) *Messages {
	m.Reset()
	*buf = bytes.Clone((*buf)[p.Begin():])
	return m
}

// encode is the opposite of parsing messages.
func encode(messages [][]string) (b []byte) {
	for _, message := range messages {
		for i, frame := range message {
			b = append(AppendHeader(b, len(frame), i < len(message)-1), frame...)
		}
	}
	return b
}

func equal(a, b [][]string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if strings.Join(a[i], "|") != strings.Join(b[i], "|") || len(a[i]) != len(b[i]) {
			return false
		}
	}
	return true
}

func TestParseLibzmq(t *testing.T) {
	b := vector(t, "three messages")
	got, _, err := parseBy(newParser(), b, func(n int) int { return n })
	want := [][]string{{"\xaa\xa1\x06\x02\x00\x05"}, {"Hello", "", strings.Repeat("x", 300)}}
	if err != nil || !equal(got, want) {
		t.Fatalf("got %q, %v", got, err)
	}
	if !bytes.Equal(encode(got), b) {
		t.Error("our encoding is not libzmq's")
	}
}

// Every prefix of good octets is a wait for more, and yields the messages that
// are whole.
func TestParsePrefixes(t *testing.T) {
	b := vector(t, "three messages")
	for n := range len(b) {
		m, err := parseAll(b[:n])
		if err != nil {
			t.Fatalf("after %d octets: %v", n, err)
		}
		if want := map[bool]int{true: 1, false: 0}[n >= 8]; m.Len() != want {
			t.Fatalf("after %d octets: %d messages, want %d", n, m.Len(), want)
		}
	}
}

func TestParsePieces(t *testing.T) {
	messages := [][]string{{"a"}, {""}, {"", ""}, {strings.Repeat("b", 255), strings.Repeat("c", 256), "d"}, {"e"}}
	b := encode(messages[:3])
	b = AppendCommand(b, Ping, []byte("\x00\x00ctx"))
	b = append(b, encode(messages[3:])...)
	random := rand.New(rand.NewPCG(1, 2))
	for name, cut := range map[string]func(int) int{
		"at once":          func(n int) int { return n },
		"octet by octet":   func(int) int { return 1 },
		"in random pieces": func(int) int { return random.IntN(100) },
	} {
		got, commands, err := parseBy(newParser(), b, cut)
		if err != nil || !equal(got, messages) || len(commands) != 1 || commands[0] != "\x04PING\x00\x00ctx" {
			t.Errorf("%s: %q, %q, %v", name, got, commands, err)
		}
	}
}

// RFC 37 has traffic as commands and messages intermixed; libzmq's PING may fall
// between the frames of a message.
func TestParseCommandWithinMessage(t *testing.T) {
	b := append([]byte("\x01\x01a"), AppendCommand(nil, Ping, []byte("\x00\x00"))...)
	b = append(b, "\x00\x01b"...)
	for _, step := range []int{1, 2, 3, 5, len(b)} {
		got, commands, err := parseBy(newParser(), b, func(int) int { return step })
		if err != nil || !equal(got, [][]string{{"a", "b"}}) || len(commands) != 1 {
			t.Errorf("in steps of %d: %q, %q, %v", step, got, commands, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	long := func(flags byte, size string) string { return string(flags) + size }
	for _, test := range []struct {
		name, octets string
		want         error
	}{
		{"reserved bit", "\x08", ErrProtocol},
		{"all bits", "\xff", ErrProtocol},
		{"command with more", "\x05", ErrProtocol},
		{"long command with more", "\x07", ErrProtocol},
		{"claim of 4 GiB", long(2, "\x00\x00\x00\x01\x00\x00\x00\x00"), ErrTooLarge},
		{"claim of 2^64-1", long(2, "\xff\xff\xff\xff\xff\xff\xff\xff"), ErrTooLarge},
		{"claim above the limit", long(2, "\x00\x00\x00\x00\x00\x00\x03\xe9"), ErrTooLarge},
		{"sum above the limit", long(3, "\x00\x00\x00\x00\x00\x00\x03\xe8") + strings.Repeat("x", 1000) + "\x00\x01", ErrTooLarge},
		{"too many frames", strings.Repeat("\x01\x00", 4) + "\x00\x00", ErrTooLarge},
		{"large command", long(6, "\x00\x00\x00\x00\x00\x00\x20\x01"), ErrTooLarge},
	} {
		for _, step := range []int{1, 7, len(test.octets)} {
			if _, _, err := parseBy(newParser(), []byte(test.octets), func(int) int { return step }); !errors.Is(err, test.want) {
				t.Errorf("%s, in steps of %d: %v, want %v", test.name, step, err, test.want)
			}
		}
	}
}

func TestParseLimitsAreReached(t *testing.T) {
	for name, message := range map[string][]string{
		"octets": {strings.Repeat("a", 600), strings.Repeat("b", 400)},
		"frames": {"", "", "", ""},
	} {
		messages := [][]string{message, message}
		if got, _, err := parseBy(newParser(), encode(messages), func(n int) int { return n }); err != nil || !equal(got, messages) {
			t.Errorf("as many %s as allowed: %v", name, err)
		}
	}
}

// What parses in one piece parses the same in others, and what it parses to is
// encoded as it was, if it was canonical.
func FuzzParser(f *testing.F) {
	f.Add(vector(f, "three messages"), uint8(3))
	f.Add(AppendCommand([]byte("\x01\x01a"), Ping, []byte{0, 0}), uint8(1))
	f.Add([]byte("\x02\x00\x00\x00\x01\x00\x00\x00\x00"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		whole, commands, err := parseBy(newParser(), bytes.Clone(b), func(n int) int { return n })
		pieces, commands2, err2 := parseBy(newParser(), bytes.Clone(b), func(int) int { return int(step) })
		if (err == nil) != (err2 == nil) || !equal(whole, pieces) || len(commands) != len(commands2) {
			t.Fatalf("at once %q, %v; in pieces %q, %v", whole, err, pieces, err2)
		}
		if again, _, err := parseBy(newParser(), encode(whole), func(n int) int { return n }); err != nil || !equal(again, whole) {
			t.Fatalf("encoded and parsed again: %q, %v, want %q", again, err, whole)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	octets := []byte{}
	for len(octets) < 64<<10 {
		octets = append(octets, encode([][]string{{"header", strings.Repeat("x", 64)}})...)
	}
	p, m, n := Parser{MaxMessage: 1 << 20, MaxFrames: 100}, &Messages{}, 0
	b.ReportAllocs()
	for b.Loop() {
		m.Reset()
		p.Move(nil, m)
		if err := p.Parse(octets, m); err != nil {
			b.Fatal(err)
		}
		n += m.Len()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/message")
}
