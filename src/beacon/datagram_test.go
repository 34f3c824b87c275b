package beacon

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
)

// hello is a beacon as RFC 36, "Discovery", has it: Z R E, %x01, UUID, port; keyed
// is one of version 3, %x03 and 32 octets of key at the end.
var (
	helloID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")
	hello   = []byte("ZRE\x01\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff\xc0\x01")
	keyed   = slices.Concat([]byte("ZRE\x03"), hello[4:], []byte("an X25519 key is of 32 octets .."))
	helloBy = [32]byte(keyed[22:])
)

// changed returns a datagram with other octets from some place on.
func changed(datagram []byte, at int, octets ...byte) []byte {
	b := bytes.Clone(datagram)
	copy(b[at:], octets)
	return b
}

func TestDatagram(t *testing.T) {
	zeros, late := make([]byte, 32), [32]byte{31: 1}
	for _, test := range []struct {
		name     string
		datagram []byte
		port     uint16
		key      [32]byte
		inverse  bool
	}{
		{"version 1", hello, 0xC001, noKey, true},
		{"version 3", keyed, 0xC001, helloBy, true},
		{"key that begins with zeros", changed(keyed, 22, late[:]...), 0xC001, late, true},
		{"goodbye", changed(hello, 20, 0, 0), 0, noKey, true},
		{"goodbye of version 3", changed(keyed, 20, 0, 0), 0, helloBy, true},
		{"goodbye without the key", changed(changed(keyed, 22, zeros...), 20, 0, 0), 0, noKey, false},
	} {
		id, port, key, ok := decode(test.datagram)
		if id != helloID || port != test.port || key != test.key || !ok {
			t.Errorf("%s: %v, port %d, key %x, %v", test.name, id, port, key, ok)
		}
		if b := encode(id, port, key); bytes.Equal(b, test.datagram) != test.inverse {
			t.Errorf("%s: encoded as %x", test.name, b)
		}
	}
	for name, datagram := range map[string][]byte{
		"key of zeros":           changed(keyed, 22, zeros...),
		"version 3 of 22 octets": changed(hello, 3, 3),
		"version 1 of 54 octets": changed(keyed, 3, 1),
		"version 2":              changed(hello, 3, 2),
		"version 2 of 54 octets": changed(keyed, 3, 2),
		"another protocol":       changed(hello, 2, 'F'),
		"another one, keyed":     changed(keyed, 0, 'z'),
		"trailing octet":         append(bytes.Clone(hello), 0),
		"trailing octet, keyed":  append(bytes.Clone(keyed), 0),
	} {
		if id, port, key, ok := decode(datagram); ok {
			t.Errorf("%s: taken for %v, port %d, key %x", name, id, port, key)
		}
	}
	for _, datagram := range [][]byte{hello, keyed} {
		for n := range datagram {
			if _, _, _, ok := decode(datagram[:n]); ok {
				t.Errorf("the first %d octets of %q are taken for a beacon", n, datagram)
			}
		}
	}
}

// What the model of the beacon says, in examples and numbers, is what this package does.
func TestLayout(t *testing.T) {
	var layout struct {
		Numbers map[string]int
		Records []struct {
			Name, Octets string
			Fields       struct {
				ID, Key string
				Port    uint16
			}
		}
	}
	text, err := os.ReadFile("../../generated/vectors/zre_beacon.json")
	if err == nil {
		err = json.Unmarshal(text, &layout)
	}
	if err != nil || len(layout.Records) != 3 {
		t.Fatalf("%d records, %v", len(layout.Records), err)
	}
	for _, r := range layout.Records {
		datagram, err := hex.DecodeString(r.Octets)
		if err != nil {
			t.Fatal(err)
		}
		id, port, key, ok := decode(datagram)
		if !ok || id != uuid.MustParse(r.Fields.ID) || port != r.Fields.Port || !strings.HasPrefix(hex.EncodeToString(key[:]), r.Fields.Key) {
			t.Errorf("%s: %v, port %d, key %x, %v", r.Name, id, port, key, ok)
		}
		if b := encode(id, port, key); !bytes.Equal(b, datagram) || (key == noKey) != (r.Fields.Key == "") {
			t.Errorf("%s: encoded as %x", r.Name, b)
		}
	}
	for name, want := range map[string]int{
		"port":     api.DefaultNodeBeaconPort,
		"interval": int(api.DefaultNodeInterval / time.Millisecond),
		"gap":      int(segmentGap / time.Millisecond),
		"crowd":    maxCrowd,
	} {
		if got := layout.Numbers[name]; got != want {
			t.Errorf("%s is %d in the model, and %d here", name, got, want)
		}
	}
	if page, err := os.ReadFile("../../generated/doc/zre_beacon.md"); err != nil || !bytes.Contains(page, []byte(" "+Group.String()+" ")) {
		t.Errorf("the document does not name %v, %v", Group, err)
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add(hello)
	f.Add(keyed)
	f.Add(encode(helloID, 0, noKey))
	f.Add(encode(helloID, 0, helloBy))
	f.Add([]byte("ZRE\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		id, port, key, ok := decode(datagram)
		keyless := len(datagram) == keyedSize && key == noKey
		switch b := encode(id, port, key); {
		case ok && keyless && port != 0:
			t.Errorf("%x passes for a node without a key", datagram)
		case ok && !keyless && !bytes.Equal(b, datagram):
			t.Errorf("%x is encoded as %x", datagram, b)
		}
	})
}
