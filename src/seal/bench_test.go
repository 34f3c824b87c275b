package seal

import (
	"bytes"
	"fmt"
	"testing"
)

var sizes = []int{64, 1 << 10, 64 << 10}

// each runs a benchmark for content of every size.
func each(b *testing.B, what string, run func(b *testing.B, content [][]byte)) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("%s-%d", what, size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			run(b, [][]byte{make([]byte, size)})
		})
	}
}

func BenchmarkSession(b *testing.B) {
	p := newPair(b)
	each(b, "append", func(b *testing.B, content [][]byte) {
		room := make([]byte, 0, Size(content))
		for b.Loop() {
			p.sender.Append(room, content)
		}
	})
	each(b, "open", func(b *testing.B, content [][]byte) {
		sealed := p.sender.Append(nil, content)
		frame, got := bytes.Clone(sealed), make([][]byte, 0, 1)
		for b.Loop() {
			copy(frame, sealed)
			p.receiver.came = window{}
			if _, _, err := p.receiver.Open(frame, got); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAccept is what a session costs both sides.
func BenchmarkAccept(b *testing.B) {
	p := newPair(b)
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.opening(b, 7)
		}
	})
	b.Run("accept", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.accept(p.open); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGroup(b *testing.B) {
	sender, p, receiver := newShout(b)
	proof := make([]byte, 0, SizeProof)
	each(b, "append", func(b *testing.B, content [][]byte) {
		room := make([]byte, 0, Size(content))
		for b.Loop() {
			sender.Append(room, content, new(Key))
		}
	})
	b.Run("prove", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p.sender.AppendProof(proof, sender.digest[:])
		}
	})
	each(b, "open", func(b *testing.B, content [][]byte) {
		receiver = join(b, sender)
		start := receiver.chain
		sealed, digest := sender.Append(nil, content, new(Key))
		frame, got := bytes.Clone(sealed), make([][]byte, 0, 1)
		for b.Loop() {
			copy(frame, sealed)
			receiver.chain = start
			if _, err := receiver.Open(p.receiver, frame, p.sender.AppendProof(proof, digest), got); err != nil {
				b.Fatal(err)
			}
		}
	})
}
