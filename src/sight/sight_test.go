package sight

import (
	"errors"
	"strings"
	"testing"
)

var key = [32]byte{1, 31: 9}

func TestParse(t *testing.T) {
	keyed := Endpoint{Address: "10.0.0.1:7"}.With(&key)
	for text, want := range map[string]Endpoint{
		"tcp://10.0.0.1:7":      {Address: "10.0.0.1:7"},
		"tcp://[fe80::1%eth]:7": {Address: "[fe80::1%eth]:7"},
		"tcp://host.example:7":  {Address: "host.example:7"},
		"tcp://*:*":             {Address: "*:*"},
		keyed.String():          keyed,
	} {
		got, err := Parse(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v, %v, again %q", text, got, err, got)
		}
	}
	for text, want := range map[string]error{
		"": ErrEndpoint, "|": ErrEndpoint, "10.0.0.1:7": ErrEndpoint, "udp://10.0.0.1:7": ErrEndpoint,
		"tcp://10.0.0.1": ErrEndpoint, "tcp://fe80::1:7": ErrEndpoint,
		"tcp://10.0.0.1:7|": ErrKey, "tcp://10.0.0.1:7|key": ErrKey, "tcp://10.0.0.1:7|" + strings.Repeat("0", 40): ErrKey,
	} {
		if got, err := Parse(text); !errors.Is(err, want) || got != (Endpoint{}) {
			t.Errorf("%q: %+v, %v, want %v", text, got, err, want)
		}
	}
}

func TestParts(t *testing.T) {
	e := At("fe80::1%eth", 7).With(&key)
	if e.Host() != "fe80::1%eth" || e.Port() != 7 || e.Bare() != "tcp://[fe80::1%eth]:7" || *e.KeyOf() != key {
		t.Errorf("%+v", e)
	}
	none := e.With(nil)
	if none.KeyOf() != nil || none.String() != e.Bare() || none.LogValue().String() != e.Bare() {
		t.Errorf("%+v", none)
	}
	if zero := (Endpoint{}); zero.String() != "" || zero.Host() != "" || zero.Port() != 0 || zero.Dialable() || zero.Loopback() {
		t.Errorf("none is %q", zero)
	}
}

// TestDialable tells what leads to one host from what does not, and what leads to our own.
func TestDialable(t *testing.T) {
	for address, want := range map[string]struct{ dialable, loopback bool }{
		"10.0.0.1:7": {true, false}, "host.example:65535": {true, false}, "[fe80::1%eth]:7": {true, false},
		"127.0.0.1:7": {true, true}, "[::1]:7": {true, true}, "[::ffff:127.1.2.3]:7": {true, true}, "localhost:7": {true, true},
		"10.0.0.1:0": {false, false}, "10.0.0.1:*": {false, false}, "10.0.0.1:65536": {false, false}, "10.0.0.1:-1": {false, false},
		":7": {false, false}, "*:7": {false, false}, "0.0.0.0:7": {false, false}, "[::]:7": {false, false},
		"224.0.0.1:7": {false, false}, "[ff02::1]:7": {false, false}, "255.255.255.255:7": {false, false},
	} {
		if e := (Endpoint{Address: address}); e.Dialable() != want.dialable || e.Loopback() != want.loopback {
			t.Errorf("%q: dialable %v, loopback %v", address, e.Dialable(), e.Loopback())
		}
	}
}

// FuzzParse proves that what is taken is printed as it was.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "tcp://10.0.0.1:7", "tcp://[::1]:*|x", At("h", 1).With(&key).String()} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := Parse(text); err == nil && e.String() != text {
			t.Errorf("%q is printed as %q", text, e)
		}
	})
}
