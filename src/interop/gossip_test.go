package interop

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/sjohnr/at-once/bindings/go/once"
	"github.com/sjohnr/at-once/src/gossip"
	"github.com/sjohnr/at-once/src/interop/zgossip"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/z85"
)

// czmqGossip is a gossip actor of CZMQ.
type czmqGossip struct {
	*zgossip.Gossip
	t *testing.T
}

func startGossip(t *testing.T) czmqGossip {
	t.Helper()
	g, err := zgossip.New()
	must(t, err)
	t.Cleanup(g.Close)
	return czmqGossip{g, t}
}

// says waits for words that begin as wanted, drops those before them, and returns
// the rest of them.
func (g czmqGossip) says(want string) string {
	g.t.Helper()
	others := []string{}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		words := g.Recv()
		if rest, ok := strings.CutPrefix(words, want); ok {
			return rest
		}
		others = append(others, words)
	}
	g.t.Fatalf("CZMQ has not said %q but %q", want, others)
	return ""
}

// of is what a node publishes of itself.
func of(n *ourNode) string { return "DELIVER " + hex(n.UUID()) + " " + n.Endpoint() }

// freeEndpoint returns an endpoint of loopback that nobody uses.
func freeEndpoint(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return "tcp://" + l.Addr().String()
}

func quietNode(t *testing.T, name string, change func(*once.Config)) *ourNode {
	t.Helper()
	c := once.Config{Name: name, Endpoint: "tcp://127.0.0.1:*"}
	change(&c)
	return startOurs(t, c)
}

// TestGossipServer has nodes of ours meet through a server of CZMQ, which is told
// exactly what a Zyre node would tell it.
func TestGossipServer(t *testing.T) {
	server := startGossip(t)
	must(t, server.Do("BIND", "tcp://127.0.0.1:!"))
	must(t, server.Do("PORT"))
	endpoint := "tcp://127.0.0.1:" + server.says("PORT ")
	connect := func(c *once.Config) { c.GossipConnect = []string{endpoint} }
	ana := quietNode(t, "ana", connect)
	if rest := server.says(of(ana)); rest != "" {
		t.Errorf("ana's value goes on with %q", rest)
	}
	ben := quietNode(t, "ben", connect)
	ana.sees("enter ben ben")
	ben.sees("enter ana ana")
	server.says(of(ben))
}

// TestGossipClient has CZMQ be a client of ours: it learns of us and we of whom it
// tells.
func TestGossipClient(t *testing.T) {
	endpoint := freeEndpoint(t)
	hub := quietNode(t, "hub", func(c *once.Config) { c.GossipBind = endpoint })
	client := startGossip(t)
	must(t, client.Do("CONNECT", endpoint))
	client.says(of(hub))
	hidden := quietNode(t, "hidden", func(c *once.Config) { c.BeaconPort = once.NoBeacon })
	must(t, client.Do("PUBLISH", hex(hidden.UUID()), hidden.Endpoint()))
	hub.sees("enter hidden hidden")
	hidden.sees("enter hub hub")

	late := quietNode(t, "late", func(c *once.Config) { c.GossipConnect = []string{endpoint} })
	client.says(of(late))
	late.sees("enter hidden hidden")
}

// TestGossipKeys has CZMQ tell us of a node with a key as a secure Zyre node does,
// and be told of one in the same way.
func TestGossipKeys(t *testing.T) {
	server := startGossip(t)
	must(t, server.Do("BIND", "tcp://127.0.0.1:!"))
	must(t, server.Do("PORT"))
	ours, theirs := newIdentity(t), newIdentity(t)
	sightings := make(chan sight.Sighting, 100)
	g, err := gossip.Listen(t.Context(), gossip.Config{
		Seeds:  []string{"tcp://127.0.0.1:" + server.says("PORT ")},
		Linger: time.Second, Transport: link.TCP{}, Log: slog.New(slog.DiscardHandler),
		Random: func(string) float64 { return rand.Float64() },
		Count:  func(name string) { t.Error(name) },
	})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	self := sight.Announcement{ID: uuid.New(), Incarnation: 1, Reached: func(net.Addr) sight.Endpoint {
		key := ours.public()
		return sight.At("10.0.0.1", 1).With(&key)
	}}
	running.Go(func() {
		err := g.Run(ctx, self, func(list []sight.Sighting) {
			for _, s := range list {
				sightings <- s
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	server.says("DELIVER " + hex(self.ID) + " tcp://10.0.0.1:1|" + z85.Encode(ours.PublicKey().Bytes()))

	key := theirs.public()
	want := sight.Sighting{ID: uuid.New(), Endpoint: sight.At("10.0.0.2", 1).With(&key)}
	must(t, server.Do("PUBLISH", hex(want.ID), want.Endpoint.Bare()+"|"+theirs.PublicText()))
	select {
	case got := <-sightings:
		if got != want {
			t.Errorf("sighted %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		t.Error("CZMQ's tuple is not sighted")
	}
}

// TestGossipServerRestarts has our server go and come: CZMQ and we connect again.
func TestGossipServerRestarts(t *testing.T) {
	endpoint := freeEndpoint(t)
	bind := func(c *once.Config) { c.GossipBind = endpoint }
	hub := quietNode(t, "hub", bind)
	ana := quietNode(t, "ana", func(c *once.Config) { c.GossipConnect = []string{endpoint} })
	client := startGossip(t)
	must(t, client.Do("CONNECT", endpoint))
	client.says(of(hub))
	ana.sees("enter hub hub")
	hub.Close()
	ana.sees("exit hub")
	again := quietNode(t, "again", bind)
	client.says(of(again))
	ana.sees("enter again again")
}
