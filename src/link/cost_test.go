//go:build !race

package link

import (
	"runtime"
	"testing"
)

// A message costs no allocation, on either side, encrypted or not.
func TestNoAllocations(t *testing.T) {
	noAllocations(t, dealer, router)
	near, far := secure(dealer, router)
	noAllocations(t, near, far)
}

func noAllocations(t *testing.T, from, to Config) {
	near, far := openPair(t, from, to)
	arrived := make(chan struct{}, 1)
	serve(far, func(b *Batch) error {
		if m := b.Message(b.Len() - 1); len(m) != 2 {
			t.Errorf("message of %d frames", len(m))
		}
		b.Release()
		arrived <- struct{}{}
		return nil
	})
	content := make([]byte, 64)
	once := func() {
		if err := sendMessage(t.Context(), near, content); err != nil {
			t.Fatal(err)
		}
		<-arrived
	}
	if n := testing.AllocsPerRun(1000, once); n != 0 {
		t.Errorf("%v allocations a message", n)
	}
}

// An idle link holds no buffers: with both goroutines it takes less than 8 KiB a
// side, even after it was busy.
func TestIdleLinkIsSmall(t *testing.T) {
	const links = 300
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	arrived := make(chan struct{}, 1)
	before := memory()
	for range links {
		near, far := openPair(t, dealer, router)
		serve(near, discard)
		serve(far, func(b *Batch) error {
			b.Release()
			arrived <- struct{}{}
			return nil
		})
		if err := send(t.Context(), near, number(1, 1<<20)); err != nil {
			t.Fatal(err)
		}
		<-arrived
	}
	side := (memory() - before) / (2 * links)
	t.Logf("%d octets a side", side)
	if side > 8<<10 {
		t.Errorf("an idle link takes %d octets a side", side)
	}
}
