package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// exhausted is a listener that is out of descriptors but for one moment in so many.
type exhausted struct {
	net.Listener
	ctx         context.Context
	calls, free int
	failed      int
	over        time.Time
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	if e.calls++; time.Now().After(e.over) || e.calls%e.free == 0 {
		near, far := net.Pipe()
		far.Close()
		return near, nil
	}
	e.failed++
	return nil, syscall.EMFILE
}

func (e *exhausted) Close() error { return nil }

// TestOutOfDescriptors lets a listener be out of descriptors for an hour, without and
// with moments in which it is not. It is told at once and then each minute, with how
// often it was: all are told.
func TestOutOfDescriptors(t *testing.T) {
	for _, free := range []int{1 << 30, 2} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			start := time.Now()
			l := &exhausted{ctx: ctx, free: free, over: start.Add(time.Hour)}
			told, sum := 0, 0
			Accept(ctx, l, 1, func(conn net.Conn, over func()) {
				conn.Close()
				over()
				if time.Sleep(20 * time.Millisecond); time.Since(start) > time.Hour+2*tellAgain {
					cancel()
				}
			}, func(err error) {
				if !errors.Is(err, syscall.EMFILE) {
					t.Error(err)
				}
				times, since := 1, ""
				if _, count, ok := strings.Cut(err.Error(), "("); ok {
					if _, err := fmt.Sscanf(count, "%d times in %s", &times, &since); err != nil {
						t.Error(err)
					}
				}
				if told++; told == 1 && time.Since(start) > 0 {
					t.Error("the first is not told at once")
				}
				sum += times
			})
			if told < 60 || told > 62 || sum != l.failed {
				t.Errorf("told %d times of %d failures of %d", told, sum, l.failed)
			}
		})
	}
}
