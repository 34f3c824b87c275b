// Package salsa is the stream of Salsa20, for CURVE, four blocks at a time where the
// processor has AVX2: golang.org/x/crypto, which does the work elsewhere and is what it
// is tested against, takes nearly twice as long there. How long it takes depends on
// neither content nor key.
//
// Programs import bindings/go/once: what is here may change at any time.
package salsa

import (
	"encoding/binary"

	//lint:ignore SA1019 the other begins at block 0 only
	"golang.org/x/crypto/salsa20/salsa"
)

// quad is how many octets four blocks have, atOnce how many are done before the
// goroutine can be interrupted.
const (
	quad   = 4 * 64
	atOnce = 256 * quad
)

// XORKeyStream combines src with the stream of a key by exclusive or, and writes that
// to dst, which has room for it and is either src or apart from it. The counter is
// nonce and number of the first block, 8 octets each. It does not allocate, and may be
// called from any goroutine.
func XORKeyStream(dst, src []byte, counter *[16]byte, key *[32]byte) {
	first := binary.LittleEndian.Uint64(counter[8:])
	if !fast || len(src) < 64 || first > 1<<31 || uint64(len(src)) > 1<<36 { // as quick for one block; xorQuads counts to 2^32
		salsa.XORKeyStream(dst, src, counter, key)
		return
	}
	dst = dst[:len(src)]
	s := begin(counter, key)
	for len(src) >= quad {
		n := min(len(src), atOnce) / quad
		xorQuads(&dst[0], &src[0], n, &s)
		s[numberLow] += uint32(4 * n)
		dst, src = dst[n*quad:], src[n*quad:]
	}
	if len(src) > 0 {
		var rest [quad]byte
		copy(rest[:], src)
		xorQuads(&rest[0], &rest[0], 1, &s)
		copy(dst, rest[:len(src)])
	}
}

// state is the matrix of Salsa20 by its diagonals: x0 x5 x10 x15, x4 x9 x14 x3,
// x8 x13 x2 x7 and x12 x1 x6 x11. So each step of a round is the same for four words.
type state [16]uint32

const numberLow = 8 // where x8 is

// begin returns the state of a block (The Salsa20 family of stream ciphers, 4.1).
func begin(counter *[16]byte, key *[32]byte) state {
	k := func(i int) uint32 { return binary.LittleEndian.Uint32(key[4*i:]) }
	n := func(i int) uint32 { return binary.LittleEndian.Uint32(counter[4*i:]) }
	c := func(i int) uint32 { return binary.LittleEndian.Uint32(salsa.Sigma[4*i:]) }
	return state{
		c(0), c(1), c(2), c(3),
		k(3), n(3), k(7), k(2),
		n(2), k(6), k(1), n(1),
		k(5), k(0), n(0), k(4),
	}
}
