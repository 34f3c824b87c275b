// Package mapping has the gateway of a network map a port to the node, by PCP (RFC 6887),
// NAT-PMP (RFC 6886) or UPnP, and keeps that up.
//
// A gateway is not believed. Somebody outside dials back what it says that it has mapped,
// when it is made, and each time that it is renewed; one that is dead is deleted and made
// anew, and one that stays dead is no mapping.
//
// Programs import bindings/go/once: what is here may change at any time.
package mapping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sjohnr/at-once/generated/go/oncemsg"
	"github.com/sjohnr/at-once/src/link"
)

// Life is for how long a mapping is asked for. It is renewed after half of that; where there
// is no gateway, one is looked for as often.
const Life = oncemsg.MaxMapping * time.Second

// patience is how long a gateway may take to map a port, and what maps it to be undone.
const patience = 10 * time.Second

// ErrNone says that no gateway maps the port.
var ErrNone = errors.New("no gateway maps the port")

// Gateway maps TCP ports to this host.
type Gateway interface {
	// Map maps a port to one of this host, if it can that which is wanted, and returns
	// which it is. To map it again renews the mapping.
	Map(ctx context.Context, port, wanted uint16) (outer uint16, err error)
	// Unmap deletes a mapping.
	Unmap(ctx context.Context, port, outer uint16) error
	fmt.Stringer
}

// Keeper keeps a port mapped. What is a function may be called from any goroutine.
type Keeper struct {
	Port uint16
	Find func(ctx context.Context) []Gateway // see [Find]
	// Check has somebody outside connect to a port of the address that the network is seen
	// at, and returns where that has reached this node.
	Check func(ctx context.Context, outer uint16) (endpoint string, err error)
	Put   func(endpoint string) // where the node is reached now; nothing if nowhere
	Log   *slog.Logger

	moved chan struct{}
}

// New returns a keeper that does nothing before Run.
func New(k Keeper) *Keeper {
	k.moved = make(chan struct{}, 1)
	return &k
}

// Moved says that the network has changed, or that who checks is there now.
func (k *Keeper) Moved() {
	select {
	case k.moved <- struct{}{}:
	default:
	}
}

// Run keeps the port mapped until ctx ends, and then deletes the mapping.
func (k *Keeper) Run(ctx context.Context) {
	var gateway Gateway
	var outer uint16
	for ctx.Err() == nil {
		endpoint, err := "", ErrNone
		if gateway != nil {
			endpoint, outer, err = k.hold(ctx, gateway, outer)
		}
		if err != nil {
			gateway, endpoint, outer = k.seek(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		if endpoint != "" {
			endpoint = "tcp://" + endpoint
		}
		k.Put(endpoint)
		k.wait(ctx)
	}
	if gateway != nil {
		k.undo(gateway, outer)
	}
}

// wait waits until the mapping is to be renewed, or the network has changed.
func (k *Keeper) wait(ctx context.Context) {
	timer := time.NewTimer(Life / 2)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.moved:
	case <-ctx.Done():
	}
}

// seek returns the first gateway that maps the port, and where that is reached.
func (k *Keeper) seek(ctx context.Context) (Gateway, string, uint16) {
	for _, g := range k.Find(ctx) {
		endpoint, outer, err := k.hold(ctx, g, k.Port)
		if err == nil {
			k.Log.Info("a gateway maps the port", "gateway", g, "reached", endpoint)
			return g, endpoint, outer
		}
		k.Log.Debug("no mapping", "gateway", g, "error", err)
	}
	return nil, "", 0
}

// hold makes or renews a mapping, and returns where it is reached. What is dead is deleted
// and made anew, once, and deleted if it is dead then, too.
func (k *Keeper) hold(ctx context.Context, g Gateway, wanted uint16) (endpoint string, outer uint16, err error) {
	for range 2 {
		attempt, cancel := context.WithTimeout(ctx, patience)
		outer, err = g.Map(attempt, k.Port, wanted)
		if err == nil {
			if endpoint, err = k.Check(attempt, outer); err == nil {
				cancel()
				return endpoint, outer, nil
			}
			k.Log.Info("what a gateway maps is not reached", "gateway", g, "port", outer, "error", err)
			k.undo(g, outer)
		}
		cancel()
		if !link.Pause(ctx, 0) {
			break
		}
	}
	return "", 0, err
}

// undo deletes a mapping, even where the rest is about to end.
func (k *Keeper) undo(g Gateway, outer uint16) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.Unmap(ctx, k.Port, outer); err != nil {
		k.Log.Debug("a mapping is not deleted", "gateway", g, "port", outer, "error", err)
	}
}
