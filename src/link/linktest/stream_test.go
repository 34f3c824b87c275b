package linktest

import (
	"fmt"
	"testing"
)

// BenchmarkStream sends messages of two frames one way.
func BenchmarkStream(b *testing.B) {
	for name, d := range drivers {
		for _, size := range []int{64, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprint(name, " ", size), func(b *testing.B) {
				e, nearErr, farErr := pair{d, d}.open(b, dealer, router)
				if nearErr != nil || farErr != nil {
					b.Fatal(nearErr, farErr)
				}
				got, all := 0, make(chan struct{})
				serve(b, e.far, func(m [][]byte) error {
					if got++; got == b.N {
						close(all)
					}
					return nil
				})
				serve(b, e.near, discard)
				head, content := make([]byte, 6), make([]byte, size)
				b.SetBytes(int64(size))
				b.ResetTimer()
				for range b.N {
					if err := send(e.near, head, content); err != nil {
						b.Fatal(err)
					}
				}
				<-all
			})
		}
	}
}
