package node

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestStoppedMemberHoldsUpNobody shouts to a group of which one member has stopped. It is
// waited for while it is present; once it is suspect, the shout that it has no room for ends
// the channel with it. All that it has not got comes back, that shout too, and the other gets
// what is said as fast as it is said.
func TestStoppedMemberHoldsUpNobody(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				small := func(n *Node) { n.settings.Outbox = 1 << 20 }
				ana, ben, cleo := l.node("ana", with(security), in("room"), small), l.node("ben", with(security), in("room")), l.node("cleo", with(security), in("room"))
				defer ana.Stop()
				defer ben.Stop()
				defer cleo.Stop()
				l.rest()
				l.part(ana, cleo, true)
				queued, alone := 0, 0
				shouts := func(d time.Duration) (heard int) { // eighty a second, if nothing holds them up
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second / 80) {
						sent, err := ana.Shout(t.Context(), "room", [][]byte{make([]byte, 50_000)})
						ana.must(err)
						if sent == 2 {
							queued++
						} else {
							alone++
						}
						for strings.HasPrefix(ben.next(2*time.Millisecond), "shout ana") {
							heard++
						}
					}
					return heard
				}
				start := time.Now()
				for alone == 0 {
					shouts(time.Second / 10)
				}
				if took, most := time.Since(start), ana.settings.Silent+2*time.Second; took > most || queued > (1<<20)/50_000 {
					t.Errorf("it is waited for %v, and %d shouts are queued", took, queued)
				}
				if _, err := ana.Peer(cleo.UUID()); !errors.Is(err, api.ErrNoPeer) {
					t.Errorf("cleo is there: %v", err)
				}
				if heard := shouts(5 * time.Second); heard < 300 {
					t.Errorf("in 5 s ben hears %d", heard)
				}
				ana.has("suspect cleo", time.Minute)
				for range queued + 1 {
					if got := ana.next(time.Second); !strings.HasPrefix(got, "undelivered cleo room") {
						t.Fatalf("ana is told %.40q", got)
					}
				}
				ana.wants("exit cleo overrun")
				var undelivered *UndeliveredError
				if err := ana.Flush(t.Context()); !errors.As(err, &undelivered) || !errors.Is(err, api.ErrUndelivered) {
					t.Fatalf("ana is told %v", err)
				}
				if m := undelivered.Missed; len(m) != 1 || m[0].UUID != cleo.UUID() || m[0].Messages != uint64(queued+1) {
					t.Errorf("ana said %d things, and is told %+v", queued+1, m)
				}
			})
		})
	}
}

// TestSuspectsShare has peers be suspect to whom something is said all the same: together they
// take an eighth of what may wait for all, and the one that was suspect first is gone when
// that is full. What it did not get comes back.
func TestSuspectsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		tight := func(n *Node) { n.settings.Outboxes = 64 << 20 }
		ana, ben, cleo := l.node("ana", tight), l.node("ben"), l.node("cleo")
		defer ana.Stop()
		defer ben.Stop()
		defer cleo.Stop()
		l.rest()
		says := func(to *actor, count int) {
			t.Helper()
			for range count {
				ana.must(ana.Whisper(t.Context(), to.UUID(), [][]byte{make([]byte, 50_000)}))
			}
		}
		says(ben, 1)
		says(cleo, 1)
		ana.must(ana.Flush(t.Context()))
		l.part(ana, cleo, true)
		time.Sleep(7 * time.Second)
		l.part(ana, ben, true)
		ana.has("suspect cleo", time.Minute)
		ana.has("suspect ben", time.Minute)
		says(cleo, 60)
		says(ben, 60)
		ana.idle(time.Second)
		says(ben, 60)
		synctest.Wait()
		for range 60 {
			if got := ana.next(time.Second); !strings.HasPrefix(got, "undelivered cleo") {
				t.Fatalf("ana is told %.40q", got)
			}
		}
		ana.wants("exit cleo overrun")
		if ana.sum.Strained() || ana.table.find(ben.UUID()) == nil {
			t.Error("ben is gone too, or has more than the share")
		}
	})
}
