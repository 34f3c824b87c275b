package ladder

import (
	"context"
	"crypto/ecdh"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/sjohnr/at-once/src/identity"
	"github.com/sjohnr/at-once/src/link"
	"github.com/sjohnr/at-once/src/rendezvous"
	"github.com/sjohnr/at-once/src/rendezvous/client"
	"github.com/sjohnr/at-once/src/rendezvous/server"
	"github.com/sjohnr/at-once/src/sight"
	"github.com/sjohnr/at-once/src/zmtp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hostOfServer = "203.0.113.1"
	port         = 4711
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// scene is a server that lends circuits, and nodes, in a network in memory and in virtual
// time, where it takes 40 ms from any host to any other.
type scene struct {
	*testing.T
	net    *link.Memory
	own    *identity.Identity
	server *server.Server
	log    *slog.Logger
	nodes  []*node
}

func inScene(t *testing.T, test func(s *scene)) {
	synctest.Test(t, func(t *testing.T) {
		out := io.Discard
		if os.Getenv("ONCE_TEST_LOG") != "" {
			out = os.Stderr
		}
		s := &scene{T: t, net: link.NewMemory(func(string, string) time.Duration { return 40 * time.Millisecond })}
		t.Cleanup(func() { time.Sleep(time.Second) }) // virtual: what is under way then arrives
		s.log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
		s.own = must(identity.New())
		s.server = must(server.New(server.Config{Identity: s.own, Transport: s.net.Host(hostOfServer), Log: s.log}, server.Policy{Relays: true}))
		s.server.Serve(must(s.net.Host(hostOfServer).Listen(t.Context(), fmt.Sprintf("tcp://*:%d", rendezvous.Port))))
		defer func() {
			for _, n := range s.nodes {
				n.end()
			}
			s.server.Close()
		}()
		test(s)
	})
}

// node is a node with a ladder, and what has become of its links.
type node struct {
	*scene
	*Ladder
	own    *identity.Identity
	host   string
	client *client.Client
	end    func()
	work   sync.WaitGroup
	ctx    context.Context

	mu     sync.Mutex
	found  []Path
	trials []Trial
	ahead  []string
	counts map[string]int
	dials  map[string]int // packets to each endpoint
	deaf   bool           // nothing that comes reaches the node but by a circuit
}

// counting counts what a node dials. From a node or to one that is deaf nothing passes.
type counting struct {
	link.Transport
	n *node
}

func (c counting) Dial(ctx context.Context, endpoint string) (net.Conn, error) {
	c.n.mu.Lock()
	c.n.dials[endpoint]++
	deaf := c.n.deaf
	c.n.mu.Unlock()
	if deaf {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return c.Transport.Dial(ctx, endpoint)
}

// node starts a node on a host, which says that it is also elsewhere.
func (s *scene) node(host string, elsewhere ...string) *node {
	n := &node{scene: s, own: must(identity.New()), host: host, counts: map[string]int{}, dials: map[string]int{}}
	must(n.own.Issue(1, time.Now()))
	random := rand.New(rand.NewPCG(1, uint64(len(s.nodes))))
	chance := func(string) float64 { n.mu.Lock(); defer n.mu.Unlock(); return random.Float64() }
	count := func(what string) { n.mu.Lock(); defer n.mu.Unlock(); n.counts[what]++ }
	transport := counting{s.net.Host(host), n}
	n.Ladder = New(Config{
		ID: n.own.UUID(), Near: transport, Far: transport, Dials: new(client.Dials), Random: chance, Log: s.log, Count: count,
		Open:  n.open,
		Take:  func(conn net.Conn, _ *client.Circuit) { n.work.Go(func() { n.accepted(conn, Relayed) }) },
		Made:  func(p Path) { n.work.Go(func() { n.serve(p) }) },
		Found: func(p Path) { n.mu.Lock(); defer n.mu.Unlock(); n.found = append(n.found, p) },
		Tried: func(t Trial) { n.mu.Lock(); defer n.mu.Unlock(); n.trials = append(n.trials, t) },
	})
	candidates := []client.Candidate{{Endpoint: fmt.Sprintf("tcp://%s:%d", host, port), Since: time.Now()}}
	for _, e := range elsewhere {
		candidates = append(candidates, client.Candidate{Endpoint: e, Since: time.Now()})
	}
	n.client = client.New(client.Config{
		Address: rendezvous.Address{
			Hosts: []string{fmt.Sprintf("%s:%d", hostOfServer, rendezvous.Port)},
			Key:   [32]byte(s.own.Transport().PublicKey().Bytes()), Secret: rendezvous.Secret{1},
		},
		Identity: n.own, Transport: s.net.Host(host), Linger: time.Second, Log: s.log, Random: chance, Count: count,
		Describe: func() client.Description { return client.Description{Name: host, Candidates: candidates} },
		Willing:  n.Willing, Met: n.Met,
		Lent: func(c *client.Circuit) {
			n.mu.Lock()
			n.ahead = append(n.ahead, string(c.Ahead))
			n.mu.Unlock()
			n.Lent(c)
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	n.ctx = ctx
	l := must(s.net.Host(host).Listen(ctx, fmt.Sprintf("tcp://*:%d", port)))
	n.work.Go(func() { _ = n.client.Run(ctx, sight.Announcement{}, func([]sight.Sighting) {}) })
	n.work.Go(func() {
		link.Accept(ctx, l, 100, func(conn net.Conn, over func()) {
			n.mu.Lock()
			deaf := n.deaf
			n.mu.Unlock()
			if deaf {
				_ = conn.Close()
				over()
				return
			}
			n.work.Go(func() { defer over(); n.accepted(conn, RungOf(conn.RemoteAddr())) })
		}, func(error) {})
	})
	n.end = func() { cancel(); n.Close(); n.work.Wait() }
	s.nodes = append(s.nodes, n)
	return n
}

func (n *node) config() link.Config {
	id := n.own.UUID()
	return link.Config{Type: zmtp.Dealer, Identity: append([]byte{1}, id[:]...)}
}

func (n *node) open(ctx context.Context, conn net.Conn, to *identity.Card, tie bool) (*link.Link, error) {
	c := n.config()
	c.Curve = &zmtp.Curve{Key: n.own.Transport(), Server: must(ecdh.X25519().NewPublicKey(to.Transport[:])), Tie: tie, Eager: true}
	return link.Open(ctx, conn, c)
}

func (n *node) accepted(conn net.Conn, rung Rung) {
	c := n.config()
	c.Curve = &zmtp.Curve{Key: n.own.Transport(), Admit: func([32]byte, net.Addr, *zmtp.Metadata) error { return nil }}
	l, err := link.Open(n.ctx, conn, c)
	if err != nil {
		return
	}
	p := Path{uuid.UUID(l.RemoteIdentity()[1:]), rung, l}
	if !n.Arrived(p) {
		_ = l.Close()
		return
	}
	n.serve(p)
}

// serve serves a link until it ends.
func (n *node) serve(p Path) {
	defer context.AfterFunc(n.ctx, func() { _ = p.Link.Close() })()
	_ = p.Link.Serve(func(b *link.Batch) error { b.Release(); return nil })
	n.Lost(p)
}

// best returns the link that a node uses with another.
func (n *node) best(with *node) Path {
	n.Ladder.mu.Lock()
	defer n.Ladder.mu.Unlock()
	if w := n.ways[with.own.UUID()]; w != nil {
		return w.best
	}
	return Path{}
}

// spare returns how many links wait beside it.
func (n *node) spare(with *node) int {
	n.Ladder.mu.Lock()
	defer n.Ladder.mu.Unlock()
	if w := n.ways[with.own.UUID()]; w != nil {
		return len(w.spare)
	}
	return 0
}

// known returns to how many peers the node knows of ways.
func (n *node) known() int { n.Ladder.mu.Lock(); defer n.Ladder.mu.Unlock(); return len(n.ways) }

func (n *node) set(deaf bool) { n.mu.Lock(); defer n.mu.Unlock(); n.deaf = deaf }

func (n *node) dialled(endpoint string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials[endpoint]
}

func (n *node) counted(what string) int { n.mu.Lock(); defer n.mu.Unlock(); return n.counts[what] }

// agree tells whether two nodes use the two ends of one link.
func agree(a, b *node) bool {
	near, far := a.best(b).Link, b.best(a).Link
	return near != nil && far != nil && near.LocalAddr().String() == far.RemoteAddr().String() && near.RemoteAddr().String() == far.LocalAddr().String()
}

func (n *node) reach(other *node, ahead string) { n.Reach(other.own.UUID(), n.client, []byte(ahead)) }
