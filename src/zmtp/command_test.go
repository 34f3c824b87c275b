package zmtp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCommand(t *testing.T) {
	for _, n := range []int{0, 1, 250, 251, 4000} {
		data := bytes.Repeat([]byte("d"), n)
		b := AppendCommand(nil, Ping, data)
		if len(b) != CommandSize(Ping, n) {
			t.Errorf("command with %d octets of data has %d, want %d", n, len(b), CommandSize(Ping, n))
		}
		m, err := parseAll(b)
		if err != nil || len(m.Commands) != 1 {
			t.Fatalf("command with %d octets of data: %v, %v", n, m, err)
		}
		if name, got, err := SplitCommand(m.Commands[0]); string(name) != Ping || !bytes.Equal(got, data) || err != nil {
			t.Errorf("split into %s, %x, %v", name, got, err)
		}
	}
}

func TestBadCommand(t *testing.T) {
	for _, body := range []string{"", "\x00", "\x05PING", "\x04PI-G", "\x01\x00", "\x02A"} {
		if _, _, err := SplitCommand([]byte(body)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v, want ErrProtocol", body, err)
		}
	}
}

// RFC 37, "Connection Heartbeating".
func TestParsePing(t *testing.T) {
	for _, test := range []struct {
		data    string
		ttl     time.Duration
		context string
		ok      bool
	}{
		{"", 0, "", false},
		{"\x00", 0, "", false},
		{"\x00\x00", 0, "", true},
		{"\x00\x0fabc", 1500 * time.Millisecond, "abc", true},
		{"\xff\xff" + strings.Repeat("c", 16), 6553500 * time.Millisecond, strings.Repeat("c", 16), true},
		{"\x00\x00" + strings.Repeat("c", 17), 0, "", false},
	} {
		ttl, context, err := ParsePing([]byte(test.data))
		if ok := err == nil; ok != test.ok || ttl != test.ttl || string(context) != test.context {
			t.Errorf("%q: %v, %q, %v", test.data, ttl, context, err)
		}
		if err != nil && !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v is not ErrProtocol", test.data, err)
		}
	}
}

func TestParseError(t *testing.T) {
	var refused *RefusedError
	if err := ParseError([]byte("\x02no")); !errors.As(err, &refused) || refused.Reason != "no" {
		t.Errorf("got %v, want a refusal with the reason no", err)
	}
	for _, data := range []string{"", "\x01", "\x01no"} {
		if err := ParseError([]byte(data)); !errors.Is(err, ErrProtocol) {
			t.Errorf("%q: %v, want ErrProtocol", data, err)
		}
	}
	long := &RefusedError{Reason: strings.Repeat("\n", 255)}
	if s := long.Error(); len(s) > 256 || strings.ContainsRune(s, '\n') {
		t.Errorf("a reason of any octets is not fit for a log: %q", s)
	}
}
