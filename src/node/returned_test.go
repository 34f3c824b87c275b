package node

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/zre"
)

// TestReturned has a peer vanish to which much was said: what it had not confirmed comes
// back, in order and before its exit, as it was said, and nothing else does.
func TestReturned(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana, ben := l.couple(0, with(security))
				ana.talk(ben)
				ana.shouts("room", "early", 1)
				ben.wants(`shout ana room "early"`)
				ana.must(ana.Flush(t.Context()))
				l.memory.Partition(ana.host, ben.host, true)
				var want []string
				for n := range 300 {
					words := fmt.Sprint(n)
					if n%3 == 0 {
						ana.shouts("room", words, 1)
						want = append(want, fmt.Sprintf("undelivered ben room %q", words))
						continue
					}
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text(words, strings.Repeat("x", n))))
					want = append(want, fmt.Sprintf("undelivered ben %q %q", words, strings.Repeat("x", n)))
				}
				ben.vanishes()
				if got := ana.next(time.Minute); got != "suspect ben" {
					t.Fatalf("ana is told %q", got)
				}
				ana.wants(want...)
				if got := ana.next(time.Minute); !strings.HasPrefix(got, "exit ben ") {
					t.Errorf("ana is told %q", got)
				}
				if err := ana.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "300 messages") {
					t.Errorf("Flush: %v", err)
				}
			})
		})
	}
}

// TestReturnedWhileSaid has a peer vanish while several say things to it: whatever was said
// comes back, also what was said in the last moment.
func TestReturnedWhileSaid(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t)
			ana, ben := l.couple(0)
			l.memory.Partition(ana.host, ben.host, true)
			ben.vanishes()
			var said atomic.Int64
			var work sync.WaitGroup
			for range 4 {
				work.Go(func() {
					for ana.Whisper(t.Context(), ben.UUID(), text("hello")) == nil {
						said.Add(1)
						runtime.Gosched()
					}
				})
			}
			ana.loop.post(zre.Broken{Peer: ben.UUID()})
			work.Wait()
			back := int64(0)
			for got := ""; !strings.HasPrefix(got, "exit ben"); {
				if got = ana.next(time.Minute); strings.HasPrefix(got, "undelivered ben") {
					back++
				}
			}
			if back != said.Load() {
				t.Errorf("%d messages were said, and %d came back", said.Load(), back)
			}
		})
	}
}

// TestReturnedUnread has much come back that is not read: it takes of what may wait for all
// peers, as before, and gives it back as it is read. Nothing of it is lost.
func TestReturnedUnread(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const said = 30_000
				l := newLAN(t)
				ana, ben := l.couple(0, with(security))
				l.memory.Partition(ana.host, ben.host, true)
				for n := range said {
					ana.must(ana.Whisper(t.Context(), ben.UUID(), text(fmt.Sprint(n))))
				}
				waits := ana.sum.Used()
				ben.vanishes()
				for ana.table.find(ben.UUID()) != nil {
					time.Sleep(time.Second)
				}
				if used := ana.sum.Used(); used < waits || waits < said*10 {
					t.Errorf("what has come back takes %d octets, %d when it was said", used, waits)
				}
				ana.wants("suspect ben")
				for n := range said {
					if got := ana.next(time.Second); got != fmt.Sprintf("undelivered ben %q", fmt.Sprint(n)) {
						t.Fatalf("ana is told %q, not %d", got, n)
					}
					if n == said/2 && ana.sum.Used() > 2*waits/3 {
						t.Errorf("after half was read, %d octets are taken, of %d", ana.sum.Used(), waits)
					}
				}
				if got := ana.next(time.Second); !strings.HasPrefix(got, "exit ben ") {
					t.Errorf("ana is told %q", got)
				}
				if used := ana.sum.Used(); used != 0 {
					t.Errorf("%d octets are taken by nothing", used)
				}
			})
		})
	}
}
