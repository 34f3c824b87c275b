package client

import (
	"sync"
	"testing"
	"time"
)

// TestSerials: no two records of a process have one serial, whatever their clients' clocks say.
func TestSerials(t *testing.T) {
	var mu sync.Mutex
	var work sync.WaitGroup
	seen, now := map[uint64]bool{}, time.Now()
	for range 8 {
		work.Go(func() {
			for n := range 500 {
				got := nextSerial(now.Add(-time.Duration(n) * time.Minute))
				mu.Lock()
				if seen[got] {
					t.Errorf("%d comes twice", got)
				}
				seen[got] = true
				mu.Unlock()
			}
		})
	}
	work.Wait()
}
