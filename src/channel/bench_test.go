package channel

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sjohnr/at-once/src/link"
)

// loopback is a network of TCP.
func loopback() (near, far link.Transport, endpoint string) {
	return link.TCP{}, link.TCP{}, "tcp://127.0.0.1:*"
}

// eight returns what says 64 octets to one, or to a group of eight, over TCP, and returns
// when all have come to where they go. The paths are open, and so are sessions.
func eight(tb testing.TB, k kind, shout bool) (say func()) {
	s := newSpeakerOn(tb, loopback)
	members := 1
	if shout {
		members = 8
	}
	var left atomic.Int64
	arrived := make(chan struct{}, 1)
	var all []*listener
	for range members {
		l := s.listener("ben", k)
		l.connect()
		l.counts(&left, arrived)
		all = append(all, l)
	}
	s.gather("room", all...)
	content := [][]byte{make([]byte, 64)}
	say = func() {
		left.Add(int64(members))
		if !shout {
			s.must(s.Whisper(tb.Context(), all[0].to, content))
		} else if sent, err := s.Shout(tb.Context(), "room", content); err != nil || sent != uint32(members) {
			tb.Fatal(sent, err)
		}
		<-arrived
	}
	extra := members // the greetings
	if k == sealed {
		extra += members // the sessions
		if shout {
			extra += members // the keys
		}
	}
	left.Add(int64(extra))
	say()
	return say
}

// counts reads what comes over the latest path until the test ends, and tells when nothing
// is left to come.
func (l *listener) counts(left *atomic.Int64, arrived chan<- struct{}) {
	e := l.ear
	var reading sync.WaitGroup
	reading.Go(func() {
		_ = e.link.Serve(func(b *link.Batch) error {
			n := b.Len()
			b.Release()
			if left.Add(int64(-n)) == 0 {
				arrived <- struct{}{}
			}
			return nil
		})
	})
	l.Cleanup(func() { _ = e.link.Close(); reading.Wait() })
}

func benchmark(b *testing.B, k kind, shout bool) {
	say := eight(b, k, shout)
	b.ReportAllocs()
	for b.Loop() {
		say()
	}
}

// Each benchmark takes a message to where it goes, before the next.
func BenchmarkWhisper64(b *testing.B)       { benchmark(b, plain, false) }
func BenchmarkWhisper64Sealed(b *testing.B) { benchmark(b, sealed, false) }
func BenchmarkShout8(b *testing.B)          { benchmark(b, plain, true) }
func BenchmarkShout8Sealed(b *testing.B)    { benchmark(b, sealed, true) }
