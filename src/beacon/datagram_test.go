package beacon

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
)

// hello is a beacon as RFC 36, "Discovery", has it: Z R E, %x01, UUID, port.
var (
	helloID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	hello   = []byte("ZRE\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\xc0\x01")
)

// curve is a beacon of version 3: the same and 32 octets of public key.
func curve() []byte {
	b := append(bytes.Clone(hello), make([]byte, 32)...)
	b[3] = 3
	return b
}

func TestDatagram(t *testing.T) {
	if got := encode(helloID, 0xC001); !bytes.Equal(got, hello) {
		t.Errorf("encode: %x, want %x", got, hello)
	}
	changed := func(at int, octet byte) []byte {
		b := bytes.Clone(hello)
		b[at] = octet
		return b
	}
	for _, test := range []struct {
		name     string
		datagram []byte
		kind     kind
		port     uint16
	}{
		{"hello", hello, kindPlain, 0xC001},
		{"goodbye", encode(helloID, 0), kindPlain, 0},
		{"version 3", curve(), kindCurve, 0},
		{"version 3 of 22 octets", changed(3, 3), kindMalformed, 0},
		{"version 1 of 54 octets", append(bytes.Clone(hello), make([]byte, 32)...), kindMalformed, 0},
		{"version 2", changed(3, 2), kindMalformed, 0},
		{"another protocol", changed(2, 'F'), kindMalformed, 0},
		{"trailing octet", append(bytes.Clone(hello), 0), kindMalformed, 0},
	} {
		kind, id, port := decode(test.datagram)
		if kind != test.kind || port != test.port || (kind == kindPlain) != (id == helloID) {
			t.Errorf("%s: kind %d, %v, port %d", test.name, kind, id, port)
		}
	}
	for n := range curve() {
		if kind, _, _ := decode(curve()[:n]); kind != kindMalformed {
			t.Errorf("the first %d octets of version 3 are taken for kind %d", n, kind)
		}
	}
	for n := range hello {
		if kind, _, _ := decode(hello[:n]); kind != kindMalformed {
			t.Errorf("the first %d octets are taken for kind %d", n, kind)
		}
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(hello)
	f.Add(encode(helloID, 0))
	f.Add(curve())
	f.Add([]byte("ZRE\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		kind, id, port := decode(datagram)
		switch {
		case kind == kindPlain && !bytes.Equal(encode(id, port), datagram):
			t.Errorf("%x is encoded as %x", datagram, encode(id, port))
		case kind != kindPlain && (id != uuid.Nil || port != 0):
			t.Errorf("kind %d gives %v, port %d", kind, id, port)
		}
	})
}
