package node

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/generated/go/api"
)

// TestLimitsAreSettings has a node take no more peers, strangers in all and of one address than
// its settings say, and those.
func TestLimitsAreSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t)
		ana := l.node("ana", func(n *Node) {
			if err := errors.Join(n.SetMaxStrangers(16), n.SetMaxPerAddress(8), n.SetMaxPeers(6)); err != nil {
				t.Error(err)
			}
		})
		defer ana.Stop()
		dial := func(host string, times int) {
			for range times {
				conn, err := l.memory.Host(host).Dial(t.Context(), ana.Endpoint())
				ana.must(err)
				t.Cleanup(func() { _ = conn.Close() })
			}
		}
		dial("10.1.0.1", 9)
		for i := range 9 {
			dial(fmt.Sprintf("10.2.0.%d", i), 1)
		}
		synctest.Wait()
		for name, want := range map[string]uint64{"connections over the limit of their address": 1, "connections over the limit": 1} {
			if got := ana.Counts()[name]; got != want {
				t.Errorf("%s: %d, want %d", name, got, want)
			}
		}
		time.Sleep(time.Minute) // until the strangers are gone
		for i := range 9 {
			defer l.node(fmt.Sprint("peer", i)).Stop()
		}
		time.Sleep(10 * time.Second)
		if there := len(ana.Peers()); there != 6 || ana.Counts()["sightings over the limit"] == 0 {
			t.Errorf("%d peers are there; counts: %v", there, ana.Counts())
		}
		if err := ana.SetMaxPeers(100); !errors.Is(err, api.ErrStarted) {
			t.Error(err)
		}
	})
}
