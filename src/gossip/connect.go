package gossip

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/zmtp"
)

// maxClients is how many connections a server keeps at a time; further ones are
// closed and counted.
const maxClients = 4096

// accept takes clients until ctx ends.
func (g *Gossip) accept(ctx context.Context) {
	link.Accept(ctx, g.listener, maxClients, func(conn net.Conn, over func()) {
		g.work.Go(func() {
			defer over()
			if err := g.converse(ctx, conn, zmtp.Router); err != nil {
				g.Log.Debug("gossip client left", "address", conn.RemoteAddr(), "error", err)
			}
		})
	}, func(err error) {
		if errors.Is(err, link.ErrTooMany) {
			g.Count("gossip clients over the limit")
		} else {
			g.Log.Warn("cannot accept a gossip client", "error", err)
		}
	})
}

// connect stays with a server until ctx ends.
func (g *Gossip) connect(ctx context.Context, seed string) {
	for wait := time.Duration(0); link.Pause(ctx, link.Vary(wait, g.Random(seed))); wait = link.Longer(wait) {
		began := time.Now()
		err := g.dial(ctx, seed)
		g.Log.Debug("no gossip with a server", "endpoint", seed, "error", err)
		if time.Since(began) > link.DialTime {
			wait = 0
		}
	}
}

func (g *Gossip) dial(ctx context.Context, seed string) error {
	attempt, cancel := context.WithTimeout(ctx, link.DialTime)
	defer cancel()
	conn, err := g.Transport.Dial(attempt, seed)
	if err != nil {
		return err
	}
	return g.converse(ctx, conn, zmtp.Dealer)
}
