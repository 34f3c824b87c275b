package z85

import (
	"bytes"
	"errors"
	"testing"
)

// TestVectors has the vectors of RFC 32.
func TestVectors(t *testing.T) {
	for text, octets := range map[string][]byte{
		"HelloWorld": {0x86, 0x4F, 0xD2, 0x6F, 0xB5, 0x59, 0xF7, 0x5B},
		"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6": {
			0x8E, 0x0B, 0xDD, 0x69, 0x76, 0x28, 0xB9, 0x1D, 0x8F, 0x24, 0x55, 0x87, 0xEE, 0x95, 0xC5, 0xB0,
			0x4D, 0x48, 0x96, 0x3F, 0x79, 0x25, 0x98, 0x77, 0xB4, 0x9C, 0xD9, 0x06, 0x3A, 0xEA, 0xD3, 0xB7,
		},
		"": {},
	} {
		if got := Encode(octets); got != text {
			t.Errorf("%x becomes %q, want %q", octets, got, text)
		}
		if got, err := Decode(text); err != nil || !bytes.Equal(got, octets) {
			t.Errorf("%q becomes %x, %v, want %x", text, got, err, octets)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, text := range []string{"H", "Hell", "Hell\"", "#####", "Hällo"} {
		if octets, err := Decode(text); !errors.Is(err, Err) {
			t.Errorf("%q becomes %x, %v", text, octets, err)
		}
	}
	if _, err := Key("HelloWorld"); !errors.Is(err, Err) {
		t.Errorf("a short key is %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("HelloWorld")
	f.Fuzz(func(t *testing.T, text string) {
		if octets, err := Decode(text); err == nil && Encode(octets) != text {
			t.Errorf("%q and %q mean the same", text, Encode(octets))
		}
	})
}
