package node

import (
	"context"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sjohnr/at-once/src/beacon"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
)

// callings counts the connections that are made.
type callings struct {
	link.Transport
	made *atomic.Int64
}

func (d callings) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	d.made.Add(1)
	return d.Transport.Dial(ctx, endpoint)
}

// TestCrowdMeetsOnce has many nodes sight each other at the same time: each pair meets over
// the connection that is to stay, but for the one that each node makes because it could not
// know.
func TestCrowdMeetsOnce(t *testing.T) {
	const nodes = 8
	for _, security := range levels {
		t.Run(security.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLAN(t)
				var made atomic.Int64
				var all []*actor
				var seen []sight.Sighting
				for _, name := range []string{"ana", "ben", "eve", "dan", "ida", "joe", "kim", "lea"} {
					a := l.node(name, with(security), func(n *Node) {
						n.world.Transport = callings{n.world.Transport, &made}
						n.world.Beacon = func(int) sight.Source { return beacon.NewHub(0).Host("nobody hears") }
					})
					defer a.Stop()
					all = append(all, a)
					seen = append(seen, sight.Sighting{ID: a.UUID(), Endpoint: a.loop.site.Endpoint().With(a.guard.PublicKey())})
				}
				for i, a := range all {
					lookout{a.loop}.sighted(slices.Delete(slices.Clone(seen), i, i+1))
				}
				time.Sleep(50 * time.Millisecond)
				for _, a := range all {
					if present := a.Peers(); len(present) != nodes-1 {
						t.Errorf("%s knows %d", a.Name(), len(present))
					}
				}
				time.Sleep(2 * time.Second) // who waits for being connected to does not wait for longer
				if n := made.Load(); n < nodes*(nodes-1)/2 || n > nodes*(nodes-1)/2+nodes {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}
