package node

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestStoppedMemberHoldsUpNobody shouts to a group of which one member has stopped: once
// that is suspect the others get what is said as fast as it is said, and who speaks is
// told in the end how much the one has missed.
func TestStoppedMemberHoldsUpNobody(t *testing.T) {
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				ana, ben, cleo := l.node("ana", with(security), in("room")), l.node("ben", with(security), in("room")), l.node("cleo", with(security), in("room"))
				defer ana.Stop()
				defer ben.Stop()
				defer cleo.Stop()
				l.rest()
				l.part(ana, cleo, true)
				said := 0
				shouts := func(d time.Duration) (heard int) { // eighty a second, if nothing holds them up
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second / 80) {
						_, err := ana.Shout(t.Context(), "room", [][]byte{make([]byte, 50_000)})
						ana.must(err)
						said++
						for strings.HasPrefix(ben.next(2*time.Millisecond), "shout ana") {
							heard++
						}
					}
					return heard
				}
				start, heard := time.Now(), 0
				for p, err := ana.Peer(cleo.UUID()); err != nil || !p.Suspect(); p, err = ana.Peer(cleo.UUID()) {
					if err != nil {
						t.Fatalf("until cleo is gone, after %v, ben hears %d", time.Since(start), heard)
					}
					heard += shouts(time.Second / 10)
				}
				if heard = shouts(5 * time.Second); heard < 300 {
					t.Errorf("in 5 s ben hears %d", heard)
				}
				var undelivered *UndeliveredError
				if err := ana.Flush(t.Context()); !errors.As(err, &undelivered) || !errors.Is(err, api.ErrUndelivered) {
					t.Fatalf("ana is told %v", err)
				}
				if m := undelivered.Missed; len(m) != 1 || m[0].UUID != cleo.UUID() || m[0].Messages != uint64(said) {
					t.Errorf("ana said %d things, and is told %+v", said, m)
				}
			})
		})
	}
}
