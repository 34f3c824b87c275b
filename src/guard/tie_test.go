package guard

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/google/uuid"
)

// TestMAC holds the MACs of a tie to those of package hmac, and to cost no memory where little
// is said.
func TestMAC(t *testing.T) {
	tie := &Tie{bytes.Repeat([]byte{7}, sha256.Size), uuid.New(), uuid.New()}
	on := Nonces{[NonceSize]byte(NewNonce()), [NonceSize]byte(NewNonce())}
	for _, octets := range []int{0, 1, 40, 127, 128, 129, 1000} {
		said := bytes.Repeat([]byte{9}, octets)
		h := hmac.New(sha256.New, tie.key)
		h.Write(slices.Concat(tie.own[:], tie.far[:], on.Own[:], on.Far[:], said))
		if mac := tie.Prove(&on, said); !bytes.Equal(mac[:], h.Sum(nil)[:len(mac)]) {
			t.Errorf("%d octets: another MAC", octets)
		}
	}
	said := make([]byte, 40)
	mac := tie.Prove(&on, said)
	far := Tie{tie.key, tie.far, tie.own}
	theirs := Nonces{on.Far, on.Own}
	if allocs := testing.AllocsPerRun(100, func() {
		if !far.Proves(&theirs, said, mac[:]) {
			t.Fatal("the MAC does not prove what was said")
		}
	}); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
