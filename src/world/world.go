// Package world is what a node lives in: how it connects, what carries its beacons, what
// time it is, and chance. The real one is the default; a test or a simulation gives
// another, in the context in which a node starts.
//
// Programs import bindings/go/once: what is here may change at any time.
package world

import (
	"context"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// World is what a node lives in. All functions may be called from any goroutine.
type World struct {
	Transport link.Transport

	// Beacon returns what announces nodes on a UDP port. Nil is the host's network, and
	// its interfaces; a node that has a Beacon does not look at those.
	Beacon func(port int) sight.Source

	Now func() time.Time // the wall clock, which cards are dated by

	// Random returns a number from 0 to less than 1. It is told what for, so that it need
	// not depend on the order in which goroutines draw; for the same at the same moment it
	// may be the same.
	Random func(what string) float64

	// Enter is called when a node starts, and leave when it has stopped, or has not started
	// after all. An error keeps the node from starting. Nil lets all in.
	Enter func() (leave func(), err error)
}

type key struct{}

// With returns a context in which nodes start in a world.
func With(ctx context.Context, w *World) context.Context {
	return context.WithValue(ctx, key{}, w)
}

// Of returns the world in which a node starts that does so in this context, nil for its
// own.
func Of(ctx context.Context) *World {
	w, _ := ctx.Value(key{}).(*World)
	return w
}
