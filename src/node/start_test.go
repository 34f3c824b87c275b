package node

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/generated/go/api"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
)

// TestRequireBeforeStart requires a peer of a node that does not run.
func TestRequireBeforeStart(t *testing.T) {
	n := newNode(t)
	defer n.Stop()
	if err := n.RequirePeer(uuid.New(), "tcp://127.0.0.1:5670"); !errors.Is(err, api.ErrNotRunning) {
		t.Errorf("got %v, want ErrNotRunning", err)
	}
}

// TestWorldAfterFailure starts a node in its own world that could not start in another.
func TestWorldAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, full := newLAN(t), errors.New("no room")
		n := newNode(t)
		n.world.Transport = l.memory.Host("10.0.0.1")
		n.world.Beacon = func(int) sight.Source { return l.hub.Host("10.0.0.1") }
		w := n.world
		w.Enter = func() (func(), error) { return nil, full }
		if err := n.Start(world.With(t.Context(), &w)); !errors.Is(err, full) {
			t.Fatal(err)
		}
		if err := n.Start(t.Context()); err != nil {
			t.Errorf("in its own world: %v", err)
		}
		_ = n.Stop()
	})
}
