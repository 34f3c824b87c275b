package once_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/seal"
)

// pair starts two nodes on loopback that know each other.
func pair(tb testing.TB, security once.Security) (from, to *once.Node) {
	tb.Helper()
	start := func(name string) *once.Node {
		n, err := once.Start(tb.Context(), once.Config{
			Name: name, BeaconPort: once.NoBeacon, Endpoint: "tcp://127.0.0.1:*", Groups: []string{"room"}, Security: security,
		})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { n.Close() })
		return n
	}
	from, to = start("from"), start("to")
	if err := from.Connect(to.UUID(), to.Endpoint()); err != nil {
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
	for _, security := range securities {
		for _, size := range []int{64, 1 << 10, 64 << 10} {
			b.Run(fmt.Sprint(security, "-", size), func(b *testing.B) { benchmarkWhisper(b, security, size) })
		}
	}
}

func benchmarkWhisper(b *testing.B, security once.Security, size int) {
	from, to := pair(b, security)
	content := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	failed := make(chan error, 1)
	go func() {
		for range b.N {
			if err := from.Whisper(context.Background(), to.UUID(), content); err != nil {
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
}

// TestSessionFigures measures what it takes to open a sealed session, on both sides
// together. It is part of make bench.
func TestSessionFigures(t *testing.T) {
	if os.Getenv(figuresEnv) == "" {
		t.Skip("part of make bench")
	}
	newcomer := func() (*identity.Identity, *identity.Card) {
		who, err := identity.New()
		if err != nil {
			t.Fatal(err)
		}
		card, err := who.Issue(1, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return who, card
	}
	from, shown := newcomer()
	to, card := newcomer()
	challenge := make([]byte, 16)
	took := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			_, open, err := seal.Open(from, shown, card, challenge, 1)
			if err == nil {
				_, _, err = seal.Accept(to, shown, challenge, 0, open)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	fmt.Println("# milliseconds to open a sealed session, both sides; there is no reference")
	figure("session-open", float64(took.NsPerOp())/1e6, 0, 1)
	if took.N == 0 {
		t.Error("no session was opened")
	}
}
