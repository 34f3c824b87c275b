//go:build unix

package link

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/sjohnr/at-once/src/zmtp"
)

// TestIdleStacksAreSmall: of links that are idle most of the time none keeps more stack than
// it began with, which is 2 or 4 KiB, whatever deliver has taken.
func TestIdleStacksAreSmall(t *testing.T) {
	const links = 400
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var work sync.WaitGroup
	delivered := make(chan struct{}, links)
	var far []*Link
	for range links {
		opened := make(chan *Link)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				panic(err)
			}
			near, err := Open(context.Background(), conn, Config{Type: zmtp.Router})
			if err != nil {
				panic(err)
			}
			opened <- near
		}()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		other, err := Open(context.Background(), conn, Config{Type: zmtp.Dealer})
		if err != nil {
			t.Fatal(err)
		}
		far = append(far, other)
		near := <-opened
		work.Add(1)
		near.ServeIdle(func(b *Batch) error {
			var deep [4 << 10]byte
			delivered <- struct{}{}
			fmt.Fprint(io.Discard, deep[b.Len()])
			b.Release()
			return nil
		}, func(error) { work.Done() })
	}
	for range 3 {
		for _, other := range far {
			b := append(zmtp.AppendHeader(nil, 4, false), "idle"...)
			room, err := other.ReserveControl(len(b))
			if err != nil {
				t.Fatal(err)
			}
			copy(room, b)
			other.Commit()
		}
		for range far {
			<-delivered
		}
	}
	for runtime.NumGoroutine() > links+20 {
		runtime.Gosched() // until deliver has returned
	}
	for range 2 { // the second lets go of what the first has found
		runtime.GC()
	}
	runtime.ReadMemStats(&after)
	if each := int(after.StackInuse-before.StackInuse) / links; each > 9<<9 {
		t.Errorf("%d octets of stack for each", each)
	}
	for _, other := range far {
		other.Close()
	}
	work.Wait()
}
