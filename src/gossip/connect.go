package gossip

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"time"

	"github.com/sjohnr/at-once/src/zmtp"
)

// maxClients is how many connections a server keeps at a time; further ones are
// closed and counted.
const maxClients = 4096

// Waits between two attempts to connect to a seed. Each is twice the last; all
// vary by a quarter, so that those who lost a server together do not come back
// together.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 2 * time.Second
	dialTime  = 5 * time.Second // one attempt
)

// accept takes clients until ctx ends.
func (g *Gossip) accept(ctx context.Context) {
	defer context.AfterFunc(ctx, func() { _ = g.Close() })()
	clients := make(chan struct{}, maxClients)
	for {
		conn, err := g.listener.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			g.Log.Warn("cannot accept a gossip client", "error", err)
			pause(ctx, firstWait) // out of descriptors, say: let some go
			continue
		}
		select {
		case clients <- struct{}{}:
		default:
			g.Count("gossip clients over the limit")
			_ = conn.Close()
			continue
		}
		g.work.Go(func() {
			defer func() { <-clients }()
			if err := g.converse(ctx, conn, zmtp.Router); err != nil {
				g.Log.Debug("gossip client left", "address", conn.RemoteAddr(), "error", err)
			}
		})
	}
}

// connect stays with a server until ctx ends.
func (g *Gossip) connect(ctx context.Context, seed string) {
	for wait := time.Duration(0); pause(ctx, wait); wait = min(max(2*wait, firstWait), lastWait) {
		began := time.Now()
		err := g.dial(ctx, seed)
		g.Log.Debug("no gossip with a server", "endpoint", seed, "error", err)
		if time.Since(began) > dialTime {
			wait = 0
		}
	}
}

func (g *Gossip) dial(ctx context.Context, seed string) error {
	attempt, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := g.Transport.Dial(attempt, seed)
	if err != nil {
		return err
	}
	return g.converse(ctx, conn, zmtp.Dealer)
}

// pause waits, more or less as long as asked, and tells whether ctx goes on.
func pause(ctx context.Context, wait time.Duration) bool {
	if wait > 0 {
		timer := time.NewTimer(wait*3/4 + rand.N(wait/2))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
