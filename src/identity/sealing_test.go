package identity

import (
	"crypto/hpke"
	"math/rand/v2"
	"testing"
)

// TestSealable changes a key octet by octet: what package hpke takes is sealable, and no
// more.
func TestSealable(t *testing.T) {
	kem := hpke.MLKEM768X25519()
	secret, err := kem.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	key, taken := secret.PublicKey().Bytes(), 0
	check := func(what string, key []byte, at int) {
		_, err := kem.NewPublicKey(key)
		if sealable(key) != (err == nil) {
			t.Fatalf("%s %d: %v", what, at, err)
		}
		if err == nil {
			taken++
		}
	}
	for size := range len(key) + 2 {
		check("octets:", append(key[:len(key):len(key)], 0)[:size], size)
	}
	for at := range key {
		for _, value := range []byte{0, 0x0c, 0x0d, 0xd0, 0xcf, 0xff, byte(rand.Uint32())} {
			was := key[at]
			key[at] = value
			check("changed at", key, at)
			key[at] = was
		}
	}
	t.Logf("%d of them are keys", taken)
}
