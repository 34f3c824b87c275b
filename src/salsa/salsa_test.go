package salsa

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	//lint:ignore SA1019 the twin
	"golang.org/x/crypto/salsa20/salsa"
)

// check compares a stream with that of x/crypto, into another slice and in place.
func check(t *testing.T, src []byte, counter [16]byte, key [32]byte) {
	t.Helper()
	want := make([]byte, len(src))
	salsa.XORKeyStream(want, src, &counter, &key)
	room := bytes.Repeat([]byte{0xA5}, len(src)+1)
	XORKeyStream(room, src, &counter, &key)
	if !bytes.Equal(room[:len(src)], want) || room[len(src)] != 0xA5 {
		t.Fatalf("%d octets from block %x differ, or one too many is written", len(src), counter[8:])
	}
	same := bytes.Clone(src)
	XORKeyStream(same, same, &counter, &key)
	if !bytes.Equal(same, want) {
		t.Fatalf("%d octets in place from block %x differ", len(src), counter[8:])
	}
}

func TestSizes(t *testing.T) {
	source := rand.NewChaCha8([32]byte{1})
	var counter [16]byte
	var key [32]byte
	for size := range 6*quad + 2 {
		src := make([]byte, size)
		source.Read(src)
		source.Read(counter[:8])
		source.Read(key[:])
		check(t, src, counter, key)
	}
	for _, size := range []int{atOnce - 1, atOnce, atOnce + 1, 3*atOnce + quad + 65} {
		src := make([]byte, size)
		source.Read(src)
		check(t, src, counter, key)
	}
}

// TestNumbers counts on where the number of the block outgrows 32 and 64 bits.
func TestNumbers(t *testing.T) {
	for _, around := range []uint64{10, 1 << 31, math.MaxUint32, math.MaxUint64 - 10} {
		for off := range uint64(20) {
			number, counter := around+off-10, [16]byte{1, 2, 3}
			for i := range 8 {
				counter[8+i] = byte(number >> (8 * i))
			}
			check(t, make([]byte, 5*quad+7), counter, [32]byte{9})
		}
	}
}

func FuzzXORKeyStream(f *testing.F) {
	f.Add([]byte("content"), make([]byte, 48))
	f.Fuzz(func(t *testing.T, src, start []byte) {
		if len(start) == 48 {
			check(t, src, [16]byte(start), [32]byte(start[16:]))
		}
	})
}

// TestRoom checks that nothing is written where there is no room for all.
func TestRoom(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	XORKeyStream(make([]byte, quad-1), make([]byte, quad), new([16]byte), new([32]byte))
}

func TestAllocates(t *testing.T) {
	var counter [16]byte
	var key [32]byte
	b := make([]byte, quad+1)
	if n := testing.AllocsPerRun(100, func() { XORKeyStream(b, b, &counter, &key) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkXORKeyStream(b *testing.B) {
	for _, size := range []int{40, 97, quad, 1066, 64 << 10} {
		for name, do := range map[string]func(dst, src []byte, counter *[16]byte, key *[32]byte){
			"ours": XORKeyStream, "x-crypto": salsa.XORKeyStream,
		} {
			b.Run(fmt.Sprint(size, "/", name), func(b *testing.B) {
				var counter [16]byte
				var key [32]byte
				octets := make([]byte, size)
				b.SetBytes(int64(size))
				for b.Loop() {
					do(octets, octets, &counter, &key)
				}
			})
		}
	}
}
