package node

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/world"
)

// deaf is a source that fails.
type deaf struct{ port int }

func (d deaf) String() string { return fmt.Sprint("port ", d.port) }
func (d deaf) Renew()         {}

func (d deaf) Run(context.Context, sight.Announcement, func([]sight.Sighting)) error {
	return errors.New("out of ears")
}

// TestSourceThatFails reads in the log which source it was.
func TestSourceThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, logged := newLAN(t), ""
		ana := l.node("ana", func(n *Node) {
			n.world.Beacon = func(port int) sight.Source { return deaf{port} }
			n.settings.BeaconPort = 5671
			n.SetLog(func(level int, message string, attributes map[string]string) {
				if level == 8 {
					logged += fmt.Sprint(message, " by ", attributes["by"], ": ", attributes["error"])
				}
			})
		})
		synctest.Wait()
		if logged != "nodes cannot find each other by port 5671: out of ears" {
			t.Errorf("logged %q", logged)
		}
		ana.must(ana.Stop())
	})
}

// TestWorldOfTheContext starts a node where the context says, and counts it there.
func TestWorldOfTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, there, full := newLAN(t), 0, errors.New("no room")
		w := &world.World{
			Transport: l.memory.Host("10.0.0.7"),
			Beacon:    func(int) sight.Source { return l.hub.Host("10.0.0.7") },
			Enter: func() (func(), error) {
				if there == 1 {
					return nil, full
				}
				there++
				return func() { there-- }, nil
			},
		}
		ana := newNode(t)
		w.Now, w.Random = ana.world.Now, ana.world.Random
		ctx, cancel := context.WithCancel(world.With(t.Context(), w))
		if err := ana.Start(ctx); err != nil || parsed(ana.Endpoint()).Host() != "10.0.0.7" || there != 1 {
			t.Fatalf("at %s, %d there: %v", ana.Endpoint(), there, err)
		}
		if err := newNode(t).Start(ctx); !errors.Is(err, full) {
			t.Errorf("a second: %v", err)
		}
		cancel()
		synctest.Wait()
		if ana.running() != nil || there != 1 {
			t.Errorf("the node has ended with the context")
		}
		if err := newNode(t).Start(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end of the context: %v", err)
		}
		if err := ana.Stop(); err != nil || there != 0 {
			t.Errorf("%d there: %v", there, err)
		}
		late := newNode(t)
		late.settings.Evasive = late.settings.Silent
		if err := late.Start(world.With(t.Context(), w)); err == nil || there != 0 {
			t.Errorf("a node that cannot start: %d there, %v", there, err)
		}
	})
}

func newNode(t *testing.T) *Node {
	t.Helper()
	n, err := New("")
	if err != nil {
		t.Fatal(err)
	}
	return n
}
