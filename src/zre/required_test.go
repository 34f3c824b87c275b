package zre

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/src/sight"
)

// TestRequiredWhenThereIsRoom requires a peer while as many are sighted as may be: it is
// connected to when there is room.
func TestRequiredWhenThereIsRoom(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := New(Config{ID: uuid.New(), Incarnation: 1, Greeting: greeting, Evasive: evasive, Silent: silent, Expired: expired,
		Signs: func(uuid.UUID) Signs { return Signs{} }})
	for i := range MaxPeers / 2 {
		c.Step(now, Sighted{uuid.New(), sight.At(fmt.Sprintf("10.1.%d.%d", i/256, i%256), 1)})
	}
	wanted := uuid.New()
	connects := func(in Input) bool {
		return slices.ContainsFunc(c.Step(now, in), func(out Output) bool {
			connect, ok := out.(Connect)
			return ok && connect.Peer == wanted && connect.Urgent && slices.Equal(connect.Endpoints, []sight.Endpoint{sight.At("10.0.0.2", 1)})
		})
	}
	if connects(Required{wanted, sight.At("10.0.0.2", 1)}) {
		t.Fatal("there is room already")
	}
	for end := now.Add(2 * greeting); now.Before(end); {
		if now = c.Deadline(); now.IsZero() {
			break
		}
		if connects(Tick{}) {
			return
		}
	}
	t.Errorf("it is not connected to, though %d peers are known", len(c.peers))
}
