package once_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sjohnr/at-once/bindings/go/once"
)

// pair starts two nodes on loopback that know each other.
func pair(tb testing.TB) (from, to *once.Node) {
	tb.Helper()
	start := func(name string) *once.Node {
		n, err := once.Start(tb.Context(), once.Config{
			Name: name, BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*", Groups: []string{"room"},
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { n.Close() })
		return n
	}
	from, to = start("from"), start("to")
	if err := from.Connect(to.ID(), to.Endpoint()); err != nil {
		tb.Fatal(err)
	}
	for _, n := range []*once.Node{from, to} {
		for event := range n.Events(tb.Context()) {
			if _, ok := event.(*once.Join); ok {
				break
			}
		}
	}
	return from, to
}

// BenchmarkWhisper measures a whisper from one application to the event in the
// other, over TCP on loopback in one process.
func BenchmarkWhisper(b *testing.B) {
	for _, size := range []int{64, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("%d", size), func(b *testing.B) {
			from, to := pair(b)
			content := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			failed := make(chan error, 1)
			go func() {
				for range b.N {
					if err := from.Whisper(context.Background(), to.ID(), content); err != nil {
						failed <- err
						return
					}
				}
				failed <- nil
			}()
			for seen := 0; seen < b.N; {
				batch, err := to.NextBatch(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for i := range batch.Len() {
					if w, ok := batch.At(i).(*once.Whisper); ok && len(w.Content[0]) == size {
						seen++
					}
				}
			}
			if err := <-failed; err != nil {
				b.Fatal(err)
			}
		})
	}
}
