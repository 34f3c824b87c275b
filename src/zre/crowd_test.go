package zre

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// TestCrowdAtOneEndpoint sights as many peers as there may be at one endpoint, and has our
// connection there end: what that costs is bounded.
func TestCrowdAtOneEndpoint(t *testing.T) {
	c := New(Config{ID: uuid.UUID{1}, Greeting: 10 * time.Second, Evasive: time.Hour, Silent: 2 * time.Hour, Expired: 3 * time.Hour,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	endpoint := sight.At("10.0.0.2", 5)
	now := time.Unix(1e9, 0)
	id := func(i int) (id uuid.UUID) {
		id[0] = 2
		binary.BigEndian.PutUint32(id[4:], uint32(i)*2654435761)
		return id
	}
	took := func(what string, in Input) {
		began := time.Now()
		n := len(c.Step(now, in))
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("%s takes %v, %d outputs", what, d, n)
		} else {
			t.Logf("%s takes %v, %d outputs", what, d, n)
		}
	}
	began := time.Now()
	for i := range MaxPeers / 2 {
		c.Step(now, Sighted{id(i), endpoint})
	}
	t.Log("sighting all", time.Since(began))
	took("linked", Linked{id(0), 1, endpoint, sight.At("10.0.0.1", 1), false, 0, false})
	took("unlinked", Unlinked{id(0), 1})
	now = now.Add(11 * time.Second)
	took("tick", Tick{})
}
